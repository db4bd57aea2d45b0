"""The account's course, worked out from fills alone."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from common.domain.order import FillRecord, OrderSide
from infra.local.backtest.history import History, account_equity, hold_equity
from tests.builders import NOON, a_fill, a_fill_record

BAR = timedelta(minutes=5)
START = Decimal(1000)


def trade(minutes: int, side: OrderSide, quantity: str, price: str, symbol: str) -> FillRecord:
    fill = replace(
        a_fill(),
        side=side,
        last_qty=Decimal(quantity),
        last_px=Decimal(price),
        commission=Decimal("0.5"),
        symbol=symbol,
        ts_event=NOON + timedelta(minutes=minutes),
    )
    return replace(a_fill_record(), fill=fill)


def history(*trades: FillRecord) -> History:
    closes = ({"ETH": "100", "BTC": "50"}, {"ETH": "110", "BTC": "50"}, {"ETH": "90", "BTC": "55"})
    marks = {
        NOON + number * BAR: {symbol: Decimal(price) for symbol, price in close.items()}
        for number, close in enumerate(closes)
    }
    return History(marks, trades, {})


def test_equity_when_a_position_is_held_then_follows_its_mark_and_pays_its_fees() -> None:
    bought = trade(0, OrderSide.BUY, "2", "100", "ETH")
    sold = trade(6, OrderSide.SELL, "1", "110", "ETH")

    equity = account_equity(history(bought, sold), START, BAR)

    # 999.5 after the first bar; the second sells one at its mark; the third loses 20 on the other
    assert equity == [START, Decimal("999.5"), Decimal("1019.0"), Decimal("999.0")]


def test_equity_when_short_then_gains_as_the_price_falls() -> None:
    equity = account_equity(history(trade(5, OrderSide.SELL, "1", "110", "ETH")), START, BAR)

    assert equity == [START, START, Decimal("999.5"), Decimal("1019.5")]


def test_holding_when_prices_move_then_each_symbol_has_an_equal_share() -> None:
    assert hold_equity(history(), START) == [START, START, Decimal(1050), Decimal(1000)]


def test_holding_when_there_was_no_tick_then_nothing_happened() -> None:
    assert hold_equity(History({}, (), {}), START) == [START]
