"""The stand-in's endpoints."""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from common.domain.identifiers import digest
from common.domain.moment import iso
from common.domain.rounding import round_quantity
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.house_fill import HouseFill
from infra.local.exchanges.symphony.positions import ZERO, Position, Subscriber, floored
from infra.venues.symphony.instruments import perpetual

PREFIX = "/agent/"
MIN_COLLATERAL = Decimal(5)
MIN_LEVERAGE = Decimal("1.1")
HALF_SPREAD = Decimal("0.0002")
WRITES = frozenset({"batch-open", "batch-close", "batch-swap"})
READS = frozenset({"token-price", "positions", "batches", "batch-positions", "all-positions"})
PUBLIC = frozenset({"all-positions"})
PRICES = {
    "BTC": "60000",
    "ETH": "3000",
    "SOL": "150",
    "DOGE": "0.12",
    "PEPE": "0.00001",
    "WIF": "1.5",
    "LINK": "15",
}


class RefusalError(Exception):
    """A request that the API refuses."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class SymphonyExchange:
    """Fits `Exchange`. `prices` may be changed at any time; 0 is "cannot be determined"."""

    def __init__(self, *, agent_id: str, api_key: str) -> None:
        self.agent_id = agent_id
        self._api_key = api_key
        self.prices = {symbol: Decimal(price) for symbol, price in PRICES.items()}
        self._subscribers: dict[str, Subscriber] = {}
        self._batches: dict[str, datetime] = {}

    # ----------------------------------------------------------------------------- for tests
    def subscribe(self, smart_account: str, available: Decimal, mon: Decimal = ZERO) -> Subscriber:
        name = smart_account.lower()
        found = self._subscribers.setdefault(name, Subscriber(name))
        found.available += available
        found.mon += mon
        return found

    def fills(self) -> list[HouseFill]:
        """Each open and each close, with the quantity rounded as our books hold it."""
        found = []
        for subscriber in self._subscribers.values():
            for held in subscriber.positions:
                quantity = round_quantity(perpetual(held.symbol), held.size / held.entry)
                legs = [("open", held.is_long, held.entry)]
                if held.closed_at_price is not None:
                    legs.append(("close", not held.is_long, held.closed_at_price))
                found += [
                    HouseFill(
                        trade_id=f"{held.key}:{leg}",
                        symbol=held.symbol,
                        side="BUY" if buy else "SELL",
                        quantity=quantity,
                        price=price,
                        account=subscriber.smart_account,
                    )
                    for leg, buy, price in legs
                ]
        return found

    # ----------------------------------------------------------------------------- the API
    def operation(self, request: ApiRequest) -> Operation:
        name = _name(request)
        fields = dict(request.parameters()) if name in READS else _body(request)
        names = ("batchId", "symbol", "tokenOut", "input")
        key = next((str(fields[field]) for field in names if fields.get(field)), "")
        return Operation(name, key, name in WRITES)

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        name = _name(request)
        try:
            if name == "unknown":
                raise RefusalError(404, "Not found")
            if name not in PUBLIC and request.headers.get("x-api-key") != self._api_key:
                raise RefusalError(401, "Invalid API key")
            if name in READS:
                return ApiAnswer(self._read(name, dict(request.parameters())))
            return ApiAnswer(self._write(name, _body(request), now, fault))
        except RefusalError as refusal:
            return ApiAnswer({"message": refusal.text}, refusal.status)

    def _write(
        self, name: str, fields: dict[str, object], now: datetime, fault: Fault | None
    ) -> object:
        if fields.get("agentId") != self.agent_id:
            raise RefusalError(404, "Agent not found")
        if name == "batch-close":
            return self._close(str(fields.get("batchId")), now, fault)
        weight = _number(fields, "weight")
        if not 0 < weight <= 100:
            raise RefusalError(400, "weight must be greater than 0 and at most 100")
        if name == "batch-swap":
            return self._swap(fields, weight, now, fault)
        symbol, action = fields.get("symbol"), fields.get("action")
        leverage = _number(fields, "leverage")
        if not isinstance(symbol, str) or not self.prices.get(symbol):
            raise RefusalError(400, "Unsupported symbol")
        if action not in {"LONG", "SHORT"} or leverage < MIN_LEVERAGE:
            raise RefusalError(400, "action must be LONG or SHORT and leverage at least 1.1")
        share = weight / 100
        if fault is not None and fault.kind is FaultKind.PARTIAL_FILL:
            share *= fault.fraction
        batch_id = self._new_batch(now)
        results = [
            self._open(
                subscriber,
                Position(
                    key="0x" + digest("symphony-position", batch_id, subscriber.smart_account),
                    batch_id=batch_id,
                    smart_account=subscriber.smart_account,
                    symbol=symbol,
                    is_long=action == "LONG",
                    collateral=floored(subscriber.available * share),
                    leverage=leverage,
                    entry=self._fill_price(symbol, buy=action == "LONG"),
                    opened_at=now,
                    updated_at=now,
                ),
                fault,
            )
            for subscriber in self._subscribers.values()
        ]
        return _batch("Batch open trade submitted", batch_id, results)

    @staticmethod
    def _open(subscriber: Subscriber, position: Position, fault: Fault | None) -> dict[str, object]:
        refused = fault is not None and fault.kind is FaultKind.ORDER_ERROR
        if refused or position.collateral < MIN_COLLATERAL:
            text = fault.message if fault is not None and refused else "Trade size is below 5 USDC"
            return _result(subscriber, success=False, message=text)
        subscriber.available -= position.collateral
        subscriber.positions.append(position)
        hashes = {"protocolOrderHash": None, "symphonyPositionHash": position.key}
        return _result(subscriber, success=True, executeTxHash=position.key, **hashes)

    def _close(self, batch_id: str, now: datetime, fault: Fault | None) -> object:
        if batch_id not in self._batches:
            raise RefusalError(404, "Batch not found")
        results = [
            self._close_one(subscriber, held, now, fault)
            for subscriber in self._subscribers.values()
            for held in subscriber.positions
            if held.batch_id == batch_id
        ]
        return _batch("Batch close trade submitted", batch_id, results)

    def _close_one(
        self, subscriber: Subscriber, held: Position, now: datetime, fault: Fault | None
    ) -> dict[str, object]:
        if held.closed_at_price is not None:
            text = "Skipped closed trade"
            return _result(subscriber, success=True, skipped=True, message=text)
        if fault is not None and fault.kind is FaultKind.ORDER_ERROR:
            return _result(subscriber, success=False, message=fault.message)
        price = self._fill_price(held.symbol, buy=not held.is_long)
        held.closed_at_price, held.updated_at = price, now
        subscriber.available += floored(max(held.collateral + held.gain(price), ZERO))
        return _result(subscriber, success=True, txHash=held.key, chainId=42161)

    def _swap(
        self, fields: dict[str, object], weight: Decimal, now: datetime, fault: Fault | None
    ) -> object:
        """MON into a token, one for one: what counts here is who is in the batch."""
        token = fields.get("tokenOut")
        if fields.get("tokenIn") != "MON" or not isinstance(token, str) or not token:
            raise RefusalError(400, "Only MON can be swapped")
        batch_id, results = self._new_batch(now), []
        for subscriber in self._subscribers.values():
            amount = floored(subscriber.mon * weight / 100)
            refused = fault is not None and fault.kind is FaultKind.ORDER_ERROR
            if refused or not amount:
                results.append(_result(subscriber, success=False, message="Swap failed"))
                continue
            subscriber.mon -= amount
            subscriber.tokens[token] = subscriber.tokens.get(token, ZERO) + amount
            results.append(_result(subscriber, success=True, executeTxHash=batch_id))
        return _batch("Swap submitted", batch_id, results)

    def _new_batch(self, now: datetime) -> str:
        name = digest("symphony-batch", self.agent_id, len(self._batches))
        batch_id = f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:32]}"
        self._batches[batch_id] = now
        return batch_id

    def _fill_price(self, symbol: str, *, buy: bool) -> Decimal:
        price = self.prices[symbol] * (1 + (HALF_SPREAD if buy else -HALF_SPREAD))
        return price.quantize(Decimal(1).scaleb(price.adjusted() - 7))

    def _read(self, name: str, query: dict[str, str]) -> object:
        answers: dict[str, Callable[[], object]] = {
            "token-price": lambda: self._token_price(query.get("input", "")),
            "positions": lambda: self._positions(query),
            "batches": self._batch_list,
            "batch-positions": lambda: self._of_batch(query.get("batchId", "")),
            "all-positions": lambda: self._summary(query.get("userAddress", "").lower()),
        }
        if "agentId" in query and query["agentId"] != self.agent_id:
            raise RefusalError(404, "Agent not found")
        return answers[name]()

    def _token_price(self, symbol: str) -> object:
        price = self.prices.get(symbol, ZERO)
        return {"status": "success", "price": float(price), "sid": 1, "chainId": 42161}

    def _positions(self, query: dict[str, str]) -> object:
        status, address = query.get("status", "").lower(), query.get("address", "").lower()
        rows = [
            row
            for row in self._rows()
            if status in {"", str(row["status"]).lower()} and address in {"", row["smartAccount"]}
        ]
        return {
            "agentId": self.agent_id,
            "ordersCount": 0,
            "positionsCount": len(rows),
            "orders": [],
            "positions": rows,
        }

    def _rows(self) -> list[dict[str, object]]:
        return [
            held.row(self.prices[held.symbol])
            for subscriber in self._subscribers.values()
            for held in subscriber.positions
        ]

    def _batch_list(self) -> object:
        open_ids = {row["batchId"] for row in self._rows() if row["status"] == "Open"}
        return {
            "agentId": self.agent_id,
            "batches": [
                {
                    "batchId": batch_id,
                    "status": "OPEN" if batch_id in open_ids else "CLOSED",
                    "createTimestamp": iso(at),
                }
                for batch_id, at in self._batches.items()
            ],
        }

    def _of_batch(self, batch_id: str) -> object:
        rows = [row for row in self._rows() if row["batchId"] == batch_id]
        counts = {"ordersCount": 0, "positionsCount": len(rows)}
        return {"batchId": batch_id, **counts, "orders": [], "positions": rows}

    def _summary(self, account: str) -> object:
        subscriber = self._subscribers.get(account)
        if subscriber is None:
            raise RefusalError(404, "User not found")
        return {
            "success": True,
            "data": {
                "userAddress": account,
                "accountSummary": {
                    "totalEquity": float(floored(subscriber.equity(self.prices))),
                    "availableBalance": float(floored(subscriber.available)),
                },
                "openPositions": [
                    held.row(self.prices[held.symbol]) for held in subscriber.open_positions
                ],
            },
        }


def _name(request: ApiRequest) -> str:
    name = request.path.removeprefix(PREFIX)
    method = "POST" if name in WRITES else "GET"
    known = request.path.startswith(PREFIX) and name in WRITES | READS
    return name if known and request.method == method else "unknown"


def _body(request: ApiRequest) -> dict[str, object]:
    try:
        body = json.loads(request.body, parse_float=Decimal)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _number(fields: dict[str, object], name: str) -> Decimal:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise RefusalError(400, f"{name} must be a number")
    return Decimal(value)


def _result(subscriber: Subscriber, *, success: bool, **fields: object) -> dict[str, object]:
    return {
        "smartAccount": subscriber.smart_account,
        "result": {"success": success, **fields},
    }


def _batch(message: str, batch_id: str, results: list[dict[str, object]]) -> dict[str, object]:
    told = [result["result"] for result in results]
    skipped = sum(isinstance(item, dict) and item.get("skipped") is True for item in told)
    done = sum(isinstance(item, dict) and item["success"] is True for item in told)
    return {
        "message": message,
        "batchId": batch_id,
        "successful": done - skipped,
        "skipped": skipped,
        "failed": len(told) - done,
        "results": results,
    }
