"""What a signature costs: of each venue's kind, of a sealed key, and of the first in a process."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bench.figures import Goal, Row, row_of
from bench.machine import REPOSITORY
from bench.samples import Samples, percentile, sampled, sampled_sync
from common.domain.instrument import Venue
from common.domain.order import Order
from infra.keys.envelope import KeyUse, open_envelope, seal
from infra.keys.private_key import KeyEncryptionKey, PrivateKey
from infra.keys.signer import Signer
from infra.venues.aster.signing import signed as aster_signed
from infra.venues.evm.abi import Call
from infra.venues.evm.transactions import Fees, Transaction, sign
from infra.venues.hyperliquid.actions import order_action
from infra.venues.hyperliquid.signing import signed_action
from tests.builders import an_instrument
from tests.fakes.clock import FakeClock
from tests.integration.hyperliquid_floor import Floor

COUNT = 300
WARMUP = 20
PREPARE_COUNT = 200
ROUNDS = 5
GOAL = Goal("p99", 50.0)
_KEY = bytes.fromhex("21" * 32)  # nobody's
_FIRST = """
import time
started = time.perf_counter()
from infra.keys.private_key import PrivateKey
from infra.keys.signer import Signer
from infra.venues.hyperliquid.signing import signed_action
signer = Signer(PrivateKey(bytes.fromhex("21" * 32)), "{address}")
signed_action(
    signer.account, {{"type": "noop"}}, nonce=1, expires_after_ms=None, network="testnet"
)
print((time.perf_counter() - started) * 1000)
"""


async def run() -> list[Row]:
    from infra.keys.address import address_of

    address = address_of(PrivateKey(_KEY))
    account = Signer(PrivateKey(_KEY), address).account
    floor = await Floor().open()
    action = _action(floor)
    ours = _timed(
        lambda: signed_action(
            account, action, nonce=1, expires_after_ms=1_768_000_000_000, network="testnet"
        )
    )
    theirs = _timed(lambda: _official(account, action))
    ratio = percentile(ours.wall_ms, 50) / percentile(theirs.wall_ms, 50)
    return [
        row_of(
            "Hyperliquid: an order signed, as text",
            ours,
            goal=GOAL,
            note=f"{ratio:.2f}x the official SDK's sign_l1_action alone",
        ),
        row_of("Hyperliquid: the SDK's sign_l1_action alone", theirs),
        row_of(
            "Hyperliquid: prepare, nonce and budget included",
            await _prepared(floor),
            goal=GOAL,
            note="memory store",
        ),
        row_of("Aster: an order signed", _timed(lambda: _aster(account)), goal=GOAL),
        row_of(
            "chain: a transaction signed",
            _timed(lambda: sign(_transaction(), account)),
            goal=GOAL,
            note="Ostium, Uniswap",
        ),
        row_of("a sealed key opened", _timed(_opening(address))),
        Row(
            name="first signature of a process, imports and all",
            p50=percentile(_first_signatures(address), 50),
            count=ROUNDS,
            note="never at the start of a function: at its first live order",
        ),
    ]


def _timed(call: Any) -> Samples:
    return sampled_sync(call, count=COUNT, warmup=WARMUP)


def _action(floor: Floor) -> dict[str, Any]:
    table = floor.instruments.current
    instrument = table.find("ETH") if table else None
    return order_action(floor.order(), instrument or an_instrument())


def _official(account: Any, action: dict[str, Any]) -> object:
    from hyperliquid.utils.signing import sign_l1_action

    return sign_l1_action(account, action, None, 1, 1_768_000_000_000, False)


async def _prepared(floor: Floor) -> Samples:
    clock = floor.clock
    assert isinstance(clock, FakeClock)
    lasting = clock.now() + timedelta(days=1)

    async def prepare(order: Order) -> object:
        clock.advance(2)  # the budget refills
        return await floor.venue.prepare(order)

    orders = [replace(floor.order(), expires_at=lasting) for _ in range(WARMUP + PREPARE_COUNT)]
    return await sampled(prepare, orders, warmup=WARMUP)


def _aster(account: Any) -> str:
    order = [
        ("symbol", "ETHUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "IOC"),
        ("quantity", str(Decimal("0.333"))),
        ("price", "3015"),
        ("newClientOrderId", "0x" + "ab" * 16),
    ]
    return aster_signed(order, nonce=1_768_000_000_000_000, account=account)


def _transaction() -> Transaction:
    return Transaction(
        chain_id=42161,
        nonce=7,
        call=Call(to="0x" + "6d" * 20, data=b"\x01" * 400, value=0),
        gas=900_000,
        fees=Fees(max_fee=10**8, priority_fee=10**6),
        order_id="0x" + "ab" * 16,
    )


def _opening(address: str) -> Any:
    under = KeyEncryptionKey(b"\x07" * 32)
    use = KeyUse(agent_id="agt_1", wallet=address, venue=Venue.HYPERLIQUID, key_version=1)
    envelope = seal(PrivateKey(_KEY), under=under, use=use, iv=b"\x01" * 12)
    return lambda: open_envelope(envelope, under=under, use=use)


def _first_signatures(address: str) -> list[float]:
    found = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", _FIRST.format(address=address)],
            capture_output=True,
            text=True,
            check=True,
            cwd=REPOSITORY,
        )
        found.append(float(done.stdout))
    return found
