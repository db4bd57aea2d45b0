"""The market as `fetch_market` would have stored it this very moment."""

from decimal import Decimal

from common.books import MARKET_SNAPSHOTS
from common.ports import Ref
from tests.builders import a_snapshot, some_candles
from tests.unit.functions.trading_desk import TradingDesk


async def quote(trading: TradingDesk, price: str) -> None:
    """ETH at `price`, as it has been for the last candles."""
    now = trading.clock.now()
    candles = some_candles(until=now, closes=[price] * 3)
    snapshot = a_snapshot("ETH", mark=Decimal(price), candles=candles, observed_at=now)
    await trading.change(Ref(MARKET_SNAPSHOTS, "ETH"), snapshot)
