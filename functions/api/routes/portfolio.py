"""Positions over all venues, the accounts they belong to, and the fills that made them."""

from fastapi import APIRouter, Response

from common.domain.moment import iso
from common.domain.money import plain
from common.domain.order import FillRecord
from common.execution.accounts import day_pnl_of, drawdown_of, unrealized_of
from common.reporting.exposure import Share, exposure_figures
from common.reporting.portfolio import ValuedPosition, VenueTotal
from common.wire import JsonObject, to_document
from functions.api.curves import curve_view
from functions.api.holdings import (
    AccountView,
    account_view,
    account_views,
    latest_fills,
    read_curve,
    read_portfolio,
    reserved_notional,
)
from functions.api.together import Together, as_json, json_bytes
from functions.api.window import WindowOf
from infra.bootstrap import Runtime
from infra.web.numbers import number, number_or_none
from infra.web.requests import Before, Cursor, Limit, QueryId, RuntimeOf, StrictRoute

router = APIRouter(tags=["portfolio"], route_class=StrictRoute)

_all_positions: Together[bytes] = Together()


@router.get("/api/portfolio/positions", response_model=JsonObject)
async def positions(runtime: RuntimeOf, deployment_id: QueryId = None) -> Response:
    """Open positions at the last marks; total_value counts closed ones, commissions and funding.

    `is_dust` marks what is too small for an order of its venue. `complete` is false where there is
    more than one answer adds up.
    """
    if deployment_id is not None:
        return as_json(await _positions(runtime, deployment_id))
    return as_json(await _all_positions.read(runtime.store, lambda: _positions(runtime, None)))


async def _positions(runtime: Runtime, deployment_id: str | None) -> bytes:
    portfolio = await read_portfolio(
        runtime.store, deployment_id=deployment_id, instruments=runtime.make_instruments()
    )
    return json_bytes(
        {
            "positions": [_position(each) for each in portfolio.positions],
            "venues": [_venue(each) for each in portfolio.venues],
            "total_value": number(portfolio.total_value),
            "capital": number(portfolio.capital),
            "realized_pnl": number(portfolio.realized_pnl),
            "unrealized_pnl": number(portfolio.unrealized_pnl),
            "commissions": number(portfolio.commissions),
            "funding": number(portfolio.funding),
            "complete": portfolio.complete,
        }
    )


@router.get("/api/portfolio/accounts")
async def accounts(
    runtime: RuntimeOf, deployment_id: QueryId = None, limit: Limit = 100, cursor: Cursor = None
) -> JsonObject:
    """The cash ledger of each deployment that has traded, at the marks of now.

    To the last digit: starting + realised + unrealised - commissions + funding = equity. Symbols in
    `unmarked` have no price and count at their last fill's.
    """
    if deployment_id is not None:
        view = await account_view(runtime.store, runtime.clock, deployment_id)
        return {"accounts": [_account(view)], "next_cursor": None}
    views, onward = await account_views(runtime.store, runtime.clock, limit=limit, cursor=cursor)
    return {"accounts": [_account(view) for view in views], "next_cursor": onward}


@router.get("/api/portfolio/equity")
async def equity(runtime: RuntimeOf, window: WindowOf, deployment_id: QueryId = None) -> JsonObject:
    """The equity curve of a deployment, or of all together, and its measures.

    `source` is `marks` (every five minutes, every hour beyond two weeks), or `fills` where there
    are none. Returns leave out the capital that came with new deployments.
    """
    curve = await read_curve(
        runtime.store, deployment_id=deployment_id, start=window.start, end=window.end
    )
    return {
        "deployment_id": deployment_id,
        "from": iso(window.start),
        "to": iso(window.end),
        **curve_view(curve.within(window.start, window.end)),
    }


@router.get("/api/portfolio/exposure")
async def exposure(runtime: RuntimeOf, deployment_id: QueryId = None) -> JsonObject:
    """What is at stake at the marks: gross, net, and where; leverage is gross over equity.

    `reserved` is what orders under way may still fill, at their worst prices.
    """
    portfolio = await read_portfolio(runtime.store, deployment_id=deployment_id)
    figures = exposure_figures(portfolio)
    reserved = await reserved_notional(runtime.store, deployment_id=deployment_id)
    return {
        "gross": plain(figures.gross),
        "net": plain(figures.net),
        "reserved": plain(reserved),
        "equity": plain(portfolio.total_value),
        "leverage": number_or_none(figures.leverage),
        "by_symbol": [_share(each, "symbol") for each in figures.by_symbol],
        "by_venue": [_share(each, "venue") for each in figures.by_venue],
        "unmarked": list(figures.unmarked),
        "complete": portfolio.complete,
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
        "is_dust": valued.is_dust,
        "side": position.side.value,
        "venue": position.venue.value,
        "realized_pnl": number(position.realized_pnl),
        "commissions": number(position.commissions),
        "book": position.book,
        "agent_id": position.agent_id,
        "deployment_id": position.deployment_id,
        "position_id": position.position_id,
    }


def _venue(total: VenueTotal) -> JsonObject:
    return {
        "venue": total.venue.value,
        "open_positions": total.open_positions,
        "realized_pnl": number(total.realized_pnl),
        "unrealized_pnl": number(total.unrealized_pnl),
        "commissions": number(total.commissions),
    }


def _account(view: AccountView) -> JsonObject:
    account = view.account
    return {
        "deployment_id": account.deployment_id,
        "book": account.book,
        "agent_id": account.agent_id,
        "starting": plain(account.starting),
        "cash": plain(account.cash),
        "equity": plain(account.equity),
        "realized_pnl": plain(account.realized_pnl),
        "unrealized_pnl": plain(unrealized_of(account)),
        "commissions": plain(account.commissions),
        "funding": plain(account.funding),
        "peak_equity": plain(account.peak_equity),
        "drawdown": number(drawdown_of(account)),
        "day": account.day,
        "day_pnl": plain(day_pnl_of(account)),
        "trips": account.trips,
        "trips_won": account.trips_won,
        "trip_gains": plain(account.trip_gains),
        "trip_losses": plain(account.trip_losses),
        "losses_in_row": account.losses_in_row,
        "last_loss_at": iso(account.last_loss_at) if account.last_loss_at else None,
        "unmarked": list(view.unmarked),
    }


def _share(share: Share, kind: str) -> JsonObject:
    return {kind: share.name, "gross": plain(share.gross), "net": plain(share.net)}


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
