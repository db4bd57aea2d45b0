"""Reads Ostium's pairs (Builder SDK `getPairs`) into the domain. Pure."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.money import ZERO
from common.errors import InvalidInputError
from infra.venues.fields import Answer, as_list, as_object, not_negative, positive, text
from infra.venues.ostium.instruments import pair


def parse_pairs(payload: object, now: datetime, source: str) -> InstrumentTable:
    """`{"pairs": [...]}` with each pair's hours, minimum and room under its open-interest cap.

    Raises:
        InvalidInputError: another shape, a value that cannot be, a symbol twice, or none at all.
    """
    table: dict[str, Instrument] = {}
    for index, row in enumerate(as_list(as_object(payload, "pairs").get("pairs"), "pairs")):
        instrument = _instrument(as_object(row, f"pairs[{index}]"), f"pairs[{index}]")
        if instrument.symbol in table:
            raise InvalidInputError("listed twice", where=f"pairs[{index}].pairFrom")
        table[instrument.symbol] = instrument
    if not table:
        raise InvalidInputError("lists nothing", where="pairs")
    return InstrumentTable(
        venue=Venue.OSTIUM, instruments=tuple(table.values()), refreshed_at=now, source=source
    )


def parse_mids(payload: object) -> dict[str, Decimal]:
    """The same answer's mid prices, by symbol."""
    mids = {}
    for index, row in enumerate(as_list(as_object(payload, "pairs").get("pairs"), "pairs")):
        where = f"pairs[{index}]"
        item = as_object(row, where)
        mids[_instrument(item, where).symbol] = positive(item, "midPx", where)
    return mids


def _instrument(row: Answer, where: str) -> Instrument:
    names = [text(row, field, where) for field in ("pairFrom", "pairTo")]
    if not all(name.isascii() and name.isalnum() and len(name) <= 10 for name in names):
        raise InvalidInputError("not a currency's or ticker's name", where=f"{where}.pairFrom")
    is_open = row.get("isMarketOpen")
    if not isinstance(is_open, bool):
        raise InvalidInputError("not true or false", where=f"{where}.isMarketOpen")
    listed = pair(names[0], names[1], text(row, "category", where), is_open=is_open)
    cap = not_negative(row, "maxOpenInterest", where)
    room = max(cap - not_negative(row, "openInterest", where), ZERO)
    return replace(
        listed,
        min_notional=positive(row, "minNtl", where),
        max_notional=room,
        liquidity=room,
        is_open=is_open and room > 0,
        venue_id=str(whole_text(row, "pairId", where)),
    )


def whole_text(row: Answer, field: str, where: str) -> int:
    """A whole number, as text ("71") or, where a subgraph's schema says Int, as a number."""
    value = row.get(field)
    if type(value) is int and value >= 0:
        return value
    told = text(row, field, where)
    if not (told.isascii() and told.isdigit()):
        raise InvalidInputError("not a whole number", where=f"{where}.{field}")
    return int(told)
