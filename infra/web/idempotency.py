"""`Idempotency-Key`: the same key with the same body has one effect and one answer.

The record is created before the work (INPROGRESS, with a lease) and holds the answer after it.
Only answers of success are kept: a refused request wrote nothing and may be mended and sent again.
When a process dies in between, the key stays taken until the lease is over; the redo then derives
the same ids from the key and finds what the first one wrote.
"""

import json
import logging
import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.books import IDEMPOTENCY_KEYS
from common.documents import Stored, load
from common.domain.identifiers import digest
from common.domain.moment import UtcDatetime
from common.domain.principal import Principal
from common.errors import ConflictError, TransientError
from common.ports import Create, Delete, Ref
from common.wire import to_document
from infra import bootstrap
from infra.web.canonical import canonical_body
from infra.web.guard import JSON_KEY, PRINCIPAL_KEY
from infra.web.platform import on_cloud_run
from infra.web.problems import Problem

NONCE_KEY = "sapphire.nonce"
MAKES_ORDERS = frozenset(
    {"/api/trading/execute", "/api/v3/signals/generate", "/api/signals/generate"}
)
"""Of a POST here that is repeated without a key, nobody could say that it is the same order."""
LEASE = timedelta(seconds=90)  # longer than the function may run
KEPT_FOR = timedelta(hours=24)
KEY_PATTERN = re.compile(r"[\x20-\x7e]{1,255}")

INPROGRESS, DONE = "INPROGRESS", "DONE"
_METHODS = frozenset({"POST", "PUT"})
_ONCE_KEY = "sapphire.once"
_SHOWN_ONCE = json.dumps(
    {
        "type": "urn:sapphire:problem:shown-once",
        "title": "Conflict",
        "status": 409,
        "detail": "it is done, and its answer held a secret that is shown once",
        "code": "SHOWN_ONCE",
    }
)
_log = logging.getLogger("sapphire.api")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """The document under `idempotency_keys`."""

    state: str
    request_hash: str
    owner: str  # the request that holds the lease
    lease_until: UtcDatetime
    status: int | None
    body: str | None
    created_at: UtcDatetime


