"""The request of an order that needs no signature, and the fingerprint of any request."""

from dataclasses import replace
from datetime import timedelta

import pytest

from common.execution.attempts import with_request
from common.execution.request import request_hash, unsigned_request
from tests.builders import NOON, an_order

REQUEST = unsigned_request(an_order(), now=NOON)


def test_unsigned_request_when_made_twice_then_the_same_bytes() -> None:
    again = unsigned_request(an_order(), now=NOON + timedelta(seconds=1))

    assert (again.body, again.nonce, again.signer) == (REQUEST.body, an_order().nonce, "")
    assert request_hash(again) == request_hash(REQUEST)
    assert REQUEST.expires_at == an_order().expires_at


@pytest.mark.parametrize(
    "altered",
    [
        replace(REQUEST, body=REQUEST.body + " "),
        replace(REQUEST, nonce=REQUEST.nonce + 1),
        replace(REQUEST, request_key="0xother"),
        replace(REQUEST, client_order_id="0xother"),
    ],
)
def test_request_hash_when_what_is_sent_is_altered_then_another(altered: object) -> None:
    assert isinstance(altered, type(REQUEST))
    assert request_hash(altered) != request_hash(REQUEST)


@pytest.mark.parametrize(("lives_s", "expected_s"), [(5, 5), (15, 15), (60, 15)])
def test_with_request_when_it_lives_shorter_than_the_order_then_so_does_the_order(
    lives_s: int, expected_s: int
) -> None:
    """What is sent is dead once either of them is."""
    signed = replace(
        REQUEST,
        signer="0xab",
        nonce=9,
        request_key="0xkey",
        expires_at=NOON + timedelta(seconds=lives_s),
    )

    order = with_request(an_order(), signed)

    assert (order.signer, order.nonce, order.request_key) == ("0xab", 9, "0xkey")
    assert order.payload_hash == request_hash(signed)
    assert order.expires_at == NOON + timedelta(seconds=expected_s)
