"""Transactions: signed for the right chain, each order's its own, and fences that outbid."""

from random import Random

import pytest
from eth_account import Account

from common.errors import InvalidInputError
from infra.local.exchanges.chain.transactions import decode
from infra.venues.evm.abi import Call
from infra.venues.evm.transactions import Fees, Transaction, fees_of, fence, sign

KEY = "0x" + "33" * 32
ACCOUNT = Account.from_key(KEY)
ORDER = "0x" + "01" * 16


def a_transaction(order_id: str = ORDER, **changes: int) -> Transaction:
    return Transaction(
        chain_id=changes.get("chain_id", 42161),
        nonce=changes.get("nonce", 4),
        call=Call("0x" + "cc" * 20, b"\x01\x02\x03\x04", 5),
        gas=100_000,
        fees=Fees(2_000, 3),
        order_id=order_id,
    )


def test_sign_when_decoded_by_a_node_then_every_field_is_as_wanted() -> None:
    signed = sign(a_transaction(), ACCOUNT)
    seen = decode(bytes.fromhex(signed.raw[2:]))
    assert (seen.hash, seen.sender) == (signed.hash, ACCOUNT.address.lower())
    assert (seen.chain_id, seen.nonce, seen.gas) == (42161, 4, 100_000)
    assert (seen.call.to, seen.call.data, seen.call.value) == ("0x" + "cc" * 20, b"\1\2\3\4", 5)
    assert fees_of(signed.raw) == Fees(2_000, 3)
    assert KEY[2:] not in signed.raw


def test_sign_when_repeated_then_the_same_bytes() -> None:
    assert sign(a_transaction(), ACCOUNT) == sign(a_transaction(), ACCOUNT)


def test_sign_when_two_orders_want_the_same_call_and_nonce_then_two_hashes() -> None:
    """Else one mined transaction would fill both."""
    other = sign(a_transaction("0x" + "02" * 16), ACCOUNT)
    assert sign(a_transaction(), ACCOUNT).hash != other.hash


@pytest.mark.parametrize("raw", ["", "0x", "0x01ff", "0x02", "0x02c0", "0x02f8ff00"])
def test_fees_of_when_not_a_transaction_of_ours_then_refused(raw: str) -> None:
    with pytest.raises(InvalidInputError):
        fees_of(raw)


@pytest.mark.slow
def test_fence_when_made_for_any_fees_then_a_node_takes_it_in_the_orders_place() -> None:
    random = Random(3)
    for _ in range(60):
        tip = random.choice([0, 1, 7, 10**9])
        original = sign(
            Transaction(
                chain_id=42161,
                nonce=9,
                call=Call("0x" + "cc" * 20, b""),
                gas=21_000,
                fees=Fees(tip + random.randrange(1, 10**11), tip),
                order_id=ORDER,
            ),
            ACCOUNT,
        )
        market = Fees(random.randrange(1, 10**12), 0)
        made = fence(
            chain_id=42161,
            nonce=9,
            address=ACCOUNT.address.lower(),
            order_id=ORDER,
            original=fees_of(original.raw),
            market=market,
        )
        assert made.call.value == 0
        assert made.fees.max_fee >= market.max_fee
        assert made.fees.priority_fee <= made.fees.max_fee
        stands = decode(bytes.fromhex(sign(made, ACCOUNT).raw[2:]))
        assert stands.replaces(decode(bytes.fromhex(original.raw[2:])))
