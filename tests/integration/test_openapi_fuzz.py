"""Random requests made from /openapi.json; `make fuzz` sends 5,000 of them."""

import pytest

from tests.fuzz.campaign import fuzz

CASES = 138  # one of what its schema allows, and one of what not, for each operation


@pytest.mark.slow
def test_the_api_when_it_gets_random_requests_then_none_is_answered_5xx() -> None:
    *_, figures = fuzz(CASES)
    assert figures.broken == {}
    assert figures.cases >= CASES
    assert figures.share(2) > CASES // 5  # they get beyond the first check
    assert figures.share(4) > CASES // 5
