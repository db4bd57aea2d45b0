"""Request bodies and their fields: strict, bounded, and free of signs that fool a reader."""

import re
import unicodedata
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from common.domain.agent import KEYED_VENUES
from common.domain.identifiers import ID_PATTERN
from common.domain.instrument import Venue
from common.domain.money import parse_decimal
from common.domain.parent_order import DURATION_MAX_S, SLICES_MAX
from common.domain.scope import Scope, ScopeKind, symbol_scope, venue_scope
from common.errors import InvalidInputError

DECIMAL_PLACES_MAX = 18
_SYMBOL = re.compile(r"[A-Za-z0-9]{1,20}")
_UNSEEN = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_ZERO_WIDTH_JOINER = "\u200d"  # emoji are built with it


class Payload(BaseModel):
    """A request body: unknown fields and other types than the declared ones are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _address(text: str) -> str:
    from infra.keys.address import parse_address

    return parse_address(text)


def _identifier(text: str) -> str:
    if not ID_PATTERN.fullmatch(text):
        raise ValueError("must be an id: letters, digits and _.:- only, 128 at most")
    return text


def _symbol(text: str) -> str:
    if not _SYMBOL.fullmatch(text):
        raise ValueError("must be 1 to 20 letters and digits, such as ETH")
    return text.upper()


def _readable(text: str) -> str:
    """Refuses control signs, direction overrides (RTL), zero-width signs and unassigned ones."""
    if any(
        (kind := unicodedata.category(sign)) in _UNSEEN
        or (kind == "Cf" and sign != _ZERO_WIDTH_JOINER)
        for sign in text
    ):
        raise ValueError("must not hold control or invisible characters")
    if text != text.strip() or not text:
        raise ValueError("must not be empty, nor begin or end with a space")
    return text


def _distinct(items: list[str]) -> list[str]:
    if len(set(items)) != len(items):
        raise ValueError("must not name one twice")
    return items


def _hex(length: int) -> AfterValidator:
    pattern = re.compile(rf"(0x)?[0-9a-fA-F]{{{2 * length}}}")

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"must be {length} bytes in hexadecimal")
        return text.removeprefix("0x").lower()

    return AfterValidator(check)


def _between(low: str, high: str) -> AfterValidator:
    lowest, highest = Decimal(low), Decimal(high)

    def check(value: Decimal) -> Decimal:
        if not lowest <= value <= highest:
            raise ValueError(f"must be from {low} to {high}")
        exponent = value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > DECIMAL_PLACES_MAX:
            raise ValueError(f"may have {DECIMAL_PLACES_MAX} decimals at most")
        return value

    return AfterValidator(check)


def _cash(value: object) -> object:
    """Cash is text on the wire: a JSON number may have been through a float already."""
    if not isinstance(value, str):
        raise ValueError('must be text such as "2500.50", not a number')
    return parse_decimal(value)


_decimal = BeforeValidator(parse_decimal)

Address = Annotated[str, AfterValidator(_address)]
"""An EVM address; mixed case must be its checksum. Its lower-case form is what is kept."""
Identifier = Annotated[str, AfterValidator(_identifier)]
Symbol = Annotated[str, AfterValidator(_symbol)]
Name = Annotated[str, Field(max_length=120), AfterValidator(_readable)]
Text = Annotated[str, Field(max_length=500), AfterValidator(_readable)]
Texts = Annotated[list[Text], Field(max_length=50), AfterValidator(_distinct)]
Reference = Annotated[str, Field(max_length=128), AfterValidator(_readable)]
References = Annotated[list[Reference], Field(max_length=100), AfterValidator(_distinct)]

Fraction = Annotated[Decimal, _decimal, _between("0", "1")]
Percentage = Annotated[Decimal, _decimal, _between("0.000001", "100")]
Amount = Annotated[Decimal, _decimal, _between("0.000000000001", "1000000000000")]
AmountOrZero = Annotated[Decimal, _decimal, _between("0", "1000000000000")]
Cash = Annotated[Decimal, BeforeValidator(_cash), _between("1", "1000000000")]

BelowHundred = Annotated[Decimal, _decimal, _between("0.000001", "99.999999")]
"""Percent of a price that it may fall: never all of it."""
Seconds = Annotated[int, Field(ge=1, le=DURATION_MAX_S)]
Slices = Annotated[int, Field(ge=1, le=SLICES_MAX)]

PersonName = Annotated[str, Field(max_length=80), AfterValidator(_readable)]
"""Who it is that asks: kept with what was done."""

InitialisationVector = Annotated[str, _hex(12)]
AuthenticationTag = Annotated[str, _hex(16)]
EncryptedKey = Annotated[str, _hex(32)]


def distinct_venues(venues: list[Venue]) -> list[Venue]:
    """For an AfterValidator: in priority order, each once, at least one, and MULTI is no venue."""
    if not venues or len(set(venues)) != len(venues) or Venue.MULTI in venues:
        raise ValueError("must name venues in order of priority, each once")
    return venues


def _venue(value: object) -> object:
    """Text to the venue that it names: strict validation takes no text for an enum."""
    if isinstance(value, str) and value in Venue.__members__:
        return Venue(value)
    raise ValueError(f"must be one of {', '.join(venue for venue in Venue if venue != 'MULTI')}")


def _keyed_venue(value: object) -> object:
    venue = _venue(value)
    if venue not in KEYED_VENUES:
        raise ValueError(f"must be one of {', '.join(KEYED_VENUES)}")
    return venue


AnyVenue = Annotated[Venue, BeforeValidator(_venue, json_schema_input_type=str)]
KeyedVenue = Annotated[Venue, BeforeValidator(_keyed_venue, json_schema_input_type=str)]
VenueOrder = Annotated[list[AnyVenue], AfterValidator(distinct_venues)]


def _scope(value: object) -> object:
    """The text of a scope's key; a symbol or a venue in capitals, as they are kept."""
    if not isinstance(value, str):
        raise ValueError("must be text such as platform or symbol:BTC")
    try:
        scope = Scope.parse(value)
    except InvalidInputError as error:
        raise ValueError(error.message) from None
    if scope.kind is ScopeKind.VENUE:
        return venue_scope(_venue(scope.name))  # type: ignore[arg-type]  # it is a Venue
    if scope.kind is ScopeKind.SYMBOL:
        return symbol_scope(_symbol(scope.name))
    return scope


ScopeKey = Annotated[Scope, BeforeValidator(_scope, json_schema_input_type=str)]
