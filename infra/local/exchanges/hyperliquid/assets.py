"""What is listed, and the prices and sizes it may be traded at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

PERP_PRICE_DECIMALS = 6
SPOT_PRICE_DECIMALS = 8
SIGNIFICANT_FIGURES = 5
SPOT_ASSETS_START = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """`coin` is the venue's name: "BTC", "PURR/USDC", "@107". `base` is set for spot alone."""

    id: int
    coin: str
    sz_decimals: int
    max_leverage: int = 1
    is_delisted: bool = False
    base: str = ""
    quote: str = "USDC"

    @property
    def is_spot(self) -> bool:
        return self.id >= SPOT_ASSETS_START

    @property
    def lot(self) -> Decimal:
        return Decimal(1).scaleb(-self.sz_decimals)

    def size_fits(self, size: Decimal) -> bool:
        return size % self.lot == 0

    def price_fits(self, price: Decimal) -> bool:
        """5 significant figures and 6 - szDecimals decimals (spot: 8); whole numbers always."""
        return price == price.to_integral_value() or price % self._tick(price) == 0

    def price_near(self, price: Decimal, *, up: bool) -> Decimal:
        """The next price that fits, at or above (`up`), or at or below."""
        tick = self._tick(price)
        return (price / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * tick

    def lots(self, size: Decimal) -> Decimal:
        """`size` rounded down to whole lots."""
        return (size / self.lot).to_integral_value(ROUND_FLOOR) * self.lot

    def _tick(self, price: Decimal) -> Decimal:
        decimals = (SPOT_PRICE_DECIMALS if self.is_spot else PERP_PRICE_DECIMALS) - self.sz_decimals
        figures = price.adjusted() - SIGNIFICANT_FIGURES + 1
        return Decimal(1).scaleb(min(0, max(figures, -decimals)))


@dataclass(frozen=True, slots=True)
class Listing:
    """The recorded `meta` and `spotMeta`, and the assets they list.

    `dex_metas` are other perp dexes (HIP-3), by name: shown, never traded here.
    """

    meta: Mapping[str, Any]
    spot_meta: Mapping[str, Any]
    by_id: Mapping[int, Asset]
    dex_metas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        meta: Mapping[str, Any],
        spot_meta: Mapping[str, Any] | None = None,
        *,
        dex_metas: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "Listing":
        spot = spot_meta or {"tokens": [], "universe": []}
        assets = [*_perps(meta["universe"]), *_spots(spot)]
        return cls(meta, spot, {asset.id: asset for asset in assets}, dex_metas or {})

    @property
    def perps(self) -> list[Asset]:
        return [asset for asset in self.by_id.values() if not asset.is_spot]

    @property
    def spots(self) -> list[Asset]:
        return [asset for asset in self.by_id.values() if asset.is_spot]


def _perps(universe: Sequence[Mapping[str, Any]]) -> list[Asset]:
    return [
        Asset(
            id=number,
            coin=row["name"],
            sz_decimals=row["szDecimals"],
            max_leverage=row["maxLeverage"],
            is_delisted=bool(row.get("isDelisted")),
        )
        for number, row in enumerate(universe)
    ]


def _spots(spot_meta: Mapping[str, Any]) -> list[Asset]:
    tokens = {token["index"]: token for token in spot_meta["tokens"]}
    return [
        Asset(
            id=SPOT_ASSETS_START + row["index"],
            coin=row["name"],
            sz_decimals=tokens[row["tokens"][0]]["szDecimals"],
            base=tokens[row["tokens"][0]]["name"],
            quote=tokens[row["tokens"][1]]["name"],
        )
        for row in spot_meta["universe"]
    ]
