"""Whatever is traded on the simulated Hyperliquid, nothing is made or lost."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.exchanges.hyperliquid.assets import Listing
from infra.local.exchanges.hyperliquid.book import House
from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange
from infra.local.exchanges.hyperliquid.orders import OrderRequest
from tests.unit.infra.local.exchanges.hyperliquid_desk import META, order

TRADERS = ("0x" + "01" * 20, "0x" + "02" * 20, "0x" + "03" * 20)
NO_HOUSE = House(levels=0)
ORDERS = st.tuples(
    st.sampled_from(TRADERS),
    st.booleans(),
    st.integers(99_990, 100_010),
    st.integers(20, 500),
    st.sampled_from(["Gtc", "Gtc", "Ioc", "Alo"]),
    st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(orders=st.lists(ORDERS, max_size=60), end=st.integers(90_000, 110_000))
def test_books_when_three_accounts_trade_with_each_other_then_they_balance(
    orders: list[tuple[str, bool, int, int, str, bool]], end: int
) -> None:
    exchange = HyperliquidExchange(
        Listing.of(META), marks={"BTC": "100000"}, house=NO_HOUSE, cloids="OPEN"
    )
    for trader in TRADERS:
        exchange.deposit(trader, "20000")
    engine = exchange.engine
    for now_ms, (trader, buy, px, lots, tif, reduce_only) in enumerate(orders):
        wire = order(
            buy=buy, px=str(px), sz=f"{lots}e-5", tif=tif, reduce_only=reduce_only and lots % 3 == 0
        )
        engine.place(engine.accounts[trader], OrderRequest.of(wire), now_ms)
        book = engine.books["BTC"]
        assert book.bid is None or book.ask is None or book.bid < book.ask
    engine.set_mark("BTC", Decimal(end), len(orders))

    accounts = list(engine.accounts.values())
    fills = [fill for account in accounts for fill in account.fills]
    fees = sum((fill.fee for fill in fills), Decimal(0))
    value = sum(engine.margin(account).value for account in accounts)

    assert sum(account.position("BTC").size for account in accounts) == 0
    assert abs(value + fees - 60_000) < Decimal("1e-12")
    assert len({(fill.tid, fill.is_buy) for fill in fills}) == len(fills)
    for account in accounts:
        for made in account.orders:
            filled = sum(fill.size for fill in account.fills if fill.oid == made.oid)
            assert made.size == filled + made.left
            assert (made.status == "filled") is (made.left == 0)
