"""Orders on Ostium's trades: never past the order's price, never more than its quantity."""

from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest

from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.errors import InvalidInputError, RejectedError
from infra.venues.evm.abi import decode_call
from infra.venues.ostium.calls import CLOSE_TRADE, OPEN_TRADE
from infra.venues.ostium.mapping import action_for
from infra.venues.ostium.markets import Market, Price, parse_markets, parse_prices
from infra.venues.ostium.records import OpenTrade, parse_order, parse_trades
from tests.builders import NOON, an_order

WALLET = "0x" + "aa" * 20


def a_market(mid: Decimal, *, overnight: int = 0, minimum: int = 1) -> Market:
    return Market(
        pair_index=3,
        base="ETH",
        quote="USD",
        category="crypto",
        open_interest=Decimal(0),
        cap=Decimal(10**15),
        min_notional=Decimal("0.000001"),
        leverage_min=Decimal(minimum),
        leverage_max=Decimal(overnight or 100),
        taker_fee=Decimal("0.001"),
        price=Price(
            bid=mid * Decimal("0.9999"),
            mid=mid,
            ask=mid * Decimal("1.0001"),
            is_open=True,
            day_closed=False,
            at=NOON,
        ),
    )


def a_trade(index: int, size: Decimal, *, is_buy: bool = True) -> OpenTrade:
    return OpenTrade(
        trade_id=str(index),
        pair_index=3,
        base="ETH",
        quote="USD",
        index=index,
        is_buy=is_buy,
        size=size,
        open_price=Decimal(2_000),
    )


@pytest.mark.slow
def test_open_when_any_price_and_quantity_then_bounded_and_never_oversized() -> None:
    """10,000 cases: the worst price that can fill is within the order's, and even at the best
    price of the band the size stays within the order's quantity.
    """
    random = Random(5)
    for _ in range(10_000):
        mid = Decimal(random.randrange(10**4, 10**11)) / 10**5
        buy = random.random() < 0.5
        away = Decimal(random.randrange(20, 500)) / 10_000
        limit = mid * (1 + away if buy else 1 - away)
        order = an_order(
            venue=Venue.OSTIUM,
            side=OrderSide.BUY if buy else OrderSide.SELL,
            quantity=Decimal(random.randrange(10**3, 10**9)) / 10**4,
            price=limit,
        )
        action = action_for(order, a_market(mid), [], wallet=WALLET, now=NOON)
        trade, _, _, slippage = decode_call(OPEN_TRADE, action.data)
        collateral, price, leverage = trade[0], trade[1], trade[5]
        assert trade[8] is buy
        assert price % 10**13 == 0
        assert 1 <= slippage <= 5_000
        slack = price * slippage // 10_000
        worst = price + slack if buy else price - slack
        assert worst <= limit * 10**18 if buy else worst >= limit * 10**18
        most = Decimal(collateral * leverage) * 10**10 / (price - slack)
        assert most <= order.quantity


def test_close_when_any_trades_then_within_the_quantity_and_one_trade() -> None:
    random = Random(6)
    for _ in range(3_000):
        sizes = [Decimal(random.randrange(1, 10**9)) / 10**6 for _ in range(random.randrange(1, 4))]
        trades = [a_trade(index, size) for index, size in enumerate(sizes)]
        quantity = Decimal(random.randrange(1, int(sum(sizes) * 10**6) + 1)) / 10**6
        order = an_order(side=OrderSide.SELL, quantity=quantity, price=Decimal(1_990))
        closing = min((size for size in sizes if size >= quantity), default=max(sizes))
        if quantity * 10_000 < closing:
            with pytest.raises(RejectedError, match="QUANTITY_BELOW_MINIMUM"):
                action_for(order, a_market(Decimal(2_000)), trades, wallet=WALLET, now=NOON)
            continue
        action = action_for(order, a_market(Decimal(2_000)), trades, wallet=WALLET, now=NOON)
        _, index, share, _, _ = decode_call(CLOSE_TRADE, action.data)
        closed = sizes[index] * share / 10_000
        assert closed <= quantity
        assert closed > 0
        if quantity <= max(sizes):
            assert quantity - closed <= sizes[index] / 10_000
        else:
            assert (sizes[index], share) == (max(sizes), 10_000)


