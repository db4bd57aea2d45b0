"""What the stand-in lists: tokens, pools and the oracle's prices."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

USDC = "0xaf88d065e77c8cC2239327C5EDb3A432268e5831"
WETH = "0x82aF49447D8a07e3bd95BD0d56f35241523fBab1"
WBTC = "0x2f2a2543B76A4166549F7aaB2e75Bef0aefC5B0f"
USD = 10**30


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedToken:
    symbol: str
    address: str
    decimals: int


@dataclass(slots=True, kw_only=True)
class Pool:
    """One market. Liquidity in USD x 10^30, on both sides the same."""

    name: str
    address: str
    index: ListedToken
    long_token: str
    short_token: str = USDC
    is_listed: bool = True
    liquidity: int = 5_000_000 * USD


def _address(number: int) -> str:
    return f"0x{number:040x}"


_ETH = ListedToken(symbol="ETH", address=WETH, decimals=18)
_BTC = ListedToken(symbol="BTC", address=_address(0xB7C), decimals=8)
_SOL = ListedToken(symbol="SOL", address=_address(0x501), decimals=9)
_DOGE = ListedToken(symbol="DOGE", address=_address(0xD06E), decimals=8)
TOKENS = (
    ListedToken(symbol="USDC", address=USDC, decimals=6),
    ListedToken(symbol="WBTC.b", address=WBTC, decimals=8),
    _ETH,
    _BTC,
    _SOL,
    _DOGE,
)


def default_pools() -> list[Pool]:
    return [
        Pool(name="ETH/USD [WETH-USDC]", address=_address(0xE7), index=_ETH, long_token=WETH),
        Pool(name="BTC/USD [BTC-USDC]", address=_address(0xB7), index=_BTC, long_token=WBTC),
        Pool(
            name="SOL/USD [SOL-USDC]", address=_address(0x50), index=_SOL, long_token=_SOL.address
        ),
        Pool(
            name="SOL/USD [WBTC.b-USDC]",
            address=_address(0x51),
            index=_SOL,
            long_token=WBTC,
            liquidity=1_000_000 * USD,
        ),
        Pool(name="DOGE/USD [WETH-USDC]", address=_address(0xD0), index=_DOGE, long_token=WETH),
        Pool(
            name="BTC/USD [WBTC.b-WBTC.b]",
            address=_address(0xBB),
            index=_BTC,
            long_token=WBTC,
            short_token=WBTC,
            liquidity=90_000_000 * USD,
        ),
    ]


@dataclass(slots=True)
class Listing:
    pools: list[Pool] = field(default_factory=default_pools)
    marks: dict[str, Decimal] = field(
        default_factory=lambda: {
            "USDC": Decimal(1),
            "ETH": Decimal(3000),
            "BTC": Decimal(60000),
            "WBTC.b": Decimal(60000),
            "SOL": Decimal(150),
            "DOGE": Decimal("0.15"),
        }
    )
    spread: Decimal = Decimal("0.0001")  # between the oracle's lowest and highest price

    def pool(self, *, name: str = "", address: str = "") -> Pool | None:
        wanted = address.lower()
        return next(
            (
                pool
                for pool in self.pools
                if (pool.name == name if name else pool.address.lower() == wanted)
            ),
            None,
        )

    def token(self, word: str) -> ListedToken | None:
        """By symbol or by address."""
        return next(
            (one for one in TOKENS if word in {one.symbol, one.address, one.address.lower()}), None
        )

    def contract_price(self, token: ListedToken, price: Decimal) -> int:
        return int(price.scaleb(30 - token.decimals))

    def markets(self) -> list[dict[str, Any]]:
        return [
            {
                "symbol": pool.name,
                "marketTokenAddress": pool.address,
                "indexTokenAddress": pool.index.address,
                "longTokenAddress": pool.long_token,
                "shortTokenAddress": pool.short_token,
                "isListed": pool.is_listed,
                "isSpotOnly": False,
                "leverageTiers": [],
                "minPositionSizeUsd": str(USD),
                "minCollateralUsd": str(USD),
            }
            for pool in self.pools
        ] + [_swap_only()]

    def tokens(self) -> list[dict[str, Any]]:
        native = {"symbol": "ETH", "address": _address(0), "decimals": 18, "isNative": True}
        return [native] + [
            {"symbol": one.symbol, "address": one.address, "decimals": one.decimals}
            for one in TOKENS
        ]

    def tickers(self) -> list[dict[str, Any]]:
        return [
            {
                "symbol": pool.name,
                "marketTokenAddress": pool.address,
                "availableLiquidityLong": str(pool.liquidity),
                "availableLiquidityShort": str(pool.liquidity),
                "markPrice": str(int(self.marks[pool.index.symbol].scaleb(30))),
            }
            for pool in self.pools
        ]

    def info(self) -> list[dict[str, Any]]:
        return [
            {
                "name": pool.name,
                "marketTokenAddress": pool.address,
                "isDisabled": False,
                "maxOpenInterestLong": str(80_000_000 * USD),
                "maxOpenInterestShort": str(80_000_000 * USD),
                "longInterestUsd": str(20_000_000 * USD),
                "shortInterestUsd": str(10_000_000 * USD),
                "positionFeeFactorForBalanceWasNotImproved": str(6 * 10**26),
                "positionFeeFactorForBalanceWasImproved": str(4 * 10**26),
            }
            for pool in self.pools
        ]

    def prices(self) -> list[dict[str, Any]]:
        return [
            {
                "tokenAddress": one.address,
                "tokenSymbol": one.symbol,
                "minPrice": str(self.contract_price(one, mark * (1 - self.spread / 2))),
                "maxPrice": str(self.contract_price(one, mark * (1 + self.spread / 2))),
            }
            for one in TOKENS
            if (mark := self.marks[one.symbol])
        ]


def _swap_only() -> dict[str, Any]:
    return {
        "symbol": "SWAP-ONLY [USDC-USDT]",
        "marketTokenAddress": _address(0x5A),
        "indexTokenAddress": _address(0),
        "longTokenAddress": USDC,
        "shortTokenAddress": _address(0x5B),
        "isListed": True,
        "isSpotOnly": True,
        "leverageTiers": [],
        "minPositionSizeUsd": "0",
        "minCollateralUsd": "0",
    }
