"""The arithmetic of docs/COST.md, and whether its counts are still the code's."""

from decimal import Decimal
from typing import Any

import pytest

from infra.pipeline import load_pipeline
from tools.cost import blocks, cost_of, total_of, with_blocks
from tools.cost_usage import (
    MINUTES,
    Usage,
    accounts_a_tick,
    billed_seconds,
    cpu_share,
    load_counts,
    usages,
)
from tools.measure_cost import many_deployments, six_symbols
from tools.prices import PRICES


@pytest.fixture(scope="module")
def counts() -> dict[str, Any]:
    return load_counts()


@pytest.mark.parametrize(
    ("what", "quantity", "usd"),
    [
        ("reads", "1500000", "0.00"),
        ("reads", "2500000", "0.30"),
        ("scheduler_jobs", "5", "0.20"),
        ("secret_versions", "6", "0.00"),
        ("stored_gib", "11", "1.50"),
        ("backup_gib", "0.5", "0.02"),
    ],
)
def test_cost_when_some_of_it_is_free_then_the_rest_times_the_price(
    what: str, quantity: str, usd: str
) -> None:
    assert cost_of(what, Decimal(quantity)) == Decimal(usd)


def test_prices_when_listed_then_each_has_a_page_and_none_is_negative() -> None:
    assert all(price.page.startswith("https://cloud.google.com/") for price in PRICES.values())
    assert all(price.usd > 0 and price.free >= 0 for price in PRICES.values())


def test_usages_when_worked_out_then_all_is_priced_and_more_costs_more(
    counts: dict[str, Any],
) -> None:
    idle, six, paper, live = usages(counts)
    assert all(set(each.quantities) <= set(PRICES) for each in (idle, six, paper, live))
    assert total_of(idle) < total_of(six) < total_of(paper) < total_of(live)


def test_idle_when_paused_then_nothing_but_what_lies_there_costs(counts: dict[str, Any]) -> None:
    idle = usages(counts)[0]
    costing = {what for what, number in idle.quantities.items() if cost_of(what, number)}
    assert costing <= {"stored_gib", "backup_gib", "scheduler_jobs", "bucket_gib", "image_gb"}


def test_live_when_compared_with_paper_then_without_its_venues_and_with_a_secret_each(
    counts: dict[str, Any],
) -> None:
    _, _, paper, live = usages(counts)
    assert live.quantities["reads"] < paper.quantities["reads"]
    assert live.quantities["secret_versions"] - paper.quantities["secret_versions"] == 10_000


def test_seconds_when_a_call_takes_101_ms_then_200_are_billed() -> None:
    of = {"invocations": Decimal(10), "calls": Decimal(10), "published": Decimal(0)}
    assert billed_seconds("relay", of) == Decimal("1.0")
    of["calls"] = Decimal(101)
    assert billed_seconds("relay", of) == Decimal("2.0")


def test_seconds_when_a_vcpu_is_shared_then_computing_takes_longer() -> None:
    spec = load_pipeline().functions["relay"]
    of = {"invocations": Decimal(1), "cpu_us": Decimal(100_000)}
    assert billed_seconds("relay", of) == Decimal("0.6")
    assert cpu_share(spec) == Decimal("0.1667")


def test_accounts_when_there_are_many_then_bounded_by_time_and_by_setting(
    counts: dict[str, Any],
) -> None:
    found = accounts_a_tick(counts)
    assert found["settle"] == 100
    assert 100 < found["monitor"] < 10_000


def test_document_when_a_table_is_missing_or_unknown_then_told(counts: dict[str, Any]) -> None:
    tables = blocks(counts)
    page = "\n".join(f"<!-- cost: {name} -->\n<!-- end -->" for name in tables)
    filled = with_blocks(page, tables)
    assert with_blocks(filled, tables) == filled
    assert all(table in filled for table in tables.values())
    with pytest.raises(ValueError, match="idle"):
        with_blocks(page.replace("cost: idle", "cost: other"), tables)


async def test_counts_when_an_hour_is_measured_again_then_as_the_file_says(
    counts: dict[str, Any],
) -> None:
    """What happens at every tick, whatever the market does, to a quarter."""
    minutes = 60  # the venues are listed anew once an hour
    fresh: Any = (await six_symbols(minutes))["functions"]
    kept = counts["six_symbols"]
    steady = [("fetch_market", "calls"), ("fetch_market", "writes"), ("decide", "reads")]
    steady += [("decide", "writes"), ("relay", "reads"), ("advance", "reads")]
    for name, what in steady:
        known = kept["functions"][name][what] / kept["minutes"]
        assert fresh[name][what] / minutes == pytest.approx(known, rel=0.25), (name, what)


async def test_counts_when_deployments_are_measured_again_then_as_the_file_says(
    counts: dict[str, Any],
) -> None:
    """What one signal adds for one deployment, to a quarter."""
    fresh: dict[str, Any] = await many_deployments((1, 3), minutes=6)
    kept = counts["deployments"]
    for name, what in [
        ("execute", "invocations"),
        ("execute", "reads"),
        ("execute", "writes"),
        ("route", "reads"),
        ("route", "writes"),
        ("settle", "writes"),
    ]:
        known = _added(kept, name, what)
        assert _added(fresh, name, what) == pytest.approx(known, rel=0.25), (name, what)


def _added(slopes: dict[str, Any], name: str, what: str) -> float:
    quiet = slopes["quiet"].get(name, {}).get(what, 0)
    return float(slopes["with_signal"][name][what] - quiet) / float(slopes["deployments"])


def test_usage_when_nothing_runs_then_no_function_is_in_it(counts: dict[str, Any]) -> None:
    idle: Usage = usages(counts)[0]
    assert not idle.month
    assert MINUTES == 43_200
