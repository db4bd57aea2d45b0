"""A node's JSON-RPC over a simulated chain, alone or as part of a venue's stand-in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from infra.local.exchanges.chain.chain import SimulatedChain
from infra.local.exchanges.chain.transactions import RefusedError, Signed, decode
from infra.local.exchanges.chain.world import ReversionError
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import Fault, FaultKind
from infra.venues.evm.abi import Call

SEND = "eth_sendRawTransaction"
_BY_HASH = frozenset({"eth_getTransactionReceipt", "eth_getTransactionByHash"})


class _RpcError(Exception):
    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class ChainExchange:
    """Fits `Exchange`."""

    def __init__(self, chain: SimulatedChain) -> None:
        self.chain = chain
        self._methods: dict[str, str] = {
            "eth_chainId": "_chain_id",
            "eth_getBlockByNumber": "_block",
            "eth_getTransactionCount": "_count",
            "eth_getBalance": "_balance",
            "eth_feeHistory": "_fee_history",
            "eth_maxPriorityFeePerGas": "_tip",
            "eth_call": "_call",
            "eth_estimateGas": "_estimate",
            "eth_getTransactionReceipt": "_receipt",
            "eth_getTransactionByHash": "_transaction",
            SEND: "_send",
        }

    def operation(self, request: ApiRequest) -> Operation:
        calls = _calls(request)
        if not calls:
            return Operation("unknown")
        method, params = calls[0].get("method"), calls[0].get("params") or []
        if method == SEND:
            return Operation(SEND, _hash_of(params), writes=True)
        return Operation(str(method), str(params[0]) if method in _BY_HASH and params else "")

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        self.chain.advance(now)
        calls = _calls(request)
        if not calls:
            return ApiAnswer(_error(None, _RpcError(-32700, "parse error")), 400)
        answers = [self._answer(call, fault) for call in calls]
        batch = request.body.lstrip()[:1] == b"["
        return ApiAnswer(answers if batch else answers[0])

    def _answer(self, call: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        name = call.get("method")
        method = self._methods.get(str(name))
        try:
            if method is None:
                raise _RpcError(-32601, f"the method {name} does not exist")
            if name == SEND and fault is not None and fault.kind is FaultKind.ORDER_ERROR:
                raise _RpcError(-32000, fault.message)
            run: Callable[..., object] = getattr(self, method)
            result = run(*(call.get("params") or []))
        except _RpcError as error:
            return _error(call.get("id"), error)
        except RefusedError as error:
            return _error(call.get("id"), _RpcError(-32000, str(error)))
        except ReversionError as error:
            text = f": {error.text}" if error.text else ""
            data = "0x" + error.data.hex()
            return _error(call.get("id"), _RpcError(3, f"execution reverted{text}", data))
        except (TypeError, ValueError, KeyError, AttributeError):
            return _error(call.get("id"), _RpcError(-32602, "invalid params"))
        return {"jsonrpc": "2.0", "id": call.get("id"), "result": result}

    def _chain_id(self) -> str:
        return hex(self.chain.chain_id)

    def _block(self, which: str, _full: bool = False) -> dict[str, str]:
        number = self._number(which)
        stamp = int(self.chain.time_of(number).timestamp())
        return {
            "number": hex(number),
            "timestamp": hex(stamp),
            "baseFeePerGas": hex(self.chain.base_fee),
        }

    def _count(self, address: str, which: str) -> str:
        pending = sum(item.signed.sender == address.lower() for item in self.chain.waiting.values())
        used = self.chain.used_nonces(address, self._number(which))
        return hex(used + (pending if which == "pending" else 0))

    def _balance(self, address: str, _which: str) -> str:
        return hex(self.chain.world.balances.get(address.lower(), 0))

    def _fee_history(self, count: str, _which: str, _percentiles: list[int]) -> dict[str, object]:
        return {
            "oldestBlock": hex(self.chain.head),
            "baseFeePerGas": [hex(self.chain.base_fee)] * (int(count, 16) + 1),
        }

    def _tip(self) -> str:
        return hex(self.chain.tip)

    def _call(self, call: dict[str, str], which: str = "latest") -> str:
        effects = self.chain.call(_call_of(call), _sender(call), self._number(which))
        return "0x" + effects.returned.hex()

    def _estimate(self, call: dict[str, str]) -> str:
        wanted = _call_of(call)
        self.chain.call(wanted, _sender(call), self.chain.head)
        return hex(self.chain.world.gas_of(wanted))

    def _receipt(self, tx_hash: str) -> object:
        found = self.chain.world.receipts.get(tx_hash)
        return found and {name: value for name, value in found.items() if name != "_sent"}

    def _transaction(self, tx_hash: str) -> object:
        mined = self.chain.world.receipts.get(tx_hash)
        if mined is not None:
            signed = mined["_sent"]
            assert isinstance(signed, Signed)  # noqa: S101 - chain.receipt puts it there
            return _transaction(signed, str(mined["blockNumber"]))
        waiting = self.chain.waiting.get(tx_hash)
        return None if waiting is None else _transaction(waiting.signed, None)

    def _send(self, raw: str) -> str:
        return self.chain.send(bytes.fromhex(raw[2:])).hash

    def _number(self, which: str) -> int:
        if which in {"latest", "pending"}:
            return self.chain.head
        number = int(which, 16)
        if number > self.chain.head:
            raise _RpcError(-32000, "header not found")
        return number


def _calls(request: ApiRequest) -> list[dict[str, Any]]:
    try:
        body = request.json()
    except ValueError:
        return []
    calls = body if isinstance(body, list) else [body]
    return [call for call in calls if isinstance(call, dict)]


def _hash_of(params: list[Any]) -> str:
    try:
        return decode(bytes.fromhex(str(params[0])[2:])).hash
    except (RefusedError, ValueError, IndexError):
        return ""


def _call_of(call: dict[str, str]) -> Call:
    return Call(
        to=call["to"].lower(),
        data=bytes.fromhex(call.get("data", "0x")[2:]),
        value=int(call.get("value", "0x0"), 16),
    )


def _sender(call: dict[str, str]) -> str:
    return call.get("from", "0x" + "0" * 40).lower()


def _transaction(signed: Signed, block: str | None) -> dict[str, object]:
    return {
        "hash": signed.hash,
        "from": signed.sender,
        "to": signed.call.to,
        "input": "0x" + signed.call.data.hex(),
        "value": hex(signed.call.value),
        "nonce": hex(signed.nonce),
        "gas": hex(signed.gas),
        "maxFeePerGas": hex(signed.max_fee),
        "maxPriorityFeePerGas": hex(signed.priority_fee),
        "blockNumber": block,
    }


def _error(request_id: object, error: _RpcError) -> dict[str, Any]:
    told: dict[str, object] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "id": request_id, "error": told}
