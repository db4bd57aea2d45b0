"""Which nonces a signer may still use."""

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.domain.moment import to_ms

KEPT = 100
PAST = timedelta(days=2)
FUTURE = timedelta(days=1)


@dataclass(slots=True)
class Nonces:
    """Per signer the 100 highest. A new one must be above the lowest kept, unused, and close to
    now (T - 2 days to T + 1 day), whether or not its action then succeeds.
    """

    _kept: dict[str, list[int]] = field(default_factory=dict)

    def use(self, signer: str, nonce: int, now: datetime) -> str | None:
        """None when it was good, and is used now; else the venue's complaint."""
        if not to_ms(now - PAST) < nonce < to_ms(now + FUTURE):
            return f"Invalid nonce: nonce {nonce} is too far from the block time {to_ms(now)}"
        kept = self._kept.setdefault(signer, [])
        if nonce in kept:
            return f"Invalid nonce: duplicate nonce {nonce}"
        if len(kept) == KEPT:
            if nonce < kept[0]:
                return f"Invalid nonce: nonce too low {nonce} < {kept[0]}"
            del kept[0]
        insort(kept, nonce)
        return None

    def forget(self, signer: str) -> None:
        """A signer that is gone is pruned: its nonces, and so its old actions, work again."""
        self._kept.pop(signer, None)
