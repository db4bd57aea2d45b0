"""How often one caller may ask: token buckets in memory, so of this process alone (ADR 0017)."""

from collections import OrderedDict
from time import monotonic

CALLERS_MAX = 10_000


class Buckets:
    """A bucket a caller, of `per_minute` tokens at most, which fills up again within a minute.

    It goes by the machine's own time: the runtime's clock may be a replay's, which stands still.
    The callers that have not been seen for longest are forgotten beyond `CALLERS_MAX`.
    """

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, per_minute: int) -> float:
        """Take a token: 0.0, or where there is none the seconds until there is one (> 0)."""
        wait = self.wait(caller, per_minute)
        if wait == 0.0:
            left, at = self._left[caller]
            self._left[caller] = (left - 1.0, at)
        return wait

    def wait(self, caller: str, per_minute: int) -> float:
        """As `take`, and takes none."""
        now = monotonic()
        left, at = self._left.get(caller, (float(per_minute), now))
        left = min(float(per_minute), left + (now - at) * per_minute / 60.0)
        self._left[caller] = (left, now)
        self._left.move_to_end(caller)
        if len(self._left) > CALLERS_MAX:
            self._left.popitem(last=False)
        return 0.0 if left >= 1.0 else (1.0 - left) * 60.0 / per_minute
