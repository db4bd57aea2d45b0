"""What the chain says of a wallet's tokens, and what of it was there before us.

A balance is one number, whoever bought it. So the balance at our first use of a token is written
down once (`spot_openings`), and the venue's quantity is what is held above it: the user's own coins
are neither counted as a position of ours nor ever sold. When the user takes some away, the quantity
shrinks, never below 0, and reconciliation tells it. Two deployments must not share a wallet here:
nothing could tell their coins apart.
"""

from dataclasses import dataclass
from typing import Any

from common.contention import retry_on_conflict
from common.documents import create, load, load_many
from common.domain.identifiers import prefixed_id
from common.domain.moment import UtcDatetime
from common.errors import InvalidInputError, RejectedError, TransientError
from common.ports import Clock, DocumentStore, Ref
from infra.venues.evm.abi import Call, decode, encode_call
from infra.venues.evm.rpc import JsonRpc
from infra.venues.spot.permit import PERMIT2
from infra.venues.spot.tokens import Token

SPOT_OPENINGS = "spot_openings"
_BALANCE = "balanceOf(address)"
_ALLOWANCE = "allowance(address,address,address)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a wallet held of a token when we first traded it; in base units, as text."""

    account_id: str
    wallet: str
    token: str
    units: str
    recorded_at: UtcDatetime


class Wallets:
    """Raises TransientError wherever the node or the store does not answer."""

    def __init__(self, rpc: JsonRpc, store: DocumentStore, clock: Clock) -> None:
        self._rpc = rpc
        self._store = store
        self._clock = clock

    async def balance(self, wallet: str, token: Token) -> int:
        answer = await self._asked(token.address, encode_call(_BALANCE, wallet))
        return int(_decoded(("uint256",), answer, _BALANCE)[0])

    async def permit_nonce(self, wallet: str, token: Token, router: str) -> int:
        """Permit2's next nonce for this wallet, token and router."""
        answer = await self._asked(PERMIT2, encode_call(_ALLOWANCE, wallet, token.address, router))
        types = ("uint160", "uint48", "uint48")
        return int(_decoded(types, answer, "Permit2 allowance")[2])

    async def opening(self, account_id: str, wallet: str, token: Token) -> int:
        """What was there before us; written down now where it is not yet."""
        ref = _opening_ref(account_id, wallet, token)

        async def once() -> int:
            stored = await load(self._store, Opening, ref)
            if stored is not None:
                return int(stored.value.units)
            units = await self.balance(wallet, token)
            record = Opening(
                account_id=account_id,
                wallet=wallet.lower(),
                token=token.address,
                units=str(units),
                recorded_at=self._clock.now(),
            )
            await self._store.commit([create(ref, record)])
            return units

        return await retry_on_conflict(once, what=f"the opening balance of {token.symbol}")

    async def ours(
        self, account_id: str, wallet: str, tokens: tuple[Token, ...]
    ) -> dict[Token, int]:
        """What is held above the opening, of each token that we ever traded; 0 is left out."""
        refs = [_opening_ref(account_id, wallet, token) for token in tokens]
        found = await load_many(self._store, Opening, refs)
        held = {}
        for token, stored in zip(tokens, found, strict=True):
            if stored is not None:
                units = await self.balance(wallet, token) - int(stored.value.units)
                if units > 0:
                    held[token] = units
        return held

    async def _asked(self, contract: str, data: bytes) -> bytes:
        try:
            return await self._rpc.call(Call(contract, data))
        except RejectedError as error:
            raise TransientError(f"SPOT: {contract} cannot be asked ({error.code})") from None


def _opening_ref(account_id: str, wallet: str, token: Token) -> Ref:
    key = f"{account_id}:{token.chain_id}:{wallet.lower()}:{token.address.lower()}"
    return Ref(SPOT_OPENINGS, prefixed_id("spo", key))


def _decoded(types: tuple[str, ...], answer: bytes, where: str) -> tuple[Any, ...]:
    try:
        return decode(types, answer, where)
    except InvalidInputError as error:
        raise TransientError(f"SPOT: no token contract answers there ({error})") from None
