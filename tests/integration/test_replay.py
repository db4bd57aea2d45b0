"""The main job in process, on real recorded candles."""

from decimal import Decimal
from pathlib import Path

import pytest

from common.books import BOOKS, DECISIONS, FILLS, NOTIFICATIONS, ORDERS, V3
from common.domain.decision import Decision
from common.domain.events import DeploymentSignal
from common.domain.instrument import Venue
from common.domain.signal import SignalStatus
from common.errors import TransientError
from common.what.replay import differences, redecide
from common.wire import from_document
from infra.local.replay import ReplayProgress, read_progress
from infra.local.stack.figures import collect_figures
from infra.venues.paper.faults import FaultKind, FaultPlan, FaultRule, set_faults
from tests.builders import NOON, a_message
from tests.integration.harness import Replay, recording, running

TICKS = 80  # indicators are warm after 49; the first trades follow


async def run_once(ticks: int = TICKS, data_dir: Path | None = None) -> Replay:
    replay = Replay(recording(), data_dir, ticks)
    async with running(replay):
        result = await replay.run()
        assert (result.ticks, result.complete) == (ticks, True)
    return replay


async def test_replay_when_run_then_every_rule_of_the_books_holds() -> None:
    replay = Replay(recording(), None, TICKS)
    async with running(replay):
        await replay.run()
        check = await replay.stack.check()
    figures = await collect_figures(replay.store)

    assert check.problems == []
    assert figures.decisions == TICKS * len(replay.recording.feed.symbols)
    assert figures.fills >= 5
    assert set(figures.signals) <= {status for status in SignalStatus if status.is_terminal}
    assert figures.routing_records == figures.signal_count
    assert await replay.count(NOTIFICATIONS) >= figures.fills


async def test_replay_when_run_twice_then_all_documents_are_the_same_bytes() -> None:
    first, second = await run_once(), await run_once()

    for collection in (DECISIONS, ORDERS, FILLS, V3.signals, V3.deliveries, V3.positions):
        assert [item.data for item in await first.documents(collection)] == [
            item.data for item in await second.documents(collection)
        ], collection


async def test_replay_when_stored_in_sqlite_then_the_decisions_are_those_of_memory(
    tmp_path: Path,
) -> None:
    on_disk = Replay(recording(), tmp_path, 60)
    async with running(on_disk):
        await on_disk.run()
        stored = await collect_figures(on_disk.store)
    in_memory = await run_once(60)

    assert stored == await collect_figures(in_memory.store)


async def test_replay_when_stopped_and_started_again_then_goes_on_and_ends_the_same(
    tmp_path: Path,
) -> None:
    stored = []
    for ticks in (20, 55, 70):
        part = Replay(recording(), tmp_path, ticks)
        async with running(part):
            await part.run()
            progress = await read_progress(part.store)
            stored.append(await collect_figures(part.store))
        assert progress == ReplayProgress(run_key="test", next_tick=ticks, complete=True)
    whole = await run_once(70)

    assert stored[-1] == await collect_figures(whole.store)


async def test_decisions_when_made_again_from_their_inputs_then_are_identical() -> None:
    replay = await run_once(60)

    decisions = [from_document(Decision, item.data) for item in await replay.documents(DECISIONS)]

    assert decisions
    assert [differences(decision, redecide(decision)) for decision in decisions] == [
        () for _ in decisions
    ]


async def test_replay_when_run_then_the_other_book_stays_empty() -> None:
    replay = await run_once(60)

    book = BOOKS["v2"]
    for collection in (book.signals, book.deliveries, book.positions, book.routing_history):
        assert await replay.count(collection) == 0


async def test_check_when_a_message_was_never_taken_then_fails() -> None:
    replay = Replay(recording(), None, 2)
    async with running(replay):
        await replay.run()
        now = replay.stack.runtime.clock.now()
        lost = a_message(DeploymentSignal(book="v3", delivery_id="dlv_nowhere"), occurred_at=now)
        await replay.stack.runtime.publisher.publish([lost])
        await replay.stack.idle()
        check = await replay.stack.check()

    assert check.problems == [
        "1 messages were refused, route: delivery dlv_nowhere is not in signal_deliveries_v3 yet",
        "1 messages are dead letters",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        FaultRule(kind=FaultKind.LOST_ANSWER),
        FaultRule(kind=FaultKind.LOST_REQUEST, attempt=1),
        FaultRule(kind=FaultKind.READ_LAG, delay_s=Decimal(20)),
        FaultRule(kind=FaultKind.PART_FILLED),
    ],
    ids=lambda rule: rule.kind.value,
)
async def test_replay_when_the_venue_s_answers_are_lost_then_each_signal_still_ends(
    rule: FaultRule,
) -> None:
    replay = Replay(recording(), None, 60)
    await set_faults(replay.store, Venue.HYPERLIQUID, FaultPlan(rules=(rule,)))
    async with running(replay):
        await replay.run()
        check = await replay.stack.check()
    figures = await collect_figures(replay.store)

    assert check.problems == []
    assert figures.fills >= 1
    assert (
        figures.decisions_digest
        == (await collect_figures((await run_once(60)).store)).decisions_digest
    )


async def test_job_when_its_function_keeps_failing_then_says_which() -> None:
    replay = Replay(recording(), None, 2)
    async with running(replay):
        replay.stack.functions._query = "token=wrong"
        with pytest.raises(TransientError, match="settle answered 401"):
            await replay.stack.run_job("settle", NOON)
