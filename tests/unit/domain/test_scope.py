"""What a limit or a trading state speaks of: its key, its way back, and its place among others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.identifiers import ID_PATTERN
from common.domain.instrument import Venue
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    ScopeKind,
    agent_scope,
    deployment_scope,
    order_scopes,
    symbol_scope,
    venue_scope,
)
from common.errors import InvalidInputError

NAMED = [kind for kind in ScopeKind if kind is not ScopeKind.PLATFORM]


@pytest.mark.parametrize(
    ("scope", "key", "label"),
    [
        (PLATFORM_SCOPE, "platform", "the platform"),
        (venue_scope(Venue.GMX), "venue:GMX", "venue GMX"),
        (agent_scope("v3", "agt_1"), "agent:v3:agt_1", "agent v3:agt_1"),
        (deployment_scope("dep_1"), "deployment:dep_1", "deployment dep_1"),
        (symbol_scope("BTC"), "symbol:BTC", "symbol BTC"),
    ],
)
def test_scope_when_written_then_its_key_reads_back_and_its_label_is_for_people(
    scope: Scope, key: str, label: str
) -> None:
    assert (scope.key, scope.label) == (key, label)
    assert Scope.parse(key) == scope


def test_agent_scope_when_the_books_differ_then_so_do_the_scopes() -> None:
    assert agent_scope("v2", "agt_1") != agent_scope("v3", "agt_1")


@given(
    kind=st.sampled_from(NAMED),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,50}", fullmatch=True),
)
def test_parse_when_a_scope_wrote_it_then_the_same_scope_and_a_safe_document_id(
    kind: ScopeKind, name: str
) -> None:
    scope = Scope(kind, name)
    assert Scope.parse(scope.key) == scope
    assert ID_PATTERN.match(scope.key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        ":",
        "platform:",
        "platform:x",
        "platform:a/b",
        "PLATFORM",
        "venue",
        "venue:",
        "venue:a/b",
        "venue: GMX",
        "venue:-x",
        "venue:" + "x" * 129,
        "market:BTC",
        "symbol:BTC\n/",
    ],
)
def test_parse_when_it_is_no_key_then_refused(key: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Scope.parse(key)
    assert (caught.value.code, caught.value.where) == ("INVALID_SCOPE", "scope")


def test_order_scopes_when_an_order_may_go_to_two_venues_then_all_of_them_the_widest_first() -> (
    None
):
    scopes = order_scopes(
        book="v3",
        agent_id="agt_1",
        deployment_id="dep_1",
        symbol="BTC",
        venues=(Venue.GMX, Venue.ASTER),
    )
    assert [scope.key for scope in scopes] == [
        "platform",
        "venue:GMX",
        "venue:ASTER",
        "agent:v3:agt_1",
        "deployment:dep_1",
        "symbol:BTC",
    ]
