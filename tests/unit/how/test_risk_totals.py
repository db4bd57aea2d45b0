"""The documents of the totals: where they are, and that what cannot be read denies."""

from typing import Any

import pytest

from common.books import RISK_TOTALS
from common.domain.scope import PLATFORM_SCOPE
from common.how.denial import Denial
from common.how.risk_totals import (
    Addition,
    ScopeTotals,
    check_totals,
    gross_ref,
    orders_ref,
    read_totals,
    result_ref,
    totals_refs,
)
from common.how.worst_case import AtRisk
from common.ports import Document, Ref
from tests.builders import NOON
from tests.unit.how.risk_desk import AGENT, DEPLOYMENT, GMX, HL, VENUE, d, in_force, some_limits


def documents(*figures: tuple[str, Any]) -> list[Document | None]:
    refs = totals_refs(PLATFORM_SCOPE, NOON)
    return [
        Document(ref, {name: value}, "1") for ref, (name, value) in zip(refs, figures, strict=False)
    ]


def test_refs_when_of_a_scope_then_no_two_scopes_share_a_document() -> None:
    assert gross_ref(PLATFORM_SCOPE) == Ref(RISK_TOTALS, "platform")
    assert orders_ref(VENUE) == Ref(RISK_TOTALS, "orders:venue:HYPERLIQUID")
    assert result_ref(AGENT, NOON) == Ref(RISK_TOTALS, "result:agent:v3:swarm:20260115")
    refs = [ref for scope in (PLATFORM_SCOPE, VENUE, AGENT) for ref in totals_refs(scope, NOON)]
    assert len(set(refs)) == len(refs) == 8


def test_totals_when_read_then_absent_is_zero() -> None:
    found = documents(("gross_cents", 5), ("open_orders", 2), ("result_cents", -7))
    assert read_totals(found) == ScopeTotals(5, 2, -7)
    assert read_totals([None, None, None]) == ScopeTotals()
    assert read_totals([None, None]) == ScopeTotals()


@pytest.mark.parametrize("value", ["5", None, 5.0, True])
@pytest.mark.parametrize("name", ["gross_cents", "open_orders", "result_cents"])
def test_totals_when_a_figure_is_no_integer_then_a_problem_that_denies(
    name: str, value: Any
) -> None:
    sound = {"gross_cents": 5, "open_orders": 2, "result_cents": -7, name: value}
    found = read_totals(documents(*sound.items()))
    assert found.problem
    refusal = check_totals({PLATFORM_SCOPE.key: found}, in_force())
    assert refusal is not None
    assert refusal.code is Denial.LIMITS_MISSING


def test_totals_when_they_were_not_read_then_denied() -> None:
    refusal = check_totals({}, in_force())
    assert refusal is not None
    assert refusal.code is Denial.LIMITS_MISSING


def test_totals_when_counted_already_then_above_the_limit_is_refused_whoever_was_first() -> None:
    limits = in_force(total={"max_exposure": d(100), "max_open_orders": 2, "max_daily_loss": d(1)})

    def codes(gross: int, orders: int, result: int) -> Denial | None:
        found = ScopeTotals(gross, orders, result)
        refusal = check_totals({PLATFORM_SCOPE.key: found}, limits)
        return refusal.code if refusal else None

    assert codes(10_000, 2, -100) is None
    assert codes(10_001, 0, 0) is Denial.EXPOSURE_EXCEEDS_MAX_OF_SCOPE
    assert codes(0, 3, 0) is Denial.OPEN_ORDERS_EXCEED_MAX_OF_SCOPE
    assert codes(0, 0, -101) is Denial.DAILY_LOSS_EXCEEDED_IN_SCOPE


def test_addition_when_of_a_venue_then_what_is_there_and_else_all() -> None:
    addition = Addition({HL: AtRisk(5, 1), GMX: AtRisk(-2, 0)})
    assert addition.of(VENUE) == AtRisk(5, 1)
    assert addition.of(AGENT) == addition.of(PLATFORM_SCOPE) == AtRisk(3, 1)


def test_a_limit_when_it_is_of_another_agent_then_it_is_not_looked_at() -> None:
    """I17: another's total, however full, is no concern of this agent's orders."""
    limits = in_force(some_limits(AGENT, total={"max_exposure": d(100)}))
    totals = {
        PLATFORM_SCOPE.key: ScopeTotals(),
        AGENT.key: ScopeTotals(gross_cents=10_000),
        "agent:v3:another": ScopeTotals(gross_cents=10**9),
        DEPLOYMENT.key: ScopeTotals(gross_cents=10**9),
    }
    assert check_totals(totals, limits) is None
