"""A receipt's transfers become a fill, whatever else stands in it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from common.domain.instrument import Venue
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus
from common.errors import TransientError
from infra.venues.evm.abi import topic
from infra.venues.evm.answers import Log, Receipt
from infra.venues.spot.fills import gas_paid, net_transfers, report_of_swap
from infra.venues.spot.tokens import CURATED, USDC, Token
from tests.builders import NOON, an_order

WALLET = "0x2b5ad5c4795c026514f8317c7a215e218dccd6cf"
POOL = "0x" + "90" * 20
WETH = next(token for token in CURATED if token.trades_as == "ETH")
TRANSFER = topic("Transfer(address,address,uint256)")


def word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def moved(token: Token, owner: str, to: str, amount: int) -> Log:
    data = amount.to_bytes(32, "big")
    return Log(token.address.lower(), (TRANSFER, word(owner), word(to)), data)


def a_receipt(*logs: Log) -> Receipt:
    return Receipt(
        hash="0x" + "ab" * 32,
        block=1_000,
        succeeded=True,
        gas_used=250_000,
        gas_price=10_000_000,
        logs=logs,
    )


PAID = moved(USDC, WALLET, POOL, 1_505_000_001)
GOT = moved(WETH, POOL, WALLET, 5 * 10**17)


def an_order_of(side: OrderSide = OrderSide.BUY) -> Order:
    return an_order(venue=Venue.SPOT, side=side, quantity=Decimal("0.5"), signer=WALLET)


def read(receipt: Receipt, side: OrderSide = OrderSide.BUY) -> OrderReport:
    return report_of_swap(an_order_of(side), receipt, base=WETH, quote=USDC, mined_at=NOON)


def test_fill_when_other_logs_stand_around_then_only_the_wallets_tokens_count() -> None:
    noise = (
        moved(CURATED[0], POOL, WALLET, 7),  # another token
        moved(USDC, POOL, "0x" + "77" * 20, 9),  # another wallet
        replace(GOT, topics=GOT.topics[:2]),  # not an ERC-20's
        replace(GOT, topics=(b"\1" * 32, *GOT.topics[1:])),  # another event
        replace(GOT, data=GOT.data + bytes(32)),
        replace(GOT, topics=()),
    )
    report = read(a_receipt(*noise, PAID, GOT, *noise))
    (fill,) = report.fills
    assert (report.status, fill.last_qty) == (OrderStatus.FILLED, Decimal("0.5"))
    assert fill.last_px * fill.last_qty + fill.commission == Decimal("1505.000001")
    assert fill.ts_event == NOON
    assert report.reason == "gas 0.0000025 ETH"


def test_fill_when_the_swap_came_in_parts_and_change_was_given_then_the_net_of_it() -> None:
    change = moved(USDC, POOL, WALLET, 5_000_001)
    half = moved(WETH, POOL, WALLET, 25 * 10**16)
    report = read(a_receipt(PAID, change, half, half))
    assert report.fills[0].last_px == Decimal(3000)
    assert report.fills[0].commission == 0


def test_fill_when_more_came_than_was_asked_then_told_as_it_is() -> None:
    report = read(a_receipt(PAID, GOT, GOT))
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, Decimal(1))


def test_fill_when_less_came_than_was_asked_then_ended_with_a_remainder() -> None:
    report = read(a_receipt(PAID, moved(WETH, POOL, WALLET, 10**17)))
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELED, Decimal("0.1"))


@pytest.mark.parametrize(
    ("logs", "side"),
    [
        ((), OrderSide.BUY),
        ((GOT,), OrderSide.BUY),
        ((PAID,), OrderSide.BUY),
        ((PAID, GOT), OrderSide.SELL),
    ],
)
def test_fill_when_the_transfers_are_no_such_swap_then_no_answer(
    logs: tuple[Log, ...], side: OrderSide
) -> None:
    with pytest.raises(TransientError, match="not those of a swap"):
        read(a_receipt(*logs), side)


def test_transfers_when_to_oneself_then_nothing_changes() -> None:
    assert net_transfers((moved(USDC, WALLET, WALLET, 5),), USDC, WALLET) == 0
    assert gas_paid(a_receipt()) == Decimal("0.0000025")
