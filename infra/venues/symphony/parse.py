"""Reads Symphony's answers into the domain. Pure; refuses what it cannot trust.

Its numbers are JSON numbers; they are read as decimals, digit by digit, never as floats.
Source: docs.symphony.io, Perpetual and Spot Trading Guides.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.domain.moment import from_iso
from common.domain.order import OrderSide
from common.domain.rounding import round_quantity
from common.errors import InvalidInputError
from infra.venues.fields import Answer, as_list, as_object, not_negative, text, whole
from infra.venues.symphony.instruments import perpetual
from infra.venues.symphony.sizing import Balance

_BATCH = re.compile(r"[0-9A-Za-z-]{8,64}")
_TICKER = re.compile(r"[A-Z0-9]{1,12}")
_KEY = re.compile(r"0x[0-9a-fA-F]{8,64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_COUNT_MOST = 1_000_000


def decoded(body: bytes) -> object:
    """Raises ValueError: not JSON, or NaN or Infinity."""

    def refuse(token: str) -> object:
        raise ValueError(f"{token} is no JSON number")

    try:
        answer: object = json.loads(body, parse_float=Decimal, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return answer


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a batch for one subscriber."""

    smart_account: str  # lower case
    success: bool
    skipped: bool
    message: str


@dataclass(frozen=True, slots=True)
class Batch:
    """An answer of batch-open, batch-close or batch-swap. HTTP 200 with `failed` > 0 is normal."""

    batch_id: str
    successful: int
    failed: int
    skipped: int
    results: tuple[Result, ...]

    def result_of(self, smart_account: str) -> Result | None:
        mine = smart_account.lower()
        return next((result for result in self.results if result.smart_account == mine), None)

    def summary(self, smart_account: str) -> str:
        """For people: the batch, what it says of us, and whether it traded for others too."""
        ours = self.result_of(smart_account)
        said = "does not name our account"
        if ours is not None:
            said = "skipped" if ours.skipped else "done" if ours.success else "failed"
            said += f" ({ours.message})" if ours.message else ""
        others = sum(result.smart_account != smart_account.lower() for result in self.results)
        more = f"; {others} other accounts of the agent traded too" if others else ""
        return f"batch {self.batch_id}: {said}{more}"


def parse_batch(payload: object) -> Batch:
    where = "batch"
    answer = as_object(payload, where)
    batch_id = text(answer, "batchId", where)
    if not _BATCH.fullmatch(batch_id):
        raise InvalidInputError("not an id", where=f"{where}.batchId")
    rows = as_list(answer.get("results"), f"{where}.results")
    return Batch(
        batch_id=batch_id,
        successful=whole(answer, "successful", where, most=_COUNT_MOST),
        failed=whole(answer, "failed", where, most=_COUNT_MOST),
        skipped=whole({"skipped": 0, **answer}, "skipped", where, most=_COUNT_MOST),
        results=tuple(_result(row, f"{where}.results[{n}]") for n, row in enumerate(rows)),
    )


def _result(row: object, where: str) -> Result:
    item = as_object(row, where)
    account = _address(item, where)
    result = as_object(item.get("result"), f"{where}.result")
    success = result.get("success")
    if not isinstance(success, bool):
        raise InvalidInputError("not true or false", where=f"{where}.result.success")
    message = result.get("message") or result.get("error") or ""
    return Result(
        smart_account=account,
        success=success,
        skipped=result.get("skipped") is True,
        message=message[:120] if isinstance(message, str) else "",
    )


def _address(item: Answer, where: str) -> str:
    address = text(item, "smartAccount", where)
    if not _ADDRESS.fullmatch(address):
        raise InvalidInputError("not an address", where=f"{where}.smartAccount")
    return address.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionState:
    """One position of one subscriber. `quantity` is size / entry, rounded down to our lot."""

    key: str  # symphonyPositionHash
    batch_id: str
    symbol: str
    side: OrderSide  # that opened it
    is_open: bool
    quantity: Decimal
    entry: Decimal  # 0 while it is not settled
    last: Decimal  # the price when it was last looked at
    opened_at: datetime
    updated_at: datetime


def parse_positions(payload: object, smart_account: str) -> tuple[PositionState, ...]:
    """`GET /agent/positions`: those of one subscriber, each once, by their keys.

    Raises:
        InvalidInputError: another shape, or fewer positions than the answer itself counts.
    """
    answer = as_object(payload, "positions")
    rows = as_list(answer.get("positions"), "positions")
    mine: dict[str, PositionState] = {}
    seen: set[str] = set()
    for index, row in enumerate(rows):
        where = f"positions[{index}]"
        item = as_object(row, where)
        key = text(item, "symphonyPositionHash", where)
        if not _KEY.fullmatch(key):
            raise InvalidInputError("not a hash", where=f"{where}.symphonyPositionHash")
        seen.add(key)
        if _address(item, where) == smart_account.lower():
            state = _position(item, where)
            mine[state.key] = state
    if len(seen) < whole(answer, "positionsCount", "positions", most=_COUNT_MOST):
        raise InvalidInputError("fewer than it counts", where="positions")
    return tuple(mine[key] for key in sorted(mine))


def _position(item: Answer, where: str) -> PositionState:
    symbol, batch_id = text(item, "asset", where), text(item, "batchId", where)
    if not _TICKER.fullmatch(symbol):
        raise InvalidInputError("not a ticker", where=f"{where}.asset")
    if not _BATCH.fullmatch(batch_id):
        raise InvalidInputError("not an id", where=f"{where}.batchId")
    status = text(item, "status", where).upper()
    if status not in {"OPEN", "CLOSED", "LIQUIDATED"}:
        raise InvalidInputError("is unknown", where=f"{where}.status")
    is_long = item.get("isLong")
    if not isinstance(is_long, bool):
        raise InvalidInputError("not true or false", where=f"{where}.isLong")
    entry = not_negative(item, "entryPrice", where)
    size = not_negative(item, "positionSize", where)
    return PositionState(
        key=text(item, "symphonyPositionHash", where),
        batch_id=batch_id,
        symbol=symbol,
        side=OrderSide.BUY if is_long else OrderSide.SELL,
        is_open=status == "OPEN",
        quantity=round_quantity(perpetual(symbol), size / entry) if entry else Decimal(0),
        entry=entry,
        last=not_negative(item, "currentPrice", where),
        opened_at=_moment(item, "createdTimestamp", where),
        updated_at=_moment(item, "lastUpdatedTimestamp", where),
    )


def _moment(item: Answer, field: str, where: str) -> datetime:
    try:
        return from_iso(text(item, field, where))
    except ValueError:
        raise InvalidInputError("not a moment", where=f"{where}.{field}") from None


def parse_balance(payload: object) -> Balance:
    """`GET /agent/all-positions`: the subscriber's account summary."""
    where = "accountSummary"
    data = as_object(as_object(payload, "all-positions").get("data"), "all-positions.data")
    summary = as_object(data.get(where), where)
    return Balance(
        available=not_negative(summary, "availableBalance", where),
        equity=not_negative(summary, "totalEquity", where),
    )


def parse_price(payload: object) -> Decimal | None:
    """`GET /agent/token-price`; None for 0, which says that there is no price to be had."""
    return not_negative(as_object(payload, "token-price"), "price", "token-price") or None
