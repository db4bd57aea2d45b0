"""The three requests of the Trading API: approval, quote, swap.

Shapes as in api-docs.uniswap.org; where its behaviour is not known to us (the text of an expired
quote's refusal), the answer here is our own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.exchanges.uniswap.calls import CallTerms, write_call
from infra.local.exchanges.uniswap.hostile import (
    hostile_quote,
    hostile_terms,
    hostile_transaction,
)
from infra.local.exchanges.uniswap.permit2 import PERMIT2
from infra.venues.evm.abi import encode_call

if TYPE_CHECKING:
    from infra.local.exchanges.uniswap.exchange import UniswapExchange

Body = dict[str, Any]
EXPIRATION = timedelta(days=30)
SIGNATURE_LIFE = timedelta(minutes=30)


class RefusalError(Exception):
    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


@dataclass(slots=True)
class _Quoted:
    """What was quoted, and until when /swap takes it."""

    terms: CallTerms
    expires_at: datetime


class TradingDesk:
    """Methods are named as the paths are."""

    def __init__(self, exchange: "UniswapExchange", router: str) -> None:
        self._exchange = exchange
        self._router = router
        self._quotes: dict[str, _Quoted] = {}

    def check_approval(self, body: Body, now: datetime) -> Body:
        del now
        token = _address(body["token"])
        wallet = _address(body["walletAddress"])
        wanted = int(body["amount"])
        contract = self._token(token)
        if contract.allowances.get((wallet, PERMIT2), 0) >= wanted:
            return {"requestId": "a", "approval": None, "cancel": None}
        data = encode_call("approve(address,uint256)", PERMIT2, 2**256 - 1)
        approval = {
            "to": body["token"],
            "from": body["walletAddress"],
            "data": "0x" + data.hex(),
            "value": "0x00",
            "chainId": body["chainId"],
        }
        return {"requestId": "a", "approval": approval, "cancel": None}

    def quote(self, body: Body, now: datetime) -> Body:
        exchange = self._exchange
        if body["tokenInChainId"] != exchange.chain.chain_id or body["tokenInChainId"] != body.get(
            "tokenOutChainId"
        ):
            raise RefusalError(400, "VALIDATION_ERROR", "chain not supported")
        exact, exact_output = int(body["amount"]), body["type"] == "EXACT_OUTPUT"
        path = (_address(body["tokenIn"]), _address(body["tokenOut"]))
        amount_in, amount_out = self._amounts(path, exact, exact_output=exact_output)
        slippage = body["slippageTolerance"]
        if type(slippage) not in {int, float} or round(slippage, 2) != slippage:
            raise RefusalError(400, "VALIDATION_ERROR", "slippageTolerance takes two decimals")
        hundredths = round(slippage * 100)
        limit = (
            amount_in * (10_000 + hundredths) // 10_000
            if exact_output
            else amount_out * (10_000 - hundredths) // 10_000
        )
        terms = CallTerms(
            wallet=_address(body["swapper"]),
            path=path,
            exact_output=exact_output,
            exact=exact,
            limit=limit,
            deadline=0,
            style=exchange.style,
        )
        quote_id = f"q-{len(self._quotes)}"
        self._quotes[quote_id] = _Quoted(terms, now + exchange.quote_life)
        pays = limit if exact_output else exact
        answer = {
            "requestId": quote_id,
            "routing": "CLASSIC",
            "permitData": self._permit(terms, pays, now),
            "quote": {
                "quoteId": quote_id,
                "chainId": exchange.chain.chain_id,
                "tradeType": body["type"],
                "swapper": body["swapper"],
                "slippage": slippage,
                "input": {"token": body["tokenIn"], "amount": str(amount_in)},
                "output": {
                    "token": body["tokenOut"],
                    "amount": str(amount_out),
                    "recipient": body["swapper"],
                },
                "gasUseEstimate": "220000",
                "routeString": "[V3] 100.00% = 0.3%",
            },
        }
        return hostile_quote(exchange.hostile, answer)

    def swap(self, body: Body, now: datetime) -> Body:
        quoted = self._quotes.get(body["quote"]["quoteId"])
        if quoted is None or now >= quoted.expires_at:
            raise RefusalError(400, "QUOTE_EXPIRED", "the quote is over; ask for another")
        permit = body.get("permitData")
        signature = bytes.fromhex(body["signature"][2:]) if permit is not None else b""
        terms = quoted.terms.changed(deadline=int(body["deadline"]))
        terms = hostile_terms(self._exchange.hostile, terms)
        transaction = {
            "to": self._router,
            "from": terms.wallet,
            "data": "0x" + write_call(terms, permit, signature).hex(),
            "value": "0x00",
            "chainId": self._exchange.chain.chain_id,
            "gasLimit": "400000",
            "maxFeePerGas": str(2 * self._exchange.chain.base_fee),
            "maxPriorityFeePerGas": "0",
        }
        return {
            "requestId": "s",
            "swap": hostile_transaction(self._exchange.hostile, transaction),
            "gasFee": "1",
        }

    def _amounts(self, path: tuple[str, str], exact: int, *, exact_output: bool) -> tuple[int, int]:
        pools, world = self._exchange.pools, self._exchange.chain.world
        if exact <= 0:
            raise RefusalError(400, "VALIDATION_ERROR", "amount must be above 0")
        along = pools.backward if exact_output else pools.forward
        amounts = along(world, list(path), exact)
        if amounts is None or amounts[-1] == 0:
            raise RefusalError(404, "ResourceNotFound", "No quotes available")
        return amounts[0], amounts[-1]

    def _permit(self, terms: CallTerms, pays: int, now: datetime) -> Body | None:
        """None where the wallet has permitted enough already."""
        token = self._token_of(terms.path[0])
        found = self._exchange.permit2().of(terms.wallet, terms.path[0], self._router)
        seconds = int(now.timestamp())
        if found.amount >= pays and found.expiration > seconds:
            return None
        return {
            "domain": {
                "name": "Permit2",
                "chainId": self._exchange.chain.chain_id,
                "verifyingContract": PERMIT2,
            },
            "types": {
                "PermitSingle": [
                    {"name": "details", "type": "PermitDetails"},
                    {"name": "spender", "type": "address"},
                    {"name": "sigDeadline", "type": "uint256"},
                ],
                "PermitDetails": [
                    {"name": "token", "type": "address"},
                    {"name": "amount", "type": "uint160"},
                    {"name": "expiration", "type": "uint48"},
                    {"name": "nonce", "type": "uint48"},
                ],
            },
            "values": {
                "details": {
                    "token": token,
                    "amount": str(pays),
                    "expiration": str(seconds + int(EXPIRATION.total_seconds())),
                    "nonce": str(found.nonce),
                },
                "spender": self._router,
                "sigDeadline": str(seconds + int(SIGNATURE_LIFE.total_seconds())),
            },
        }

    def _token(self, address: str) -> Any:
        self._token_of(address)
        return self._exchange.chain.contract(address)

    def _token_of(self, address: str) -> str:
        book = self._exchange.book
        for token in (book.quote, *book.tokens):
            if token.address.lower() == address:
                return token.address
        raise RefusalError(404, "ResourceNotFound", "no such token")


def _address(value: str) -> str:
    return value.lower()
