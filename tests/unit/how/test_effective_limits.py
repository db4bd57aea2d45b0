"""The tightest of all scopes, and never a looser one: not by a document, a policy or a gap."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.documents import Stored
from common.domain.policy import PolicyRules
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.how.denial import Denial
from common.how.effective_limits import EffectiveLimits, effective
from common.how.limit_documents import (
    ScopeLimits,
    limits_ref,
    limits_writes,
    read_limits,
    version_ref,
)
from common.how.limits import Refusal
from common.ports import Create, Document, Update
from common.wire import to_document
from tests.unit.how.risk_desk import (
    AGENT,
    DEPLOYMENT,
    SETTINGS,
    VENUE,
    d,
    in_force,
    said,
    some_limits,
)

NARROWER = (VENUE, AGENT, DEPLOYMENT)
STRICTER_WHEN_HIGHER = {"margin_fraction", "margin_buffer", "liquidation_buffer"}


def of_scopes(platform: ScopeLimits, *narrower: ScopeLimits) -> EffectiveLimits | Refusal:
    by_scope = {each.scope: each for each in narrower}
    venue, agent, deployment = (by_scope.get(scope, ScopeLimits(scope)) for scope in NARROWER)
    return effective(platform, venue, agent, deployment, caps=SETTINGS)


def stored(limits: RiskLimits, **changes: Any) -> Document:
    scope = Scope.parse(limits.scope)
    return Document(limits_ref(scope), {**to_document(limits), **changes}, "1")


# ------------------------------------------------------------------------------ the tightest counts
@pytest.mark.parametrize("scope", NARROWER)
def test_effective_when_a_narrower_scope_says_less_then_that(scope: Scope) -> None:
    found = in_force(
        some_limits(
            scope,
            order={"max_notional": d(10), "max_quantity": {"BTC": d(1)}},
            deployment={"max_leverage": d(2), "margin_buffer": d("0.5"), "max_open_orders": 3},
        ),
        order={"max_quantity": {"BTC": d(2), "ETH": d(3)}},
    )
    assert [found.max_notional, found.max_leverage, found.max_open_orders] == [10, 2, 3]
    assert found.margin_buffer == d("0.5")
    assert found.max_quantity == {"BTC": 1, "ETH": 3}
    assert found.price_collar == d("0.05")


@pytest.mark.parametrize("scope", NARROWER)
def test_effective_when_a_narrower_scope_says_more_then_the_platforms(scope: Scope) -> None:
    loose = {"max_leverage": d(20), "margin_buffer": d("0.01"), "max_exposure": d(19_999)}
    assert in_force(some_limits(scope, deployment=loose), deployment={"max_exposure": d(5)}) == (
        in_force(deployment={"max_exposure": d(5)})
    )


def test_effective_when_the_settings_are_lower_than_the_documents_then_the_settings() -> None:
    tight = replace(SETTINGS, max_notional_per_order=d(7), max_exposure_per_deployment=d(8))
    nothing = (ScopeLimits(scope) for scope in NARROWER)
    found = effective(said(some_limits()), *nothing, caps=tight)
    assert isinstance(found, EffectiveLimits)
    assert [found.max_notional, found.max_exposure] == [7, 8]


def test_effective_when_pairs_differ_then_all_are_kept_once() -> None:
    pair = {"repeats_max": 5, "repeats_window_s": 60}
    same = {"repeats_max": 20, "repeats_window_s": 600}
    found = in_force(some_limits(VENUE, deployment=pair), some_limits(AGENT, deployment=same))
    assert found.repeats == ((20, 600), (5, 60))
    assert found.cool_downs == ((10, 1800),)
    assert found.period_collars == ((d("0.15"), 300),)


def test_effective_when_scopes_have_totals_then_those_of_each_in_order() -> None:
    found = in_force(some_limits(AGENT, total={"max_open_orders": 4}), some_limits(VENUE))
    assert [scope for scope, _ in found.totals] == [PLATFORM_SCOPE, AGENT]
    assert found.totals[1][1].max_open_orders == 4


def test_policy_when_it_has_limits_then_it_lowers_and_never_raises() -> None:
    lower = in_force(rules=PolicyRules(max_exposure=d(100), max_leverage=d(1)))
    assert [lower.max_exposure, lower.max_leverage] == [100, 1]
    higher = in_force(rules=PolicyRules(max_exposure=d(10**9), max_leverage=d(100)))
    assert higher == in_force()
    unlimited = {"max_leverage": None}
    assert in_force(rules=PolicyRules(max_leverage=d(9)), deployment=unlimited).max_leverage == 9
    assert in_force(deployment=unlimited).max_leverage is None


SCALARS = [
    name
    for name in (each.name for each in fields(EffectiveLimits))
    if name not in {"max_quantity", "period_collars", "repeats", "cool_downs", "totals"}
]
_some_block = st.fixed_dictionaries(
    {},
    optional={
        "max_exposure": st.decimals("1", "20000", places=2),
        "max_leverage": st.decimals("0.1", "20", places=2),
        "max_concentration": st.decimals("0.1", "20", places=2),
        "max_open_orders": st.integers(1, 500),
        "max_messages_per_minute": st.integers(1, 500),
        "max_daily_loss": st.decimals("0.01", "1", places=2),
        "max_drawdown": st.decimals("0.01", "1", places=2),
        "margin_fraction": st.decimals("0.05", "1", places=2),
        "margin_buffer": st.decimals("0.01", "0.99", places=2),
        "liquidation_buffer": st.decimals("0.01", "0.99", places=2),
    },
)


@given(st.lists(_some_block, min_size=3, max_size=3), st.integers(0, 2))
def test_effective_when_a_document_is_added_then_nothing_gets_looser(
    blocks: list[dict[str, Any]], added: int
) -> None:
    documents = [
        some_limits(scope, deployment=block) for scope, block in zip(NARROWER, blocks, strict=True)
    ]
    without = in_force(*(each for place, each in enumerate(documents) if place != added))
    with_it = in_force(*documents)
    for name in SCALARS:
        before, after = getattr(without, name), getattr(with_it, name)
        if before is None:
            continue
        assert after is not None
        assert after >= before if name in STRICTER_WHEN_HIGHER else after <= before
        wanted = blocks[added].get(name)
        assert wanted is None or (
            after >= wanted if name in STRICTER_WHEN_HIGHER else after <= wanted
        )


# --------------------------------------------------------------------------- what denies everything
def test_limits_when_the_platform_has_none_then_nothing_trades() -> None:
    """Catalogue case 111."""
    found = of_scopes(read_limits(PLATFORM_SCOPE, None))
    assert found == Refusal(Denial.LIMITS_MISSING, "The platform has no limits: nothing trades")
    narrow = said(some_limits(VENUE, order={"max_notional": d(1)}))
    assert of_scopes(read_limits(PLATFORM_SCOPE, None), narrow) == found


DAMAGE: tuple[dict[str, Any], ...] = (
    {"version": "one"},
    {"order": None},
    {"deployment": {"max_exposure": "NaN"}},
    {"deployment": {"max_exposure": "-1"}},
    {"deployment": {"margin_fraction": "0"}},
    {"deployment": {"repeats_max": 5}},
    {"something_newer": 1},
    {"scope": "venue:DRIFT"},
    {"scope": "symbol:BTC"},
)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("scope", [PLATFORM_SCOPE, *NARROWER])
def test_limits_when_a_document_cannot_be_obeyed_then_it_denies_and_never_falls_open(
    scope: Scope, damage: dict[str, Any]
) -> None:
    broken = read_limits(scope, stored(some_limits(scope), **damage))
    assert broken.problem
    assert broken.value is None
    platform = broken if scope == PLATFORM_SCOPE else said(some_limits())
    found = of_scopes(platform, broken)
    assert isinstance(found, Refusal)
    assert found.code is Denial.LIMITS_MISSING
    assert scope.label in found.reason
    assert broken.problem in found.reason


@pytest.mark.parametrize(
    ("block", "name"),
    [("order", "max_notional"), ("order", "price_collar"), ("deployment", "max_exposure")],
)
def test_limits_when_the_platform_lacks_a_core_field_then_they_count_as_missing(
    block: str, name: str
) -> None:
    found = of_scopes(read_limits(PLATFORM_SCOPE, stored(some_limits(**{block: {name: None}}))))
    assert isinstance(found, Refusal)
    assert found.code is Denial.LIMITS_MISSING
    assert name in found.reason


@given(st.data())
def test_limits_when_read_back_then_the_same(data: st.DataObject) -> None:
    scope = data.draw(st.sampled_from([PLATFORM_SCOPE, *NARROWER]))
    extra = data.draw(_some_block)
    limits = some_limits(scope, deployment=extra)
    assert read_limits(scope, stored(limits)) == ScopeLimits(scope, limits)


def test_limits_writes_when_new_or_changed_then_the_document_and_its_version() -> None:
    limits = some_limits(VENUE)
    first = limits_writes(None, limits)
    assert [type(write) for write in first] == [Create, Create]
    assert [write.ref for write in first] == [limits_ref(VENUE), version_ref(VENUE, 1)]
    assert version_ref(VENUE, 1).id == "venue:HYPERLIQUID:1"
    again = limits_writes(Stored(limits_ref(VENUE), limits, "7"), replace(limits, version=2))
    assert again[0] == Update(limits_ref(VENUE), to_document(replace(limits, version=2)), "7")
    assert again[1].ref == version_ref(VENUE, 2)
