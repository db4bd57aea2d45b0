"""What the benchmarks make of their samples: percentiles, verdicts, the table, the exit code."""

import sys
from types import SimpleNamespace

import pytest

from bench import __main__ as command
from bench.figures import Goal, Row, row_of, table
from bench.samples import Samples, percentile, sampled, sampled_sync


def a_row(p99: float, cpu_p99: float | None, goal: Goal | None) -> Row:
    return Row(name="a", p50=p99 / 2, p99=p99, cpu_p50=None, cpu_p99=cpu_p99, count=3, goal=goal)


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1.0), (50, 50.0), (50.1, 51.0), (99, 99.0), (100, 100.0)]
)
def test_percentile_when_of_1_to_100_then_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_percentile_when_99th_of_a_few_then_the_largest() -> None:
    assert percentile([3.0, 9.0, 1.0], 99) == 9.0


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_percentile_when_there_is_none_then_an_error(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


@pytest.mark.parametrize(
    ("p99", "cpu_p99", "verdict"),
    [
        (5.0, 6.0, "ok"),
        (5.1, 5.0, "miss (CPU ok)"),
        (5.1, 5.1, "miss"),
        (5.1, None, "miss"),
    ],
)
def test_verdict_when_a_goal_is_5_then_wall_time_decides(
    p99: float, cpu_p99: float | None, verdict: str
) -> None:
    assert a_row(p99, cpu_p99, Goal("p99", 5.0)).verdict() == verdict


def test_verdict_when_there_is_no_goal_then_none() -> None:
    assert a_row(5.0, None, None).verdict() == ""


def test_row_when_made_of_samples_then_tells_both_clocks() -> None:
    row = row_of("a", Samples((4.0, 2.0, 3.0), (1.0, 1.0, 2.0)))
    assert (row.p50, row.p99, row.cpu_p50, row.cpu_p99, row.count) == (3.0, 4.0, 1.0, 2.0, 3)


def test_table_when_a_row_was_skipped_then_says_why() -> None:
    lines = table([a_row(5.0, None, Goal("p50", 2.0)), Row(name="b", skipped="no candles")])
    assert lines[1].split() == ["a", "2.5", "5", "ms", "3", "p50", "<=", "2", "miss"]
    assert lines[2].split(maxsplit=1) == ["b", "skipped: no candles"]


async def test_sampled_when_warming_up_then_those_calls_are_made_but_not_counted() -> None:
    called: list[int] = []

    async def call(value: int) -> None:
        called.append(value)

    samples = await sampled(call, range(5), warmup=2)
    assert called == [0, 1, 2, 3, 4]
    assert len(samples.wall_ms) == len(samples.cpu_ms) == 3


def test_sampled_sync_when_warming_up_then_those_calls_are_made_but_not_counted() -> None:
    called: list[None] = []
    samples = sampled_sync(lambda: called.append(None), count=4, warmup=1)
    assert len(called) == 5
    assert len(samples.wall_ms) == 4


def test_command_when_a_name_is_unknown_then_2_and_the_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["speed"]) == 2
    assert "no benchmark speed; there are cold_start, decision" in capsys.readouterr().out


def test_command_when_one_cannot_run_then_the_others_do_and_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken() -> list[Row]:
        raise RuntimeError("no disk")

    async def missed() -> list[Row]:
        return [a_row(9.0, None, Goal("p99", 5.0))]

    monkeypatch.setattr(command, "BENCHMARKS", ("broken", "missed"))
    monkeypatch.setitem(sys.modules, "bench.broken", SimpleNamespace(run=broken))
    monkeypatch.setitem(sys.modules, "bench.missed", SimpleNamespace(run=missed))
    assert command.main([]) == 1
    shown = capsys.readouterr()
    assert "broken could not run: RuntimeError: no disk" in shown.err
    assert "miss" in shown.out
    assert command.main(["missed"]) == 0
