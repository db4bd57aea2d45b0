"""Hyperliquid's public `/info`, in the shapes its recorded answers have."""

from datetime import datetime
from typing import Any

from common.domain.market import INTERVAL_MS
from common.domain.moment import to_ms
from tests.standins.serving import Fault, JsonStandIn

PRICES = {"BTC": "110427.5", "ETH": "3900.25", "SOL": "188.61", "kPEPE": "0.0068", "WIF": "0.5512"}
CONTEXT = {
    "funding": "0.0000125",
    "openInterest": "27353.17682",
    "prevDayPx": "76317.0",
    "dayNtlVlm": "1516669192.1953897476",
    "premium": "-0.0005927453",
    "impactPxs": None,
    "dayBaseVlm": "19707.77457",
}


class HyperliquidInfo(JsonStandIn):
    """Serves candles that climb to each coin's price at `now`, the one still open included."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now = now
        self.untraded: set[int] = set()  # bars, counted back from the open one, without a trade

    def asked(self, kind: str) -> list[Any]:
        return [body for _, body in self.requests if body["type"] == kind]

    def answer(self, path: str, body: Any) -> Fault | object:
        if path != "/info":
            return Fault(404, b"")
        if body["type"] == "metaAndAssetCtxs":
            return self._contexts()
        if body["type"] == "l2Book":
            return self._book(body["coin"])
        if body["type"] == "candleSnapshot":
            return self._candles(**body["req"])
        return Fault(422, b"Failed to deserialize the JSON body into the target type")

    def _contexts(self) -> list[Any]:
        universe = [
            {"szDecimals": 2, "name": coin, "maxLeverage": 20, "marginTableId": 51}
            for coin in PRICES
        ]
        universe[1]["szDecimals"] = 4
        delisted = {"szDecimals": 1, "name": "MATIC", "maxLeverage": 20, "isDelisted": True}
        contexts = [
            {**CONTEXT, "oraclePx": price, "markPx": price, "midPx": price}
            for price in PRICES.values()
        ]
        gone = {**CONTEXT, "oraclePx": "0.38", "markPx": "0.38", "midPx": None}
        return [{"universe": [*universe, delisted], "marginTables": []}, [*contexts, gone]]

    def _book(self, coin: str) -> object:
        if coin not in PRICES:
            return None
        price = float(PRICES[coin])
        sides = [
            [{"px": f"{price * (1 + way * n * 1e-4):.8f}", "sz": "4.11882", "n": 3} for n in (1, 2)]
            for way in (-1, 1)
        ]
        return {"coin": coin, "time": to_ms(self.now) - 250, "levels": sides}

    def _candles(self, coin: str, interval: str, startTime: int, endTime: int) -> object:  # noqa: N803 - the venue's own field names
        if coin not in PRICES:
            return Fault(500, b"null")
        step = INTERVAL_MS[interval]
        current = endTime // step
        price = float(PRICES[coin])
        return [
            {
                "t": bar * step,
                "T": (bar + 1) * step - 1,
                "s": coin,
                "i": interval,
                "o": f"{price * (1 - (current - bar) * 1e-4):.8f}",
                "c": f"{price * (1 - (current - bar) * 1e-4):.8f}",
                "h": f"{price * (1 - (current - bar) * 1e-4 + 1e-5):.8f}",
                "l": f"{price * (1 - (current - bar) * 1e-4 - 1e-5):.8f}",
                "v": "1234.5",
                "n": 17,
            }
            for bar in range(-(-startTime // step), current + 1)
            if current - bar not in self.untraded
        ]
