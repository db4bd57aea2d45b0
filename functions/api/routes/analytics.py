"""Figures over trades: by venue, over time, by kind, and what executing them cost."""

from decimal import Decimal

from fastapi import APIRouter

from common.books import BOOKS
from common.domain.moment import iso
from common.domain.money import plain
from common.domain.routing import RoutingDecision
from common.reporting.performance import trade_figures
from common.reporting.slippage import Slippage
from common.reporting.statistics import (
    Grouping,
    TradeStatistics,
    statistics_by,
    trade_statistics,
)
from common.reporting.venues import token_routes, venue_shares
from common.wire import JsonObject
from functions.api.analytics import closed_trades, latest_slippage, slippage_of
from functions.api.curves import curve_view
from functions.api.holdings import CURVE_FILLS_MAX, read_curve, read_portfolio, recent_fills
from functions.api.routing import latest_routes
from functions.api.window import WINDOW_MAX
from infra.web.numbers import number, number_or_none
from infra.web.requests import Cursor, Limit, QueryId, RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["analytics"], route_class=StrictRoute)

ROUTES_MAX = 1000


@router.get("/api/analytics/venues")
async def venues(runtime: RuntimeOf) -> JsonObject:
    """Share and count of trades by venue; the usual route of each token. Over the last 1,000."""
    fills = await recent_fills(runtime.store, limit=CURVE_FILLS_MAX)
    routes: list[RoutingDecision] = []
    for book in BOOKS.values():
        found, _ = await latest_routes(
            book=book, store=runtime.store, limit=ROUTES_MAX, cursor=None
        )
        routes += found
    return {
        "venues": [
            {
                "venue": share.venue,
                "trades": share.trades,
                "share": number(share.share),
                "volume": plain(share.volume),
                "commissions": plain(share.commissions),
            }
            for share in venue_shares(fills)
        ],
        "tokens": [
            {
                "symbol": route.symbol,
                "most_common_venue": route.most_common_venue,
                "routed": route.routed,
                "fallback_share": number(route.fallback_share),
            }
            for route in token_routes(routes)
        ],
    }


@router.get("/api/analytics/performance")
async def over_time(runtime: RuntimeOf) -> JsonObject:
    """Equity over the last 92 days at its marks, by the hour, and its measures.

    While nothing was marked: after each of the last 1,000 fills (realised, after commissions), as
    `source` says. Ratios are annualised from daily closes, and null with fewer than two.
    """
    portfolio, now = await read_portfolio(runtime.store), runtime.clock.now()
    curve = await read_curve(
        runtime.store, deployment_id=None, start=now - WINDOW_MAX, end=now, portfolio=portfolio
    )
    fills = await recent_fills(runtime.store, limit=CURVE_FILLS_MAX)
    figures = trade_figures([record.realized_pnl for record in fills])
    shown = curve_view(curve)
    return {
        "equity_curve": shown.pop("points"),
        "equity": plain(portfolio.total_value),
        **shown,
        "closed_trades": figures.closed,
        "win_rate": figures.win_rate,
        "profit_factor": figures.profit_factor,
        "realized_pnl": plain(portfolio.realized_pnl),
        "unrealized_pnl": plain(portfolio.unrealized_pnl),
        "commissions": plain(portfolio.commissions),
        "funding": plain(portfolio.funding),
    }


@router.get("/api/analytics/statistics")
async def statistics(
    runtime: RuntimeOf, by: Grouping = Grouping.AGENT, deployment_id: QueryId = None
) -> JsonObject:
    """Closed trades, flat to flat and after commissions, by agent, symbol, venue or exit reason.

    Of the last 5,000 fills; `complete` is false where there are more. An exit reason is STOP_LOSS,
    TAKE_PROFIT, TRAILING_STOP, TIME_LIMIT, EMERGENCY, FLATTEN, SIGNAL or EXTERNAL.
    """
    closed = await closed_trades(runtime.store, deployment_id=deployment_id)
    groups = statistics_by(by, closed.trips)
    return {
        "by": by.value,
        "groups": [{"key": key, **_statistics(figures)} for key, figures in groups.items()],
        "total": _statistics(trade_statistics(closed.trips)),
        "fills": closed.fills,
        "since": iso(closed.since) if closed.since else None,
        "complete": closed.complete,
    }


@router.get("/api/analytics/slippage")
async def slippage(runtime: RuntimeOf, limit: Limit = 50, cursor: Cursor = None) -> JsonObject:
    """What executing each order cost, newest first: parent orders, and orders that went whole.

    In basis points, positive is cost. `slippage_bps`, `fee_bps` and `vwap_bps` are of what filled,
    `unfilled_bps` and `shortfall_bps` of the whole order.
    """
    reports, onward = await latest_slippage(
        runtime.store,
        interval=runtime.settings.swarm.interval,
        now=runtime.clock.now(),
        limit=limit,
        cursor=cursor,
    )
    return {"orders": [_slippage(each) for each in reports], "next_cursor": onward}


@router.get("/api/analytics/slippage/{id}")
async def slippage_of_one(id: RecordId, runtime: RuntimeOf) -> JsonObject:  # noqa: A002 - the path's word
    """Of one parent order, or of one intent."""
    report = await slippage_of(
        runtime.store,
        id,
        interval=runtime.settings.swarm.interval,
        now=runtime.clock.now(),
    )
    return _slippage(report)


def _statistics(figures: TradeStatistics) -> JsonObject:
    return {
        "count": figures.count,
        "wins": figures.wins,
        "win_rate": figures.win_rate,
        "payoff_ratio": figures.payoff_ratio,
        "profit_factor": figures.profit_factor,
        "expectancy": plain(figures.average_pnl),
        "expectancy_ratio": figures.expectancy_ratio,
        "average_pnl": plain(figures.average_pnl),
        "pnl": plain(figures.pnl),
        "gains": plain(figures.gains),
        "losses": plain(figures.losses),
        "fees": plain(figures.commissions),
        "average_held_s": figures.average_held_for.total_seconds(),
    }


def _slippage(report: Slippage) -> JsonObject:
    order = report.order
    return {
        "id": order.order_id,
        "worked_as": order.worked_as.value,
        "exec_algorithm_id": order.exec_algorithm_id,
        "purpose": order.purpose.value,
        "book": order.book,
        "agent_id": order.agent_id,
        "deployment_id": order.deployment_id,
        "signal_id": order.signal_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "status": order.status,
        "reason_code": order.reason_code,
        "started_at": iso(order.started_at),
        "ended_at": iso(order.ended_at) if order.ended_at else None,
        "quantity": plain(order.quantity),
        "filled_qty": plain(order.filled_qty),
        "unfilled_qty": plain(report.unfilled_qty),
        "arrival_price": plain(order.arrival_price),
        "avg_px": _text(report.avg_px),
        "vwap": _text(report.benchmark.vwap),
        "vwap_reason": report.benchmark.reason,
        "fees": plain(order.commissions),
        "slippage": plain(report.slippage_cost),
        "unfilled": _text(report.unfilled_cost),
        "unfilled_reason": report.unfilled_reason,
        "shortfall": _text(report.shortfall),
        "slippage_bps": number_or_none(report.slippage_bps),
        "fee_bps": number_or_none(report.fee_bps),
        "vwap_bps": number_or_none(report.vwap_bps),
        "unfilled_bps": number_or_none(report.unfilled_bps),
        "shortfall_bps": number_or_none(report.shortfall_bps),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
