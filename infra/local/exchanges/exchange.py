"""What a venue's stand-in brings along: three words about a request, and its answer.

An `Exchange` is synchronous, pure state: it never waits, reads no clock and can be deep-copied (two
faults need that: NO_EFFECT asks a copy, READ_LAG lets queries ask the copy from before). Tests may
reach into it between requests: deposits, prices, positions.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qsl

from infra.local.exchanges.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """`host` tells apart the services that one venue spreads over several names."""

    method: str
    path: str
    host: str = ""
    query: str = ""  # as sent, without "?"
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    client: str = "127.0.0.1"  # the caller's address, for limits per IP

    def json(self) -> object:
        """Raises ValueError: not JSON."""
        parsed: object = json.loads(self.body)
        return parsed

    def parameters(self) -> list[tuple[str, str]]:
        """The query's pairs, then a form body's, in the order sent."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        form = self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        return pairs + (parse_qsl(self.body.decode(), keep_blank_values=True) if form else [])


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """`body`: bytes go out as they are, anything else as JSON."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Operation:
    """`name` and `key` are what `Faults.next` is asked with. `writes`: may it change anything?"""

    name: str
    key: str = ""
    writes: bool = False


class Exchange(Protocol):
    def operation(self, request: ApiRequest) -> Operation:
        """Name the request; one that makes no sense is Operation("unknown")."""

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        """Do it at `now`. `fault` is ORDER_ERROR or PARTIAL_FILL, whose form is the venue's own.

        A venue without that notion ignores it. Requests that make no sense get the venue's own
        kind of error; nothing is raised.
        """