class Idempotency:
    """Gives each write a nonce for its ids, and answers a repeated key from its record."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _METHODS:
            await self._app(scope, receive, send)
            return
        principal: Principal | None = scope.get(PRINCIPAL_KEY)
        key = _key_of(scope)
        if key is None or principal is None:  # a stranger, at a public path, is kept no answer for
            if scope["path"] in MAKES_ORDERS and on_cloud_run():
                raise _missing()
            scope[NONCE_KEY] = uuid4().hex
            await self._app(scope, receive, send)
            return
        name = digest(principal.principal_id, scope["path"], key)
        scope[NONCE_KEY] = name
        # A body's canonical form: its white space and the order of its keys change nothing.
        content = canonical_body(scope.get(JSON_KEY))
        await self._once(_Claim(name, digest(scope["method"], content)), scope, receive, send)

    async def _once(self, claim: "_Claim", scope: Scope, receive: Receive, send: Send) -> None:
        stored = await claim.take()
        if stored is not None:
            replay = Response(
                stored.body or "",
                status_code=stored.status or 200,
                headers={"Idempotency-Replayed": "true"},
                media_type="application/json"
                if (stored.status or 200) < 300
                else "application/problem+json",
            )
            await replay(scope, receive, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self._app(scope, receive, keep)
        except BaseException:
            await claim.drop()
            raise
        status, body = _answer_of(messages)
        if scope.get(_ONCE_KEY) and 200 <= status < 300:
            await claim.finish(409, _SHOWN_ONCE)
        elif 200 <= status < 300:
            await claim.finish(status, body)
        else:
            await claim.drop()
        for message in messages:
            await send(message)


def once_only(scope: Scope) -> None:
    """For a route whose answer holds a secret: it is not kept, and its key is answered with 409."""
    scope[_ONCE_KEY] = True


class _Claim:
    """This request's hold on a key."""

    def __init__(self, name: str, request_hash: str) -> None:
        self._ref = Ref(IDEMPOTENCY_KEYS, name)
        self._hash = request_hash
        self._owner = uuid4().hex
        self._runtime = bootstrap.current()

    async def take(self) -> KeyRecord | None:
        """Hold the key and return None, or return the answer that it already has.

        Raises:
            Problem: 422 for another body, 409 while the first request runs.
        """
        now = self._runtime.clock.now()
        record = KeyRecord(
            state=INPROGRESS,
            request_hash=self._hash,
            owner=self._owner,
            lease_until=now + LEASE,
            status=None,
            body=None,
            created_at=now,
        )
        try:
            create = Create(self._ref, to_document(record), expires_at=now + KEPT_FOR)
            await self._runtime.store.commit([create])
        except ConflictError:
            return await self._join(record)
        return None

    async def _join(self, record: KeyRecord) -> KeyRecord | None:
        present = await load(self._runtime.store, KeyRecord, self._ref)
        if present is None:
            raise _running()
        if present.value.request_hash != self._hash:
            detail = "this Idempotency-Key was used with another request"
            raise Problem(422, "IDEMPOTENCY_KEY_REUSED", detail)
        if present.value.state == DONE:
            return present.value
        if self._runtime.clock.now() < present.value.lease_until:
            raise _running()
        try:
            await self._runtime.store.commit([present.update(record)])
        except ConflictError:
            raise _running() from None
        return None

    async def finish(self, status: int, body: str) -> None:
        """Keep the answer. When that fails it still stands: the work is done, its ids are fixed."""
        mine = await self._mine()
        if mine is None:
            return
        answered = KeyRecord(
            state=DONE,
            request_hash=self._hash,
            owner=self._owner,
            lease_until=mine.value.lease_until,
            status=status,
            body=body,
            created_at=mine.value.created_at,
        )
        try:
            await self._runtime.store.commit([mine.update(answered)])
        except TransientError as error:
            _log.warning("the answer to an Idempotency-Key was not kept: %s", error)

    async def drop(self) -> None:
        """Free the key: the request failed, or was refused."""
        mine = await self._mine()
        if mine is None:
            return
        try:
            await self._runtime.store.commit([Delete(self._ref, mine.version)])
        except TransientError as error:
            _log.warning("an Idempotency-Key stays taken until its lease is over: %s", error)

    async def _mine(self) -> Stored[KeyRecord] | None:
        try:
            present = await load(self._runtime.store, KeyRecord, self._ref)
        except TransientError as error:
            _log.warning("an Idempotency-Key stays taken until its lease is over: %s", error)
            return None
        return present if present and present.value.owner == self._owner else None


def _running() -> Problem:
    detail = "the first request with this Idempotency-Key is still running"
    return Problem(409, "IDEMPOTENCY_KEY_IN_USE", detail, headers={"Retry-After": "1"})


def _missing() -> Problem:
    detail = "an order needs an Idempotency-Key, so that a repeated request is not a second order"
    return Problem(400, "IDEMPOTENCY_KEY_MISSING", detail, where="header.Idempotency-Key")


def _key_of(scope: Scope) -> str | None:
    given = [value for name, value in scope["headers"] if name.lower() == b"idempotency-key"]
    if not given:
        return None
    text = given[0].decode("latin-1")
    if len(given) > 1 or not KEY_PATTERN.fullmatch(text):
        detail = "one key of 1 to 255 printable ASCII characters"
        raise Problem(400, "INVALID_IDEMPOTENCY_KEY", detail, where="header.Idempotency-Key")
    return str(text)


def _answer_of(messages: list[Message]) -> tuple[int, str]:
    status = next(m["status"] for m in messages if m["type"] == "http.response.start")
    parts = (m.get("body", b"") for m in messages if m["type"] == "http.response.body")
    return int(status), b"".join(parts).decode()
