"""What a signed and accepted action does, and how the venue answers."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from infra.local.exchanges.hyperliquid.accounts import Account, Fill, Leverage
from infra.local.exchanges.hyperliquid.engine import ONE, Engine, Placed
from infra.local.exchanges.hyperliquid.numbers import MalformedError, wire
from infra.local.exchanges.hyperliquid.orders import Order, OrderRequest, cloid_of
from infra.local.exchanges.hyperliquid.positions import ZERO

MISSING_ORDER = "Order was never placed, already canceled, or filled."
NOT_MODIFIABLE = "Cannot modify canceled or filled order"
CANCEL_AHEAD_MS = 5000
_AVG_PRICE_UNIT = Decimal("0.00000001")


class RefusedError(Exception):
    """The whole action is refused: `{"status":"err","response":text}`."""


def perform(
    engine: Engine,
    account: Account,
    action: Mapping[str, Any],
    now_ms: int,
    *,
    share: Decimal = ONE,
) -> dict[str, object]:
    """The `response` of `{"status":"ok"}`. `share`: what of each order may fill at once.

    Raises RefusedError, MalformedError.
    """
    action_type = action["type"]
    if action_type in {"order", "batchModify"}:
        place = _order if action_type == "order" else _batch_modify
        return _statuses("order", place(engine, account, action, now_ms, share))
    if action_type == "modify":
        [placed] = _batch_modify(engine, account, {"modifies": [action]}, now_ms, share)
        if isinstance(placed, Mapping) and "error" in placed:
            raise RefusedError(str(placed["error"]))
        return {"type": "default"}
    return _OTHERS[action_type](engine, account, action, now_ms)


def refused(action: Mapping[str, Any], message: str) -> dict[str, object]:
    """The `response` in which every order, cancellation or change has failed.

    Raises RefusedError for an action that has no list of them.
    """
    for items in ("orders", "cancels", "modifies"):
        if items in action:
            kind = "cancel" if items == "cancels" else "order"
            return _statuses(kind, [{"error": message} for _ in action[items]])
    raise RefusedError(message)


def _statuses(kind: str, statuses: Sequence[object]) -> dict[str, object]:
    return {"type": kind, "data": {"statuses": list(statuses)}}


def _order(
    engine: Engine, account: Account, action: Mapping[str, Any], now_ms: int, share: Decimal
) -> list[object]:
    requests = [OrderRequest.of(order) for order in action["orders"]]
    grouping = action["grouping"]
    if grouping not in {"na", "normalTpsl", "positionTpsl"}:
        raise MalformedError("no grouping of the venue")
    statuses: list[object] = []
    parent: Order | None = None
    for number, request in enumerate(requests):
        child = grouping == "normalTpsl" and number > 0
        if child and parent is None:
            statuses.append({"error": "Parent order was rejected."})
            continue
        placed = engine.place(
            account,
            request,
            now_ms,
            share=share,
            parent=parent if child else None,
            is_position_tpsl=grouping == "positionTpsl",
        )
        if grouping == "normalTpsl" and number == 0 and placed.refusal is None:
            parent = placed.order
        statuses.append(_waiting(placed) if child else _status(placed))
    return statuses


def _waiting(placed: Placed) -> object:
    if placed.refusal is not None or placed.order is None:
        return _status(placed)
    return "waitingForTrigger" if placed.order.is_armed else "waitingForFill"


def _status(placed: Placed) -> dict[str, object]:
    order = placed.order
    if placed.refusal is not None or order is None:
        return {"error": placed.refusal.text if placed.refusal else ""}
    if placed.fills and not (order.is_live and order.left):
        return {"filled": {**_totals(placed.fills), "oid": order.oid}}
    cloid = {} if order.cloid is None else {"cloid": order.cloid}
    return {"resting": {"oid": order.oid, **cloid}}


def _totals(fills: Sequence[Fill]) -> dict[str, object]:
    size = sum((fill.size for fill in fills), ZERO)
    cost = sum((fill.size * fill.price for fill in fills), ZERO)
    return {"totalSz": wire(size), "avgPx": wire((cost / size).quantize(_AVG_PRICE_UNIT))}


def _batch_modify(
    engine: Engine, account: Account, action: Mapping[str, Any], now_ms: int, share: Decimal
) -> list[object]:
    changes = [(item["oid"], OrderRequest.of(item["order"])) for item in action["modifies"]]
    statuses: list[object] = []
    for key, request in changes:
        order = engine.find(account, _key(key))
        if order is None or not order.is_live:
            statuses.append({"error": NOT_MODIFIABLE})
        else:
            statuses.append(_status(engine.modify(account, order, request, now_ms, share)))
    return statuses


def _key(oid_or_cloid: object) -> int | str:
    if type(oid_or_cloid) is int:
        return oid_or_cloid
    return cloid_of(oid_or_cloid) or ""


def _cancel(
    engine: Engine, account: Account, action: Mapping[str, Any], now_ms: int
) -> dict[str, object]:
    """Both `cancel` {a, o} and `cancelByCloid` {asset, cloid}."""
    by_cloid = action["type"] == "cancelByCloid"
    names = ("asset", "cloid") if by_cloid else ("a", "o")
    wanted = [(item[names[0]], _key(item[names[1]])) for item in action["cancels"]]
    statuses: list[object] = []
    for asset_id, key in wanted:
        order = engine.find(account, key)
        if order is None or not order.is_live or order.asset.id != asset_id:
            statuses.append({"error": MISSING_ORDER})
        else:
            engine.cancel(order, now_ms)
            statuses.append("success")
    return _statuses("cancel", statuses)


def _schedule_cancel(
    engine: Engine, account: Account, action: Mapping[str, Any], now_ms: int
) -> dict[str, object]:
    del engine
    time = action.get("time")
    if time is not None and type(time) is not int:
        raise MalformedError("no time")
    if time is not None and time < now_ms + CANCEL_AHEAD_MS:
        raise RefusedError("Scheduled cancel time too early, must be at least 5 seconds from now.")
    account.cancel_all_ms = time
    return {"type": "default"}


def _update_leverage(
    engine: Engine, account: Account, action: Mapping[str, Any], now_ms: int
) -> dict[str, object]:
    del now_ms
    number, value = action["asset"], action["leverage"]
    if type(number) is not int or type(value) is not int:
        raise MalformedError("no leverage")
    asset = engine.listing.by_id.get(number)
    if asset is None or asset.is_spot or not 1 <= value <= asset.max_leverage:
        raise RefusedError("Invalid leverage value.")
    account.leverages[asset.coin] = Leverage(value, bool(action["isCross"]))
    return {"type": "default"}


def _noop(
    engine: Engine, account: Account, action: Mapping[str, Any], now_ms: int
) -> dict[str, object]:
    del engine, account, action, now_ms  # its nonce is spent, which is all it is for
    return {"type": "default"}


_OTHERS: Mapping[str, Callable[[Engine, Account, Mapping[str, Any], int], dict[str, object]]] = {
    "cancel": _cancel,
    "cancelByCloid": _cancel,
    "scheduleCancel": _schedule_cancel,
    "updateLeverage": _update_leverage,
    "noop": _noop,
}