def test_close_when_the_whole_trade_then_all_of_it() -> None:
    size = Decimal("0.123456789012345678")
    order = an_order(side=OrderSide.SELL, quantity=size, price=Decimal(1_990))
    action = action_for(
        order, a_market(Decimal(2_000)), [a_trade(2, size)], wallet=WALLET, now=NOON
    )
    assert decode_call(CLOSE_TRADE, action.data)[1:3] == (2, 10_000)


@pytest.mark.parametrize(
    ("overnight", "minimum", "expected"),
    [(0, 1, 200), (3, 1, 200), (1, 1, 100), (0, 10, 1_000)],
)
def test_open_when_the_market_limits_leverage_then_within_it(
    overnight: int, minimum: int, expected: int
) -> None:
    market = a_market(Decimal(2_000), overnight=overnight, minimum=minimum)
    order = an_order(price=Decimal(2_010), quantity=Decimal(1))
    action = action_for(order, market, [], wallet=WALLET, now=NOON)
    assert decode_call(OPEN_TRADE, action.data)[0][5] == expected


def test_prices_when_written_as_numbers_then_read_exactly_as_written() -> None:
    row = {
        "bid": 107646.01338169997,
        "mid": 107646.03680130735,
        "ask": 107646.06022091472,
        "isMarketOpen": True,
        "isDayTradingClosed": False,
        "from": "BTC",
        "to": "USD",
        "timestampSeconds": 1748460056,
    }
    price = parse_prices([row])["BTC", "USD"]
    assert price.bid == Decimal("107646.01338169997")
    assert price.at == datetime(2025, 5, 28, 19, 20, 56, tzinfo=UTC)
    tiny = parse_prices([{**row, "bid": 1e-7, "mid": 1e-7, "ask": 2e-7}])["BTC", "USD"]
    assert tiny.bid == Decimal("0.0000001")


@pytest.mark.parametrize(
    "change",
    [
        {"bid": 0},
        {"bid": -1.0},
        {"bid": 3.0},
        {"mid": "NaN"},
        {"ask": None},
        {"isMarketOpen": "true"},
        {"isDayTradingClosed": None},
        {"timestampSeconds": "1"},
        {"from": ""},
    ],
)
def test_prices_when_a_field_cannot_be_then_the_whole_list_is_refused(
    change: dict[str, object],
) -> None:
    row = {
        "bid": 1.0,
        "mid": 1.5,
        "ask": 2.0,
        "isMarketOpen": True,
        "isDayTradingClosed": False,
        "from": "EUR",
        "to": "USD",
        "timestampSeconds": 1,
    }
    assert parse_prices([row])
    with pytest.raises(InvalidInputError):
        parse_prices([{**row, **change}])
    with pytest.raises(InvalidInputError):
        parse_markets([], parse_prices([row]))


def test_records_when_a_row_is_told_twice_then_once_and_refused_where_it_differs() -> None:
    row: dict[str, object] = {
        "tradeID": "5",
        "index": "0",
        "isBuy": True,
        "tradeNotional": "1000000000000000000",
        "openPrice": "2000000000000000000000",
        "pair": {"id": "1", "from": "ETH", "to": "USD"},
    }
    (trade,) = parse_trades([row, row])
    assert (trade.size, trade.open_price) == (Decimal(1), Decimal(2_000))
    with pytest.raises(InvalidInputError, match="differently"):
        parse_trades([row, {**row, "tradeNotional": "2"}])
    assert parse_order([], "5") is None
    with pytest.raises(InvalidInputError):
        parse_order([{"id": "6"}], "5")
