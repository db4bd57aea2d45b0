"""What Hyperliquid's words for "no" prove."""

import json

import pytest

from infra.venues.hyperliquid.refusals import (
    nonce_is_used,
    order_is_missing,
    order_refusal,
    request_refusal,
)
from tests.shared_data import shared_path


def test_order_refusal_when_a_documented_order_error_then_each_has_a_code() -> None:
    path = shared_path("data/hyperliquid/samples/exchange_error_messages.json")
    errors = json.loads(path.read_text())["errors"]
    codes = {
        row["type"]: order_refusal(row["message"]) for row in errors if row["source"] == "Order"
    }
    assert None not in codes.values()
    assert codes["PerpMargin"] == "INSUFFICIENT_MARGIN"
    assert codes["IocCancel"] == "NOT_FILLED_WITHIN_BOUND"
    assert codes["MinTradeSpotNtl"] == "NOTIONAL_BELOW_MINIMUM"
    cancels = [row["message"] for row in errors if row["source"] == "Cancel"]
    assert [order_is_missing(text) for text in cancels] == [True]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Order must have minimum value of $10. asset=5", "NOTIONAL_BELOW_MINIMUM"),
        ("Price too far from oracle asset=4", "PRICE_TOO_FAR"),
        ("  Insufficient margin to place order. asset=1", "INSUFFICIENT_MARGIN"),
    ],
)
def test_order_refusal_when_worded_as_live_then_its_code(text: str, code: str) -> None:
    assert order_refusal(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "duplicate cloid",
        "Something new",
        "",
        "The order was placed. Insufficient margin to place order.",
        "Invalid nonce: duplicate nonce 1700000000000",
        "User or API Wallet 0x1 does not exist.",
    ],
)
def test_order_refusal_when_not_known_to_prove_one_then_none(text: str) -> None:
    assert order_refusal(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("User or API Wallet 0x2cb5 does not exist.", "SIGNER_UNKNOWN"),
        ("L1 error: User or API Wallet 0x2cb5 does not exist.", "SIGNER_UNKNOWN"),
        ("Must deposit before performing actions. User: 0x2cb5", "SIGNER_UNKNOWN"),
        ("Too many cumulative requests sent (10001 > 10000) for", "REQUEST_QUOTA_EXHAUSTED"),
        ("Failed to deserialize the JSON body into the target type", "REQUEST_MALFORMED"),
        ("Invalid nonce: duplicate nonce 1700000000000", None),
        ("Invalid nonce: nonce too low 1 < 2", None),
        ("Action already expired", None),
        ("duplicate cloid", None),
    ],
)
def test_request_refusal_when_the_bytes_may_have_come_before_then_none(
    text: str, code: str | None
) -> None:
    """A nonce and an expiry are what a request meets that came twice."""
    assert request_refusal(text) == code


def test_nonce_is_used_when_used_or_below_all_kept_then_true() -> None:
    assert nonce_is_used("Invalid nonce: duplicate nonce 1700000000000")
    assert nonce_is_used("Invalid nonce: nonce too low 1 < 2")
    assert not nonce_is_used("Invalid nonce: nonce too high 3 > 2")
    assert not nonce_is_used("User or API Wallet 0x1 does not exist.")
