"""Positions over all venues, and the fills that made them."""

from fastapi import APIRouter

from common.domain.order import FillRecord
from common.reporting.portfolio import ValuedPosition
from common.wire import JsonObject, to_document
from functions.api.holdings import latest_fills, read_portfolio
from infra.web.numbers import number, number_or_none
from infra.web.requests import Before, Cursor, Limit, QueryId, RuntimeOf, StrictRoute

router = APIRouter(tags=["portfolio"], route_class=StrictRoute)


@router.get("/api/portfolio/positions")
async def positions(runtime: RuntimeOf, deployment_id: QueryId = None) -> JsonObject:
    """Open positions at the last marks; total_value counts closed ones and commissions too."""
    portfolio = await read_portfolio(runtime.store, deployment_id=deployment_id)
    return {
        "positions": [_position(each) for each in portfolio.positions],
        "total_value": number(portfolio.total_value),
        "capital": number(portfolio.capital),
        "realized_pnl": number(portfolio.realized_pnl),
        "unrealized_pnl": number(portfolio.unrealized_pnl),
        "commissions": number(portfolio.commissions),
    }


@router.get("/api/history")
async def history(
    runtime: RuntimeOf, before: Before, limit: Limit = 100, cursor: Cursor = None
) -> JsonObject:
    """Fills, newest first. Page on with `next_cursor`, or with the last fill's ts as `before`."""
    fills, onward = await latest_fills(runtime.store, limit=limit, before=before, cursor=cursor)
    return {"fills": [_fill(record) for record in fills], "next_cursor": onward}


def _position(valued: ValuedPosition) -> JsonObject:
    position = valued.position
    return {
        "symbol": position.symbol,
        "size": number(position.signed_qty),
        "entry_price": number(position.avg_px_open),
        "current_price": number_or_none(valued.mark),
        "pnl": number_or_none(valued.pnl),
        "pnl_percent": number_or_none(valued.pnl_percent),
        "side": position.side.value,
        "venue": position.venue.value,
        "realized_pnl": number(position.realized_pnl),
        "commissions": number(position.commissions),
        "book": position.book,
        "agent_id": position.agent_id,
        "deployment_id": position.deployment_id,
        "position_id": position.position_id,
    }


def _fill(record: FillRecord) -> JsonObject:
    fill = to_document(record.fill)
    return {
        "trade_id": fill["trade_id"],
        "client_order_id": fill["client_order_id"],
        "venue": fill["venue"],
        "symbol": fill["symbol"],
        "side": fill["side"],
        "quantity": fill["last_qty"],
        "price": fill["last_px"],
        "fee": fill["commission"],
        "ts": fill["ts_event"],
        "signal_id": record.signal_id,
        "deployment_id": record.deployment_id,
        "realized_pnl": to_document(record)["realized_pnl"],
    }
