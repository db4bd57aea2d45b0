"""How many messages went to venues lately, of each scope: submits, modifications and cancels (R4).

A scope has a document a minute, which counts by the second. Whoever is about to send adds one with
`Increment`, in the commit that writes the message ahead: no precondition, so nobody waits for
anybody. The documents themselves are created before, empty, in a commit of their own, so that the
first message of a minute makes nobody's commit fail either.

The window slides: the current second and the 60 before it, out of this minute's document and the
last one's, and all that is counted for a time to come, as a clock may have stepped back. So no
stretch of 60 s, wherever it begins, holds more than the limit.

An increment asks no question. Executors that look at the same moment each find room for one, and
would pass the limit by as many as they are, less one; the last gate looks again (`counted`) once
each has added itself, and refuses what is above. What it refuses was counted and not sent, so the
count errs to the safe side. A cancel is counted and never refused.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.books import MESSAGE_COUNTS
from common.domain.moment import EPOCH
from common.domain.scope import Scope
from common.errors import ConflictError
from common.how.denial import Denial
from common.how.effective_limits import EffectiveLimits
from common.how.limits import Refusal
from common.ports import Create, Document, DocumentStore, Increment, Ref
from common.wire import JsonObject

WINDOW_S = 61
"""Seconds by the clock that any 60 s can touch."""

KEPT = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class MessageCount:
    """Of one scope."""

    this_second: int = 0
    last_minute: int = 0  # this second's among them
    problem: str = ""


def count_ref(scope: Scope, moment: datetime) -> Ref:
    return Ref(MESSAGE_COUNTS, f"{scope.key}:{moment:%Y%m%d%H%M}")


def count_refs(scope: Scope, now: datetime) -> tuple[Ref, Ref, Ref]:
    """What `read_count` reads: this minute, the one before it, and the next: clocks step back."""
    return tuple(count_ref(scope, minute) for minute in _minutes(now))  # type: ignore[return-value]  # three


def _minutes(now: datetime) -> tuple[datetime, datetime, datetime]:
    return now, now - _MINUTE, now + _MINUTE


def read_count(documents: Sequence[Document | None], now: datetime) -> MessageCount:
    """Of `count_refs`, in order. Seconds to come count: a clock has stepped back."""
    first = _second(now) - WINDOW_S + 1
    this_second = last_minute = 0
    for document, minute in zip(documents, _minutes(now), strict=True):
        begins = _second(minute) - minute.second
        try:
            counts = _counts(document)
        except ValueError:
            return MessageCount(problem="its messages cannot be counted")
        for second, count in counts.items():
            if begins + second >= first:
                last_minute += count
            if begins + second == _second(now):
                this_second += count
    return MessageCount(this_second, last_minute)


def check_rate(
    counts: Mapping[str, MessageCount],
    limits: EffectiveLimits,
    deployment: Scope,
    *,
    counted: bool = False,
) -> Refusal | None:
    """Of the platform, the venue, the agent and the deployment, by their scopes' keys.

    `counted`: the message is among them already, as at the last gate.
    """
    more = 0 if counted else 1
    for scope, limit in limits.totals:
        refusal = _check_one(
            scope,
            counts.get(scope.key),
            more,
            limit.max_messages_per_second,
            limit.max_messages_per_minute,
        )
        if refusal is not None:
            return refusal
    found = counts.get(deployment.key)
    return _check_one(deployment, found, more, None, limits.max_messages_per_minute)


async def read_counts(
    store: DocumentStore, scopes: Iterable[Scope], *, now: datetime
) -> dict[str, MessageCount]:
    """By scope key. Raises TransientError: the store does not answer."""
    asked = tuple(scopes)
    refs = {scope: count_refs(scope, now) for scope in asked}
    every = [ref for each in refs.values() for ref in each]
    found = dict(zip(every, await store.get_many(every), strict=True))
    return {
        scope.key: read_count([found[ref] for ref in each], now) for scope, each in refs.items()
    }


async def count_message_writes(
    store: DocumentStore, scopes: Iterable[Scope], *, now: datetime
) -> list[Increment]:
    """One message more in each scope, for the commit that writes it ahead; a scope that is named
    so many times has that many more.

    Raises TransientError: the store does not answer; nothing is counted.
    """
    times = Counter(scopes)
    asked = [(scope, count_ref(scope, now)) for scope in times]
    present = await store.get_many([ref for _, ref in asked])
    for (scope, ref), document in zip(asked, present, strict=True):
        if document is None:
            await _begin(store, scope, ref, now)
    path = f"seconds.s{now.second:02}"
    return [Increment(ref, path, times[scope]) for scope, ref in asked]


async def _begin(store: DocumentStore, scope: Scope, ref: Ref, now: datetime) -> None:
    empty: JsonObject = {"scope": scope.key, "minute": f"{now:%Y%m%d%H%M}", "seconds": {}}
    try:
        await store.commit([Create(ref, empty, expires_at=now + KEPT)])
    except ConflictError:  # somebody else began the minute
        return


def _check_one(
    scope: Scope,
    found: MessageCount | None,
    more: int,
    per_second: int | None,
    per_minute: int | None,
) -> Refusal | None:
    if per_second is None and per_minute is None:
        return None
    if found is None or found.problem:
        problem = found.problem if found else "its messages were not counted"
        return Refusal(Denial.RATE_LIMIT_EXCEEDED, f"{scope.label}: {problem}")
    second, minute = found.this_second + more, found.last_minute + more
    if per_second is not None and second > per_second:
        words = f"{scope.label}: messages={second} in a second, max={per_second}"
        return Refusal(Denial.RATE_LIMIT_EXCEEDED, words)
    if per_minute is not None and minute > per_minute:
        words = f"{scope.label}: messages={minute} in a minute, max={per_minute}"
        return Refusal(Denial.RATE_LIMIT_EXCEEDED, words)
    return None


def _counts(document: Document | None) -> dict[int, int]:
    """By second of the minute. Raises ValueError."""
    if document is None:
        return {}
    seconds = document.data.get("seconds")
    if not isinstance(seconds, dict):
        raise ValueError("no seconds")
    counts = {int(name[1:]): count for name, count in seconds.items()}
    if any(type(count) is not int for count in counts.values()):
        raise ValueError("no counts")
    return counts


def _second(moment: datetime) -> int:
    """Whole seconds since 1970."""
    return (moment - EPOCH) // timedelta(seconds=1)
