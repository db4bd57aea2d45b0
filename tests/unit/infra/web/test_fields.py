"""Fields: exact numbers within bounds, addresses in one case, text that shows what it is."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from common.domain.instrument import Venue
from infra.web import fields


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (fields.Address, "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB", "0x" + "ab" * 20),
        (fields.Address, "0x" + "AB" * 20, "0x" + "ab" * 20),
        (fields.Address, "0x" + "ab" * 20, "0x" + "ab" * 20),
        (fields.KeyedVenue, "ASTER", Venue.ASTER),
        (fields.Symbol, "eth", "ETH"),
        (fields.Name, "Ünï 🧑‍🚀", "Ünï 🧑‍🚀"),
        (fields.Fraction, Decimal("0.25"), Decimal("0.25")),
        (fields.Fraction, "1", Decimal(1)),
        (fields.Fraction, 0, Decimal(0)),
        (fields.Percentage, "100", Decimal(100)),
        (fields.Amount, "0.000000000001", Decimal("0.000000000001")),
        (fields.Amount, Decimal("1E+3"), Decimal(1000)),
        (fields.Cash, "2500.50", Decimal("2500.50")),
        (fields.InitialisationVector, "0x" + "AB" * 12, "ab" * 12),
        (fields.VenueOrder, ["GMX", "SPOT"], [Venue.GMX, Venue.SPOT]),
        (fields.References, [], []),
    ],
)
def test_field_when_valid_then_kept_in_its_own_form(kind: Any, given: Any, kept: Any) -> None:
    assert TypeAdapter(kind).validate_python(given) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (fields.Address, "0x" + "a" * 39),
        (fields.Address, "0X" + "a" * 40),
        (fields.Address, "0x" + "aB" * 20),  # case 33: letters in mixed case are a checksum
        (fields.KeyedVenue, "DRIFT"),
        (fields.KeyedVenue, "MULTI"),
        (fields.KeyedVenue, 1),
        (fields.Address, "0x" + "g" * 40),
        (fields.Address, "0x" + "a" * 40 + "\n"),
        (fields.Symbol, "E TH"),
        (fields.Symbol, "\u0395TH"),  # a Greek capital epsilon
        (fields.Symbol, "A" * 21),
        (fields.Name, "x" * 121),
        (fields.Name, "a\u202eb"),
        (fields.Name, "a\x00b"),
        (fields.Name, "a\u200bb"),
        (fields.Name, " a"),
        (fields.Name, ""),
        (fields.Fraction, "1.000000001"),
        (fields.Fraction, Decimal("1e-19")),
        (fields.Fraction, Decimal("NaN")),
        (fields.Fraction, 0.5),
        (fields.Fraction, True),
        (fields.Percentage, 0),
        (fields.Amount, Decimal("1e-30")),
        (fields.Amount, Decimal("1e400")),
        (fields.Amount, -1),
        (fields.Cash, 2500),
        (fields.Cash, Decimal("2500.5")),
        (fields.Cash, "0.5"),
        (fields.InitialisationVector, "ab" * 16),
        (fields.AuthenticationTag, "ab" * 12),
        (fields.EncryptedKey, "ab" * 31 + "a"),
        (fields.VenueOrder, []),
        (fields.VenueOrder, ["MULTI"]),
        (fields.VenueOrder, ["GMX", "GMX"]),
        (fields.VenueOrder, ["gmx"]),
        (fields.VenueOrder, [1]),
        (fields.References, ["a", "a"]),
        (fields.References, [str(number) for number in range(101)]),
        (fields.Identifier, "__x__"),
        (fields.Identifier, "../x"),
    ],
)
def test_field_when_out_of_bounds_then_refused(kind: Any, given: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(given)
