"""SW-09: children that cannot be told by their size or their second.

Pure functions of a seed, which is the child's intent id: a redelivery gives the same.
"""

from datetime import timedelta
from decimal import Decimal, localcontext

from common.domain.identifiers import digest
from common.domain.position import EXACT

_DIGEST_BITS = 256
_FINE = 2**64 - 1


def fuzzed(quantity: Decimal, *, seed: str, fraction: Decimal, most: Decimal) -> Decimal:
    """Somewhere in `quantity` +- `fraction` of it and never above `most`, every place as likely.

    Where `most` is below that range it is `most`. Not yet in lots.
    """
    with localcontext(EXACT):
        low = quantity * (1 - fraction)
        high = min(quantity * (1 + fraction), most)
        if high <= low:
            return min(low, most)
        place = Decimal(_number("fuzz", seed) >> (_DIGEST_BITS - 64)) / _FINE
        return min(low + (high - low) * place, high)


def jitter(seed: str, *, min_ms: int, max_ms: int) -> timedelta:
    """A delay from `min_ms` to `max_ms`, both included, to the microsecond."""
    span = (max_ms - min_ms) * 1000
    return timedelta(microseconds=min_ms * 1000 + (_number("jitter", seed) * (span + 1) >> 256))


def _number(purpose: str, seed: str) -> int:
    """Uniform in 0..2^256 - 1."""
    return int(digest(purpose, seed), 16)
