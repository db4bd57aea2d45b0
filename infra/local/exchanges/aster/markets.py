"""What the stand-in lists: each market with its filters, its mark and the house's liquidity."""

from dataclasses import dataclass
from decimal import Decimal

from infra.local.exchanges.aster.accounts import wire

LEVELS = 20
STEP = Decimal("0.0002")  # between the house's levels, a fraction of the mark
HALF_SPREAD = Decimal("0.0001")
DEPTH = Decimal(50_000)  # quote currency at each level
MULTIPLIERS = (Decimal("0.85"), Decimal("1.15"))  # PERCENT_PRICE


@dataclass(slots=True)
class Market:
    """Prices and quantities in the contract's own units."""

    base: str
    mark: Decimal
    tick: Decimal
    lot: Decimal
    market_max: Decimal = Decimal(100_000)
    min_notional: Decimal = Decimal(5)
    status: str = "TRADING"

    @property
    def symbol(self) -> str:
        return f"{self.base}USDT"

    def levels(self, *, asks: bool) -> list[tuple[Decimal, Decimal]]:
        """The house's book on one side, best first; it is there again for every order."""
        sign = 1 if asks else -1
        lots = max(DEPTH / self.mark // self.lot, Decimal(1))
        found = []
        for number in range(LEVELS):
            price = self.mark * (1 + sign * (HALF_SPREAD + STEP * number))
            ticks = (price / self.tick).to_integral_value()
            found.append((ticks * self.tick, lots * self.lot))
        return found

    def row(self) -> dict[str, object]:
        """As in exchangeInfo. The precisions are wrong on purpose: they are not to be used."""
        return {
            "symbol": self.symbol,
            "pair": self.symbol,
            "contractType": "PERPETUAL",
            "status": self.status,
            "baseAsset": self.base,
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "pricePrecision": 8,
            "quantityPrecision": 8,
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": wire(self.tick),
                    "maxPrice": "10000000",
                    "tickSize": wire(self.tick),
                },
                {
                    "filterType": "LOT_SIZE",
                    "minQty": wire(self.lot),
                    "maxQty": "100000000",
                    "stepSize": wire(self.lot),
                },
                {
                    "filterType": "MARKET_LOT_SIZE",
                    "minQty": wire(self.lot),
                    "maxQty": wire(self.market_max),
                    "stepSize": wire(self.lot),
                },
                {"filterType": "MAX_NUM_ORDERS", "limit": 200},
                {"filterType": "MIN_NOTIONAL", "notional": wire(self.min_notional)},
                {
                    "filterType": "PERCENT_PRICE",
                    "multiplierDown": wire(MULTIPLIERS[0]),
                    "multiplierUp": wire(MULTIPLIERS[1]),
                    "multiplierDecimal": 4,
                },
            ],
            "OrderType": ["LIMIT", "MARKET", "STOP_MARKET", "TAKE_PROFIT_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        }


def default_markets() -> list[Market]:
    rows = (
        ("BTC", "60000", "0.1", "0.001"),
        ("ETH", "3000", "0.01", "0.001"),
        ("SOL", "150", "0.01", "0.01"),
        ("DOGE", "0.12", "0.00001", "1"),
        ("1000PEPE", "0.01", "0.0000001", "1"),
        ("WIF", "1.5", "0.0001", "0.1"),
        ("LINK", "15", "0.001", "0.01"),
    )
    return [
        Market(base, Decimal(mark), Decimal(tick), Decimal(lot)) for base, mark, tick, lot in rows
    ]
