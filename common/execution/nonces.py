"""Nonces: each signer's are given out once, in rising order, over all instances."""

from dataclasses import dataclass
from datetime import datetime

from common.books import SIGNER_NONCES
from common.contention import retry_on_conflict
from common.documents import load, put
from common.domain.moment import UtcDatetime
from common.ports import Clock, DocumentStore, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceRecord:
    """The document under `signer_nonces`, id = venue and signer."""

    signer: str
    last: int
    updated_at: UtcDatetime


class Nonces:
    """Time-based nonces by compare-and-set: max(last + 1, now).

    Two orders in one millisecond, a clock that stepped back and a second instance all get a number
    of their own. A number whose order is never sent is lost, which venues of this kind allow.
    """

    def __init__(self, store: DocumentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take(self, venue: str, signer: str, *, unit: str = "ms") -> int:
        """The next number, near the clock's milliseconds ("ms") or microseconds ("us").

        Raises TransientError: contended to the end; no number was given.
        """
        ref = Ref(SIGNER_NONCES, f"{venue}:{signer.lower()}")

        async def once() -> int:
            now = self._clock.now()
            stored = await load(self._store, NonceRecord, ref)
            last = stored.value.last if stored else 0
            number = max(last + 1, _number(now, unit))
            record = NonceRecord(signer=signer.lower(), last=number, updated_at=now)
            await self._store.commit([put(stored, ref, record)])
            return number

        return await retry_on_conflict(once, what=f"the nonce of {signer}")


def _number(now: datetime, unit: str) -> int:
    micros = int(now.timestamp()) * 1_000_000 + now.microsecond
    return micros if unit == "us" else micros // 1000
