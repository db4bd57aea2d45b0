"""A token under another name: priced per 1,000 or 1,000,000 tokens by a file or a venue."""

import re
from dataclasses import dataclass
from decimal import Decimal

from common.domain.money import plain

_BUNDLES = {"1000": 3, "1000000": 6, "k": 3}
_BUNDLED = re.compile(r"(1000000|1000|k)([A-Z][A-Z0-9]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Listing:
    """`name` is the outside's word; one unit of it is 10 ** `exponent` tokens of `symbol`."""

    name: str
    symbol: str
    exponent: int

    def price(self, quoted: Decimal) -> Decimal:
        """The price of one token, exact."""
        return tidy(quoted.scaleb(-self.exponent)) if self.exponent else quoted

    def quantity(self, quoted: Decimal) -> Decimal:
        """A quantity or volume in tokens, exact."""
        return tidy(quoted.scaleb(self.exponent)) if self.exponent else quoted


def listing(name: str) -> Listing:
    """What `name` stands for: 1000PEPE and kPEPE are 1,000 PEPE; 1INCH and KAS are themselves."""
    match = _BUNDLED.fullmatch(name)
    if match is None:
        return Listing(name, name, 0)
    return Listing(name, match[2], _BUNDLES[match[1]])


def tidy(value: Decimal) -> Decimal:
    """The same number without an exponent or trailing zeros: 3.788E+10 becomes 37880000000."""
    return Decimal(plain(value))
