"""Nonces: issued here, for one wallet, used by one request, within ten minutes."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from common.books import AUDIT, WALLET_NONCES
from common.documents import Stored
from common.domain.moment import iso
from common.errors import TransientError
from common.ports import Ref
from infra.local.store.memory import MemoryStore
from infra.wallets.nonces import (
    LIVES_FOR,
    WalletNonce,
    burn_nonce,
    issue_nonce,
    random_nonce,
    usable_nonce,
)
from infra.wallets.refusal import ProofRefusedError
from tests.builders import NOON
from tests.fakes.clock import FakeClock

WALLET, OTHER = "0x" + "11" * 20, "0x" + "22" * 20
FACTS = {"wallet": WALLET, "action": "create"}


class Desk:
    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), FakeClock()

    async def issue(self) -> str:
        nonce, _ = await issue_nonce(WALLET, store=self.store, clock=self.clock)
        return nonce

    async def find(self, nonce: str, **changes: Any) -> Stored[WalletNonce]:
        asked = {"wallet": WALLET, "request_id": "first", **changes}
        return await usable_nonce(nonce, store=self.store, clock=self.clock, **asked)

    async def burn(self, found: Stored[WalletNonce], request_id: str = "first") -> None:
        await burn_nonce(
            found, request_id=request_id, facts=FACTS, store=self.store, clock=self.clock
        )

    async def code(self, nonce: str, **changes: Any) -> str:
        with pytest.raises(ProofRefusedError) as caught:
            await self.find(nonce, **changes)
        assert caught.value.kind == "unproven"
        return caught.value.code


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_random_when_drawn_then_of_128_bits_and_never_twice() -> None:
    drawn = {random_nonce() for _ in range(1000)}
    assert len(drawn) == 1000
    assert all(len(each) == 32 and each.isalnum() for each in drawn)


async def test_issue_when_drawn_then_kept_for_its_wallet_until_it_expires(desk: Desk) -> None:
    nonce, record = await issue_nonce(
        WALLET, store=desk.store, clock=desk.clock, draw=lambda: "ab" * 16
    )
    assert (nonce, record.wallet) == ("ab" * 16, WALLET)
    assert record.expires_at == NOON + LIVES_FOR
    assert desk.store.contents()[WALLET_NONCES][nonce]["expires_at"] == iso(NOON + LIVES_FOR)


async def test_usable_when_issued_to_the_wallet_then_found_until_the_last_moment(
    desk: Desk,
) -> None:
    nonce = await desk.issue()
    desk.clock.advance(LIVES_FOR.total_seconds() - 1)
    assert (await desk.find(nonce)).value.used_at is None
    desk.clock.advance(1)
    assert await desk.code(nonce) == "WALLET_NONCE_EXPIRED"


async def test_usable_when_not_issued_or_to_another_then_unknown(desk: Desk) -> None:
    nonce = await desk.issue()
    assert await desk.code("ff" * 16) == "WALLET_NONCE_UNKNOWN"
    assert await desk.code("x" * 2000) == "WALLET_NONCE_UNKNOWN"
    assert await desk.code(nonce, wallet=OTHER) == "WALLET_NONCE_UNKNOWN"


async def test_burn_when_done_then_used_but_for_the_same_request_and_audited_once(
    desk: Desk,
) -> None:
    nonce = await desk.issue()
    await desk.burn(await desk.find(nonce))
    assert await desk.code(nonce, request_id="second") == "WALLET_NONCE_USED"
    await desk.burn(await desk.find(nonce))
    (row,) = desk.store.contents()[AUDIT].values()
    assert (row["action"], row["subject_id"]) == ("wallet-proven", nonce)
    assert row["facts"] == FACTS
    desk.clock.advance(LIVES_FOR.total_seconds())
    assert await desk.code(nonce) == "WALLET_NONCE_EXPIRED"


async def test_burn_when_many_requests_hold_the_same_nonce_then_one_of_them(desk: Desk) -> None:
    nonce = await desk.issue()
    found = await desk.find(nonce)
    burns = [desk.burn(found, f"request-{number}") for number in range(20)]
    told = await asyncio.gather(*burns, return_exceptions=True)
    refused = [each for each in told if isinstance(each, ProofRefusedError)]
    assert told.count(None) == 1
    assert [each.code for each in refused] == ["WALLET_NONCE_USED"] * 19
    assert len(desk.store.contents()[AUDIT]) == 1


async def test_burn_when_the_store_does_not_answer_then_transient_and_nothing_is_used(
    desk: Desk,
) -> None:
    found = await desk.find(await desk.issue())

    class Down(MemoryStore):
        async def commit(self, writes: Any) -> None:
            raise TransientError("the store does not answer")

    with pytest.raises(TransientError):
        await burn_nonce(found, request_id="first", facts=FACTS, store=Down(), clock=desk.clock)
    assert (await desk.find(found.ref.id)).value == replace(found.value)
    assert await desk.store.get(Ref(WALLET_NONCES, found.ref.id)) is not None
