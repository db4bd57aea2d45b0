"""What Ostium's subgraph keeps of a trader: trades, orders and resting limits. Pure."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from common.errors import InvalidInputError
from infra.venues.evm.hexadecimal import to_address
from infra.venues.fields import Answer, as_list, as_object, text
from infra.venues.ostium.parse import whole_text

_E2, _E6, _E18 = Decimal(100), Decimal(10**6), Decimal(10**18)
_FEES = ("devFee", "vaultFee", "oracleFee")
_FEES_AT_CLOSE = ("liquidationFee", "fundingFee", "rolloverFee")  # null where nothing was due


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrade:
    """A position at (trader, pair, index). `size` in base units, exact."""

    trade_id: str
    pair_index: int
    base: str
    quote: str
    index: int
    is_buy: bool
    size: Decimal
    open_price: Decimal

    @property
    def signed_size(self) -> Decimal:
        return self.size if self.is_buy else -self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleOrder:
    """An order between its transaction and the oracle's answer, and after it.

    `is_buy` is the side of the trade that is opened or closed. Size, price and fees are None
    while it is pending or when it was cancelled.
    """

    order_id: str
    trader: str
    pair_index: int
    is_open: bool  # opens a trade, or closes one
    is_buy: bool
    is_pending: bool
    is_cancelled: bool
    cancel_reason: int | None
    executed_block: int | None = None  # where the oracle's answer stands
    size: Decimal | None = None
    price: Decimal | None = None
    fees: Decimal | None = None  # USDC, all that was taken; below 0 where funding was earned
    executed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingLimit:
    """A limit or stop order that waits for its price; none of ours, we place no such."""

    limit_id: str
    base: str
    quote: str
    is_buy: bool
    size: Decimal


def parse_trades(payload: object) -> list[OpenTrade]:
    return [
        _trade(as_object(row, f"trades[{place}]"), f"trades[{place}]")
        for place, row in enumerate(_unique(payload, "trades", "tradeID"))
    ]


def parse_limits(payload: object) -> list[RestingLimit]:
    return [
        _limit(as_object(row, f"limits[{place}]"), f"limits[{place}]")
        for place, row in enumerate(_unique(payload, "limits", "id"))
    ]


def parse_order(payload: object, order_id: str) -> OracleOrder | None:
    """None: the subgraph does not have it (yet). A row told twice counts once."""
    rows = _unique(payload, "orders", "id")
    if not rows:
        return None
    if len(rows) > 1 or as_object(rows[0], "orders[0]").get("id") != order_id:
        raise InvalidInputError("another order than was asked for", where="orders[0].id")
    return _order(as_object(rows[0], "orders[0]"), "orders[0]")


def _unique(payload: object, field: str, key: str) -> list[object]:
    """The rows, each once. Raises InvalidInputError: two rows of one key differ."""
    found: dict[object, object] = {}
    for row in as_list(payload, field):
        name = as_object(row, field).get(key)
        if found.setdefault(name, row) != row:
            raise InvalidInputError("told twice, and differently", where=f"{field}.{key}")
    return list(found.values())


def _trade(row: Answer, where: str) -> OpenTrade:
    pair = as_object(row.get("pair"), f"{where}.pair")
    size = whole_text(row, "tradeNotional", where) / _E18
    if size == 0:
        raise InvalidInputError("an open trade without a size", where=f"{where}.tradeNotional")
    return OpenTrade(
        trade_id=text(row, "tradeID", where),
        pair_index=whole_text(pair, "id", f"{where}.pair"),
        base=text(pair, "from", f"{where}.pair"),
        quote=text(pair, "to", f"{where}.pair"),
        index=whole_text(row, "index", where),
        is_buy=_flag(row, "isBuy", where),
        size=size,
        open_price=_price(row, "openPrice", where),
    )


def _limit(row: Answer, where: str) -> RestingLimit:
    pair = as_object(row.get("pair"), f"{where}.pair")
    notional = whole_text(row, "collateral", where) / _E6 * whole_text(row, "leverage", where) / _E2
    return RestingLimit(
        limit_id=text(row, "id", where),
        base=text(pair, "from", f"{where}.pair"),
        quote=text(pair, "to", f"{where}.pair"),
        is_buy=_flag(row, "isBuy", where),
        size=notional / _price(row, "openPrice", where),
    )


def _order(row: Answer, where: str) -> OracleOrder:
    pair = as_object(row.get("pair"), f"{where}.pair")
    action = text(row, "orderAction", where)
    if action not in {"Open", "Close"}:
        raise InvalidInputError("neither Open nor Close", where=f"{where}.orderAction")
    order = OracleOrder(
        order_id=text(row, "id", where),
        trader=to_address(row.get("trader"), f"{where}.trader"),
        pair_index=whole_text(pair, "id", f"{where}.pair"),
        is_open=action == "Open",
        is_buy=_flag(row, "isBuy", where),
        is_pending=_flag(row, "isPending", where),
        is_cancelled=_flag(row, "isCancelled", where),
        cancel_reason=_reason(row, where),
        executed_block=_block(row, where),
    )
    if order.is_pending or order.is_cancelled:
        return order
    size = whole_text(row, "tradeNotional", where) / _E18
    if size == 0:
        raise InvalidInputError("executed without a size", where=f"{where}.tradeNotional")
    if order.executed_block is None:
        raise InvalidInputError("executed in no block", where=f"{where}.executedBlock")
    return replace(
        order,
        size=size,
        price=_price(row, "priceAfterImpact", where),
        fees=_fees(row, where, is_open=order.is_open),
        executed_at=datetime.fromtimestamp(whole_text(row, "executedAt", where), UTC),
    )


def _fees(row: Answer, where: str, *, is_open: bool) -> Decimal:
    total = sum(_signed(row, name, where) for name in _FEES)
    for name in _FEES_AT_CLOSE:
        if row.get(name) is not None or not is_open:
            total += _signed(row, name, where)
    return total / _E6


def _signed(row: Answer, field: str, where: str) -> int:
    value = str(row.get(field)) if type(row.get(field)) is int else text(row, field, where)
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidInputError("not a whole number", where=f"{where}.{field}")
    return int(value)


def _price(row: Answer, field: str, where: str) -> Decimal:
    value = whole_text(row, field, where)
    if value == 0:
        raise InvalidInputError("must be above 0", where=f"{where}.{field}")
    return value / _E18


def _reason(row: Answer, where: str) -> int | None:
    value = row.get("cancelReason")
    if value is None or type(value) is int:
        return value
    return whole_text(row, "cancelReason", where)


def _block(row: Answer, where: str) -> int | None:
    told = row.get("executedBlock")
    return None if told is None else whole_text(row, "executedBlock", where)


def _flag(row: Answer, field: str, where: str) -> bool:
    value = row.get(field)
    if not isinstance(value, bool):
        raise InvalidInputError("not true or false", where=f"{where}.{field}")
    return value
