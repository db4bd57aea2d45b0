"""Catalogue cases 44 and 45, for limits: what a document may not say, and the code of each."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE, Scope, agent_scope, symbol_scope
from common.errors import InvalidInputError
from common.how.limit_bounds import BLOCKS, CORE, bounds, check_bounds, check_meaning
from common.how.limit_documents import default_limits
from tests.builders import NOON
from tests.unit.how.risk_desk import AGENT, DEPLOYMENT, SETTINGS, VENUE, d, some_limits

PATHS = sorted(bounds(SETTINGS))
COUNTS = {
    f"{block}.{each.name}"
    for block in BLOCKS
    for each in fields(getattr(some_limits(), block))
    if each.type == (int | None)
}


def with_value(path: str, value: Any, scope: Scope = PLATFORM_SCOPE) -> RiskLimits:
    block, name = path.split(".")
    return some_limits(
        scope, **{block: {name: {"ETH": value} if name == "max_quantity" else value}}
    )


def test_bounds_when_a_limit_exists_then_it_has_some() -> None:
    limits = some_limits()
    named = {f"{block}.{each.name}" for block in BLOCKS for each in fields(getattr(limits, block))}
    assert named == set(PATHS)


def test_defaults_when_checked_then_within_all_bounds() -> None:
    check_bounds(default_limits(SETTINGS, NOON), SETTINGS)


@pytest.mark.parametrize("path", PATHS)
def test_a_limit_when_at_its_bounds_then_allowed_and_beyond_them_refused(path: str) -> None:
    bound = bounds(SETTINGS)[path]
    is_count = path in COUNTS
    step = d(1) if is_count else d("0.000000000001")

    def verdict(value: Any) -> str:
        limits = with_value(path, int(value) if is_count else value)
        with pytest.raises(InvalidInputError) as caught:
            check_bounds(limits, SETTINGS)
        assert caught.value.where in {path, f"{path}.ETH"}
        return caught.value.code

    for allowed in (bound.at_least, bound.at_most):
        check_bounds(with_value(path, int(allowed) if is_count else allowed), SETTINGS)
    assert verdict(bound.at_most + step) == "LIMIT_ABOVE_CAP"
    low = bound.at_least - step
    assert verdict(low) == ("LIMIT_NOT_POSITIVE" if low <= 0 else "LIMIT_BELOW_MINIMUM")
    assert verdict(d(0)) == verdict(d(-1)) == "LIMIT_NOT_POSITIVE"


def test_caps_when_the_settings_are_lower_then_they_are() -> None:
    tight = replace(SETTINGS, max_notional_per_order=d(100), max_exposure_per_deployment=d(500))
    check_bounds(default_limits(tight, NOON), tight)
    with pytest.raises(InvalidInputError, match="must be at most 100") as caught:
        check_bounds(default_limits(replace(tight, max_notional_per_order=d(101)), NOON), tight)
    assert (caught.value.code, caught.value.where) == ("LIMIT_ABOVE_CAP", "order.max_notional")


@pytest.mark.parametrize("path", CORE)
def test_the_platform_when_a_core_limit_lacks_then_refused_and_others_may_lack_it(
    path: str,
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_meaning(with_value(path, None))
    assert (caught.value.code, caught.value.where) == ("LIMIT_MISSING", path)
    check_meaning(with_value(path, None, VENUE))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order.period_collar", "order.period_s"),
        ("deployment.repeats_max", "deployment.repeats_window_s"),
        ("deployment.losses_in_row_max", "deployment.cool_down_s"),
    ],
)
def test_a_pair_when_half_of_it_is_set_then_refused_at_the_other_half(one: str, other: str) -> None:
    for gone in (one, other):
        with pytest.raises(InvalidInputError) as caught:
            check_meaning(with_value(gone, None))
        assert (caught.value.code, caught.value.where) == ("LIMIT_INCOMPLETE", gone)
    block = one.split(".", maxsplit=1)[0]
    names = [path.split(".")[1] for path in (one, other)]
    check_meaning(some_limits(**{block: dict.fromkeys(names)}))


@pytest.mark.parametrize("name", [each.name for each in fields(some_limits().total)])
def test_totals_when_no_figure_is_kept_for_the_scope_then_refused(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_meaning(with_value(f"total.{name}", 1, DEPLOYMENT))
    assert (caught.value.code, caught.value.where) == ("LIMIT_NOT_OF_SCOPE", f"total.{name}")
    check_meaning(with_value(f"total.{name}", 1, AGENT))
    if name != "max_daily_loss":
        check_meaning(with_value(f"total.{name}", 1, VENUE))
        return
    with pytest.raises(InvalidInputError, match="kept by agent, not by venue"):
        check_meaning(with_value(f"total.{name}", 1, VENUE))


@pytest.mark.parametrize("scope", [symbol_scope("BTC").key, "everything", "platform:x", "venue:"])
def test_a_scope_when_it_has_no_limits_then_refused(scope: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_meaning(replace(some_limits(), scope=scope))
    assert caught.value.code == "INVALID_SCOPE"


@given(st.sampled_from(PATHS), st.decimals("-1e12", "1e12"))
def test_check_bounds_when_it_passes_then_check_meaning_does_too(path: str, value: Any) -> None:
    limits = with_value(path, value, agent_scope("v3", "swarm"))
    try:
        check_bounds(limits, SETTINGS)
    except InvalidInputError:
        return
    check_meaning(limits)
    assert bounds(SETTINGS)[path].at_least <= value <= bounds(SETTINGS)[path].at_most
