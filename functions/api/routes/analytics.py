"""Figures over trades: by venue, and over time."""

from decimal import Decimal

from fastapi import APIRouter

from common.books import BOOKS, FILLS
from common.domain.moment import iso
from common.domain.money import plain
from common.domain.order import FillRecord
from common.domain.routing import RoutingDecision
from common.ports import DocumentStore, Query
from common.reporting.equity import DAY_MS, daily_closes, equity_curve
from common.reporting.performance import max_drawdown, performance, trade_figures
from common.reporting.venues import token_routes, venue_shares
from common.wire import JsonObject, from_document
from functions.api.holdings import read_portfolio
from functions.api.routing import latest_routes
from infra.web.numbers import number
from infra.web.requests import RuntimeOf, StrictRoute

router = APIRouter(tags=["analytics"], route_class=StrictRoute)

FILLS_MAX = 1000
ROUTES_MAX = 1000


@router.get("/api/analytics/venues")
async def venues(runtime: RuntimeOf) -> JsonObject:
    """Share and count of trades by venue; the usual route of each token. Over the last 1,000."""
    fills = await _fills(runtime.store)
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
    """Equity after each of the last 1,000 fills (realised, after commissions), and its measures.

    Sharpe and Sortino are annualised from the closes of days with a fill, and null under two.
    """
    portfolio = await read_portfolio(runtime.store)
    fills = await _fills(runtime.store)
    realized = portfolio.capital + portfolio.realized_pnl - portfolio.commissions
    curve = equity_curve(fills, now_realized=realized)
    figures = trade_figures([record.realized_pnl for record in fills])
    values = [point.equity for point in curve]
    measured = _ratios(daily_closes(curve))
    return {
        "equity_curve": [{"ts": iso(point.at), "equity": plain(point.equity)} for point in curve],
        "equity": plain(portfolio.total_value),
        "max_drawdown": max_drawdown([float(value) for value in values]) if values else 0.0,
        "sharpe": measured[0],
        "sortino": measured[1],
        "closed_trades": figures.closed,
        "win_rate": figures.win_rate,
        "profit_factor": figures.profit_factor,
        "realized_pnl": plain(portfolio.realized_pnl),
        "unrealized_pnl": plain(portfolio.unrealized_pnl),
        "commissions": plain(portfolio.commissions),
    }


def _ratios(closes: list[Decimal]) -> tuple[float | None, float | None]:
    """Undefined where the account was ever worth nothing."""
    if len(closes) < 2 or min(closes) <= 0:
        return None, None
    measured = performance(closes, bar_ms=DAY_MS)
    return measured.sharpe, measured.sortino


async def _fills(store: DocumentStore) -> list[FillRecord]:
    """The last fills, oldest first."""
    query = Query(FILLS, order_by="recorded_at", descending=True, limit=FILLS_MAX)
    page = await store.query(query)
    return [from_document(FillRecord, item.data) for item in reversed(page.documents)]
