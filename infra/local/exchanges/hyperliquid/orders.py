"""An order as it was asked for, and as it stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from infra.local.exchanges.hyperliquid.assets import Asset
from infra.local.exchanges.hyperliquid.numbers import MalformedError, decimal_of, wire

Tif = Literal["Gtc", "Ioc", "Alo"]
_CLOID = re.compile("0x[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class Trigger:
    price: Decimal
    is_market: bool
    tpsl: Literal["tp", "sl"]

    def fires(self, *, is_buy: bool, mark: Decimal) -> bool:
        rises = is_buy if self.tpsl == "sl" else not is_buy
        return mark >= self.price if rises else mark <= self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One entry of an action's `orders`; `tif` is None for a trigger order."""

    asset_id: int
    is_buy: bool
    price: Decimal
    size: Decimal
    reduce_only: bool
    tif: Tif | None
    trigger: Trigger | None
    cloid: str | None

    @classmethod
    def of(cls, order: Mapping[str, Any]) -> "OrderRequest":
        """Raises MalformedError."""
        try:
            kind = order["t"]
            tif = kind["limit"]["tif"] if "limit" in kind else None
            trigger = _trigger(kind["trigger"]) if "trigger" in kind else None
            flags = (order["b"], order["r"])
            asset_id = order["a"]
            price, size = decimal_of(order["p"]), decimal_of(order["s"])
        except (KeyError, TypeError):
            raise MalformedError("no order") from None
        if tif not in {"Gtc", "Ioc", "Alo", None} or (tif is None) == (trigger is None):
            raise MalformedError("no order type of the venue")
        if not all(isinstance(flag, bool) for flag in flags) or type(asset_id) is not int:
            raise MalformedError("no order")
        return cls(
            asset_id=asset_id,
            is_buy=flags[0],
            price=price,
            size=size,
            reduce_only=flags[1],
            tif=tif,
            trigger=trigger,
            cloid=cloid_of(order.get("c")),
        )


def cloid_of(value: object) -> str | None:
    """A cloid in lower case; None for None. Raises MalformedError."""
    if value is None:
        return None
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise MalformedError("a cloid is 0x and 32 hex digits")
    return value.lower()


def _trigger(fields: Mapping[str, Any]) -> Trigger:
    if fields["tpsl"] not in {"tp", "sl"}:
        raise MalformedError("a trigger is tp or sl")
    return Trigger(decimal_of(fields["triggerPx"]), bool(fields["isMarket"]), fields["tpsl"])


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """`left` is what may still fill. `status` is the venue's word: open, filled, canceled,
    triggered, or one of its rejections and cancellations.
    """

    oid: int
    account: str
    asset: Asset
    is_buy: bool
    price: Decimal
    size: Decimal
    left: Decimal
    tif: Tif | None
    reduce_only: bool
    cloid: str | None
    trigger: Trigger | None
    placed_ms: int
    status: str = "open"
    status_ms: int = 0
    parent: int | None = None  # the oid whose fill arms this tp or sl
    is_armed: bool = True
    is_position_tpsl: bool = False

    @property
    def is_live(self) -> bool:
        return self.status in {"open", "triggered"}

    @property
    def waits(self) -> bool:
        """A trigger order that has not fired."""
        return self.trigger is not None and self.status == "open"

    def end(self, status: str, now_ms: int) -> None:
        self.status = status
        self.status_ms = now_ms

    def brief(self) -> dict[str, object]:
        """As in openOrders."""
        row: dict[str, object] = {
            "coin": self.asset.coin,
            "side": "B" if self.is_buy else "A",
            "limitPx": wire(self.price),
            "sz": wire(self.left),
            "oid": self.oid,
            "timestamp": self.placed_ms,
            "origSz": wire(self.size),
        }
        if self.cloid is not None:
            row["cloid"] = self.cloid
        if self.reduce_only:
            row["reduceOnly"] = True
        return row

    def full(self) -> dict[str, object]:
        """As in frontendOpenOrders, orderStatus and historicalOrders."""
        trigger = self.trigger
        row: dict[str, object] = {
            **self.brief(),
            "triggerCondition": self._condition(),
            "isTrigger": trigger is not None,
            "triggerPx": "0.0" if trigger is None else wire(trigger.price),
            "children": [],
            "isPositionTpsl": self.is_position_tpsl,
            "reduceOnly": self.reduce_only,
            "orderType": self._type(),
            "tif": self.tif,
            "cloid": self.cloid,
        }
        return row

    def _type(self) -> str:
        if self.trigger is None:
            return "Limit"
        name = "Take Profit" if self.trigger.tpsl == "tp" else "Stop"
        return f"{name} {'Market' if self.trigger.is_market else 'Limit'}"

    def _condition(self) -> str:
        if self.trigger is None:
            return "N/A"
        rises = self.trigger.fires(is_buy=self.is_buy, mark=self.trigger.price + 1)
        return f"Price {'above' if rises else 'below'} {self.trigger.price.normalize():f}"
