"""The weight that each address on the internet may spend in a minute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.domain.moment import to_ms

WEIGHT_PER_MINUTE = 1200
ORDERS_PER_WEIGHT = 40
_LIGHT = frozenset(
    {
        "l2Book",
        "allMids",
        "clearinghouseState",
        "orderStatus",
        "spotClearinghouseState",
        "exchangeStatus",
    }
)
_ITEMS_PER_WEIGHT = {
    "userFills": 20,
    "userFillsByTime": 20,
    "userFunding": 20,
    "historicalOrders": 20,
    "candleSnapshot": 60,
}
_WINDOW_MS = 60_000


def exchange_weight(action: Mapping[str, Any]) -> int:
    batch = action.get("orders") or action.get("cancels") or action.get("modifies") or ()
    return 1 + (len(batch) if isinstance(batch, list) else 0) // ORDERS_PER_WEIGHT


def info_weight(kind: str, items: int) -> int:
    """`items`: how many the answer lists; known only once it is there."""
    if kind in _LIGHT:
        return 2
    if kind == "userRole":
        return 60
    per = _ITEMS_PER_WEIGHT.get(kind)
    return 20 + (items // per if per else 0)


@dataclass(slots=True)
class WeightBudget:
    """Per client address, over the last minute."""

    per_minute: int = WEIGHT_PER_MINUTE
    _spent: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def spent(self, client: str, now: datetime) -> int:
        since = to_ms(now) - _WINDOW_MS
        recent = [item for item in self._spent.get(client, []) if item[0] > since]
        self._spent[client] = recent
        return sum(weight for _, weight in recent)

    def is_exhausted(self, client: str, now: datetime) -> bool:
        return self.spent(client, now) >= self.per_minute

    def spend(self, client: str, weight: int, now: datetime) -> None:
        self._spent.setdefault(client, []).append((to_ms(now), weight))
