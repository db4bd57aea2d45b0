"""Random requests to every operation: what its schema allows, what it does not, and near misses."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core import NOT_SET
from schemathesis.core.result import Ok

from functions.api.application import application
from tests.functions.api_examples import VALID, path_of
from tests.fuzz.stand import Shot, Stand

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@dataclass(slots=True)
class Figures:
    operations: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    """By operation and code, the first request that was answered 5xx."""

    @property
    def cases(self) -> int:
        return self.statuses.total()

    def share(self, hundred: int) -> int:
        return sum(n for status, n in self.statuses.items() if status // 100 == hundred)


def fuzz(cases: int, *, start: int = 0) -> Iterator[Figures]:
    """At least `cases` requests in all, the same for the same `start`; told after each turn."""
    schema = schemathesis.openapi.from_dict(application().openapi())
    found = list(schema.get_all_operations())
    operations = [each.ok() for each in found if isinstance(each, Ok)]
    if len(operations) < len(found):
        raise ValueError("/openapi.json has an operation that is not valid")
    figures = Figures(operations=len(operations))
    while figures.cases < cases:  # an operation that takes nothing soon has no new request
        each = -(-(cases - figures.cases) // (len(operations) * len(MODES)))
        for operation in operations:
            start += 1
            with Stand() as stand:
                for mode in MODES:
                    with suppress(Unsatisfiable):  # there is nothing that its schema forbids
                        _shoot(_Turn(operation, start, stand, figures), mode, each)
            yield figures


def _shoot(turn: "_Turn", mode: GenerationMode, count: int) -> None:
    left = count

    @seed(turn.start)
    @settings(
        max_examples=4 * count,  # Hypothesis ends early where it sees nothing new
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=turn.operation.as_strategy(generation_mode=mode), near=st.integers(0, 7))
    def shoot(case: Case[Any], near: int) -> None:
        nonlocal left
        if left == 0:
            return
        left -= 1
        turn.fire(shot_of(case, near))

    shoot()


@dataclass(frozen=True, slots=True)
class _Turn:
    operation: APIOperation[Any, Any, Any, Any]
    start: int
    stand: Stand
    figures: Figures

    def fire(self, shot: Shot) -> None:
        answer = self.stand.send(shot)
        self.figures.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            path = self.operation.path
            name = f"{shot.method} {path} {answer.status_code} {answer.text[:200]}"
            self.figures.broken.setdefault(name, f"{shot.url[:300]} {(shot.body or b'')[:1000]!r}")


def shot_of(case: Case[Any], near: int) -> Shot:
    """Random ids lead nowhere, and random bodies fail early: so `near` has half of the requests go
    to what is there, and half of the bodies be good ones but for one field.
    """
    return Shot(
        method=case.method,
        path=path_of(case.path) if near & 1 else case.formatted_path,
        query=case.query,
        headers={str(name): str(value) for name, value in case.headers.items()},
        body=_body(case, near),
    )


def _body(case: Case[Any], near: int) -> bytes | None:
    body: Any = case.body
    if body is NOT_SET:
        return None
    if isinstance(body, bytes):
        return body
    valid = VALID.get(case.path)
    if near & 2 and valid and isinstance(body, dict) and body:
        name = sorted(body)[near % len(body)]
        body = {**valid, name: body[name]}
    return json.dumps(body).encode()
