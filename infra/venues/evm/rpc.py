"""Ethereum's JSON-RPC over our own HTTP client: strict, bounded, and never on the wrong chain."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from common.errors import (
    ConfigurationError,
    InvalidInputError,
    OutcomeUnknownError,
    RateLimitedError,
    TransientError,
)
from infra.venues.evm.abi import Call
from infra.venues.evm.answers import (
    Receipt,
    Seen,
    parse_block,
    parse_next_base_fee,
    parse_receipt,
    parse_seen,
)
from infra.venues.evm.hexadecimal import to_bytes, to_hash, to_int
from infra.venues.evm.refusals import refused_call, refused_transaction
from infra.venues.fields import Answer, as_list, as_object
from infra.venues.http import VenueHttp

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
_RATE_LIMITED = frozenset({-32005, -32029, 429})  # EIP-1474 and what providers use
TIMEOUT_S = 5.0
PRIVATE_RPC_URL = "ARBITRUM_PRIVATE_RPC_URL"
"""Where it is set, transactions are broadcast there and nowhere else."""


@dataclass(frozen=True, slots=True)
class _Node:
    """What answers at one URL, by the name that messages call it."""

    http: VenueHttp
    path: str
    label: str


class JsonRpc:
    """One node of one chain. `label` stands in messages; the URL may hold a key and never does.

    With `private_url`, a relay that keeps transactions from strangers until they are mined, it is
    the relay alone that is given them. When it fails, the broadcast has failed: the node would show
    what the relay hides, so it is never asked instead.

    Every reading raises TransientError where the node gives no usable answer, RateLimitedError
    where it asks to wait, and ConfigurationError where it is a node of another chain: there, "not
    found" would prove nothing. `errors` are the custom errors that reverts may carry.
    """

    def __init__(
        self,
        url: str,
        *,
        chain_id: int,
        label: str,
        private_url: str | None = None,
        errors: Sequence[str] = (),
        timeout_s: float = TIMEOUT_S,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        def node(url: str, label: str) -> _Node:
            parts = urlsplit(url)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            origin = f"{parts.scheme}://{parts.netloc}"
            http = VenueHttp(origin, label=label, timeout_s=timeout_s, transport=transport)
            return _Node(http, path, label)

        self._node = node(url, label)
        self._relay = node(private_url, f"{label}'s relay") if private_url else self._node
        self._label = label
        self._errors = tuple(errors)
        self._checked = False
        self.chain_id = chain_id

    async def check_chain(self) -> None:
        """Ask, once, which chain the node is of."""
        if self._checked:
            return
        (found,) = await self._ask([("eth_chainId", [])])
        chain = self._usable(lambda answer: to_int(answer, "eth_chainId"), found)
        if chain != self.chain_id:
            raise ConfigurationError(
                f"{self._label}: its node is of chain {chain}, not {self.chain_id}; "
                "point its URL at a node of the right chain"
            )
        self._checked = True

    async def head(self) -> int:
        """The newest block's number."""
        return (await self._read(parse_block, "eth_getBlockByNumber", "latest", False)).number

    async def block_time(self, number: int) -> datetime:
        """When that block was made, to the second."""
        block = await self._read(parse_block, "eth_getBlockByNumber", hex(number), False)
        if block.number != number:
            raise TransientError(f"{self._label}: it names another block")
        return datetime.fromtimestamp(block.timestamp, UTC)

    async def transaction_count(self, address: str, block: int) -> int:
        """How many nonces of the account were used up to and with that block."""
        return await self._read(
            lambda answer: to_int(answer, "transactionCount"),
            "eth_getTransactionCount",
            address,
            hex(block),
        )

    async def balance(self, address: str) -> int:
        """In wei."""
        return await self._read(
            lambda answer: to_int(answer, "balance"), "eth_getBalance", address, "latest"
        )

    async def fees(self) -> tuple[int, int]:
        """The next block's base fee and the tip that the node suggests, in wei per gas."""
        base, tip = await asyncio.gather(
            self._read(parse_next_base_fee, "eth_feeHistory", "0x1", "latest", []),
            self._read(lambda answer: to_int(answer, "tip"), "eth_maxPriorityFeePerGas"),
        )
        return base, tip

    async def call(
        self, call: Call, *, sender: str | None = None, block: int | None = None
    ) -> bytes:
        """What the contract returns. Raises RevertedError where it refuses."""
        return await self._read(
            lambda answer: to_bytes(answer, "eth_call"),
            "eth_call",
            _call_object(call, sender),
            "latest" if block is None else hex(block),
        )

    async def estimate_gas(self, call: Call, *, sender: str) -> int:
        """Raises RevertedError where the contract would refuse, RejectedError where the sender
        cannot pay.
        """
        return await self._read(
            lambda answer: to_int(answer, "eth_estimateGas"),
            "eth_estimateGas",
            _call_object(call, sender),
        )

    async def transaction(self, tx_hash: str) -> Seen | None:
        return await self._read(
            lambda answer: parse_seen(answer, tx_hash), "eth_getTransactionByHash", tx_hash
        )

    async def receipt_and_head(self, tx_hash: str) -> tuple[Receipt | None, int]:
        """The receipt, and how far the node that says so has come; asked in one batch, so that
        both are of one node.
        """
        await self.check_chain()
        receipt, block = await self._ask(
            [
                ("eth_getTransactionReceipt", [tx_hash]),
                ("eth_getBlockByNumber", ["latest", False]),
            ]
        )
        return (
            self._usable(lambda answer: parse_receipt(answer, tx_hash), receipt),
            self._usable(parse_block, block).number,
        )

    async def send(self, raw: str, expected_hash: str) -> None:
        """Broadcast exactly these bytes.

        Raises:
            RejectedError: the node, or the relay, proves that it did not take them.
            TransientError: no connection was made.
            OutcomeUnknownError: anything else, "already known" and "nonce too low" among it.
        """
        body = _body([("eth_sendRawTransaction", [raw])])
        label = self._relay.label
        answer = await self._relay.http.order("POST", self._relay.path, json=body)
        if answer.status == 429 or answer.status >= 500:
            raise OutcomeUnknownError(f"{label}: HTTP {answer.status}")
        try:
            reply = as_object(answer.json(), "answer")
            error = reply.get("error")
            if error is not None:
                raise refused_transaction(as_object(error, "error"), label)
            sent = to_hash(reply.get("result"), "result")
        except (ValueError, InvalidInputError):
            raise OutcomeUnknownError(f"{label}: not an answer of JSON-RPC") from None
        if sent != expected_hash:
            raise OutcomeUnknownError(f"{label}: it names another transaction")

    async def close(self) -> None:
        await self._node.http.close()
        await self._relay.http.close()

    async def _read(self, parse: Callable[[object], T], method: str, *params: object) -> T:
        await self.check_chain()
        (answer,) = await self._ask([(method, list(params))])
        return self._usable(parse, answer)

    def _usable(self, parse: Callable[[object], T], answer: object) -> T:
        try:
            return parse(answer)
        except InvalidInputError as error:
            raise TransientError(f"{self._label}: its answer cannot be used ({error})") from None

    async def _ask(self, calls: list[tuple[str, list[object]]]) -> list[object]:
        answer = await self._node.http.read("POST", self._node.path, json=_body(calls))
        try:
            body = answer.json()
            if len(calls) == 1:
                return [self._result(as_object(body, "answer"), calls[0][0])]
            replies = [as_object(item, "answer") for item in as_list(body, "answer")]
            by_id = {reply.get("id"): reply for reply in replies}
            return [
                self._result(by_id.get(place) or {}, calls[place][0]) for place in range(len(calls))
            ]
        except (ValueError, InvalidInputError) as error:
            raise TransientError(f"{self._label}: not an answer of JSON-RPC ({error})") from None

    def _result(self, reply: Answer, method: str) -> object:
        error = reply.get("error")
        if error is None:
            if "result" not in reply:
                raise InvalidInputError("neither a result nor an error", where=method)
            return reply["result"]
        told = as_object(error, "error")
        if told.get("code") in _RATE_LIMITED:
            raise RateLimitedError(f"{self._label}: too many requests")
        if method in {"eth_call", "eth_estimateGas"}:
            refusal = refused_call(told, self._errors)
            if refusal is not None:
                raise refusal
        raise TransientError(f"{self._label}: {method} failed with code {told.get('code')!r:.20}")


def _body(calls: Sequence[tuple[str, list[object]]]) -> object:
    requests = [
        {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
        for place, (method, params) in enumerate(calls)
    ]
    return requests[0] if len(requests) == 1 else requests


def _call_object(call: Call, sender: str | None) -> dict[str, str]:
    found = {"to": call.to, "data": "0x" + call.data.hex(), "value": hex(call.value)}
    return found if sender is None else {**found, "from": sender}
