"""The decide handler: one commit a tick, and the same result however the tick is delivered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import AUDIT, DECISIONS, INDICATOR_STATES, OUTBOX, V2, V3
from common.config import Settings, SwarmSettings
from common.domain.decision import Decision
from common.domain.events import MarketUpdated, OutboxMessage, SignalCreated
from common.domain.market import MarketSnapshot
from common.domain.signal import PositionSide, SignalRecord, SignalStatus, SizeType
from common.domain.vote import Verdict
from common.errors import ConfigurationError, ConflictError, InvalidInputError, TransientError
from common.ports import Query, Ref, Update, Write
from common.what.replay import redecide
from common.what.swarm.cycle import LATE, STALE, STANDING, SwarmState, decision_id, look
from common.wire import canonical_json, decode_message, from_document, to_document
from functions.decide.handler import ATTEMPTS, decide
from infra.local.store.memory import MemoryStore
from tests.fakes.clock import FakeClock
from tests.unit.what.recorded import recorded_candles, snapshot_of, surging_candles

SURGE = surging_candles()
SURGE_SNAPSHOT = snapshot_of(SURGE)
QUIET_SNAPSHOT = snapshot_of(surging_candles(rising=0), symbol="BTC")
COLLECTIONS = (DECISIONS, INDICATOR_STATES, V3.signals, OUTBOX, AUDIT)


def _event(*snapshots: MarketSnapshot, tick_id: str = "tick-1") -> MarketUpdated:
    return MarketUpdated(tick_id=tick_id, snapshots=snapshots, failed={})


async def _run(
    store: MemoryStore,
    *snapshots: MarketSnapshot,
    tick_id: str = "tick-1",
    late_s: float = 0.0,
    settings: Settings | None = None,
) -> list[OutboxMessage]:
    clock = FakeClock(max(snapshot.observed_at for snapshot in snapshots))
    clock.advance(late_s)
    event = _event(*snapshots, tick_id=tick_id)
    return await decide(event, store=store, clock=clock, settings=settings or Settings())


async def _everything(store: MemoryStore) -> str:
    """All documents the handler may write, without their versions."""
    pages = [await store.query(Query(name, limit=1000)) for name in COLLECTIONS]
    return canonical_json(
        {document.ref.id: document.data for page in pages for document in page.documents}
    )


async def _decision(store: MemoryStore, tick_id: str = "tick-1", symbol: str = "ETH") -> Decision:
    document = await store.get(Ref(DECISIONS, decision_id("swarm", tick_id, symbol)))
    assert document is not None
    return from_document(Decision, document.data)


async def _state(store: MemoryStore, symbol: str = "ETH") -> dict[str, Any]:
    document = await store.get(Ref(INDICATOR_STATES, f"swarm:{symbol}:5m"))
    assert document is not None
    return document.data


class _Commits:
    """Records commits; loses the race for the first `conflicts` of them."""

    def __init__(self, conflicts: int = 0) -> None:
        self.conflicts = conflicts
        self.seen: list[Sequence[Write]] = []
        self.reads = 0

    async def __call__(self, operation: str, argument: object) -> None:
        if operation == "get_many":
            self.reads += 1
        if operation != "commit":
            return
        assert isinstance(argument, Sequence)
        self.seen.append(argument)
        if len(self.seen) <= self.conflicts:
            raise ConflictError("lost", collection=INDICATOR_STATES, document_id="swarm:ETH:5m")


async def test_decide_when_the_swarm_acts_writes_all_in_one_commit() -> None:
    commits = _Commits()
    store = MemoryStore(before=commits)
    (message,) = await _run(store, SURGE_SNAPSHOT, QUIET_SNAPSHOT)

    assert commits.reads == 1
    (writes,) = commits.seen
    collections = sorted(write.ref.collection for write in writes)
    assert collections == sorted(
        [DECISIONS, DECISIONS, INDICATOR_STATES, INDICATOR_STATES, V3.signals, AUDIT, OUTBOX]
    )
    decision = await _decision(store)
    assert message.topic == "signal-created"
    assert message.event == SignalCreated(book="v3", signal_id=str(decision.signal_id))
    outbox = await store.get(Ref(OUTBOX, message.message_id))
    assert outbox is not None
    assert decode_message(outbox.data) == message
    assert (await _decision(store, symbol="BTC")).consensus.verdict is Verdict.HOLD


async def test_decide_when_the_swarm_acts_makes_a_whole_signal() -> None:
    store = MemoryStore()
    await _run(store, SURGE_SNAPSHOT, late_s=7)
    decision = await _decision(store)
    document = await store.get(Ref(V3.signals, str(decision.signal_id)))
    assert document is not None
    record = from_document(SignalRecord, document.data)
    signal = record.signal
    assert (record.status, record.deployments_expected, record.outcomes) == (
        SignalStatus.PENDING,
        None,
        {},
    )
    assert (signal.book, signal.agent_id, signal.symbol) == ("v3", "swarm", "ETH")
    assert signal.side is PositionSide.LONG
    assert (signal.size_model.type, signal.size_model.value) == (SizeType.PERCENTAGE, Decimal(10))
    assert signal.risk_model is not None
    assert (signal.risk_model.type, signal.risk_model.stop) == ("trailing-stop", Decimal("2.5"))
    assert signal.confidence == decision.consensus.score
    assert signal.decision_id == decision.decision_id
    assert signal.reference_price == SURGE_SNAPSHOT.mark
    assert signal.created_at == decision.decided_at == SURGE_SNAPSHOT.observed_at
    assert signal.expires_at - signal.created_at == timedelta(minutes=5)
    assert len(signal.reasons) == 5
    assert signal.reasons[0].split(":")[0] in {"Quant Alpha", "Degen Hunter", "Risk Guardian"}
    assert {reason.split(":")[0] for reason in signal.reasons[:3]} == {
        "Quant Alpha",
        "Degen Hunter",
        "Risk Guardian",
    }


async def test_decide_when_prices_fall_goes_short() -> None:
    mirrored = tuple(
        replace(
            candle,
            open=Decimal(200) - candle.open,
            high=Decimal(200) - candle.low,
            low=Decimal(200) - candle.high,
            close=Decimal(200) - candle.close,
        )
        for candle in SURGE
    )
    store = MemoryStore()
    await _run(store, snapshot_of(mirrored))
    decision = await _decision(store)
    document = await store.get(Ref(V3.signals, str(decision.signal_id)))
    assert document is not None
    assert document.data["signal"]["side"] == "SHORT"
    assert Decimal(document.data["signal"]["confidence"]) == -decision.consensus.score > 0


async def test_decide_never_touches_the_v2_book() -> None:
    store = MemoryStore()
    await _run(store, SURGE_SNAPSHOT)
    assert await store.count(Query(V2.signals)) == 0
    assert await store.count(Query(V3.signals)) == 1


async def test_decide_when_delivered_twice_writes_once_and_returns_the_same() -> None:
    commits = _Commits()
    store = MemoryStore(before=commits)
    first = await _run(store, SURGE_SNAPSHOT, QUIET_SNAPSHOT)
    before = await _everything(store)
    second = await _run(store, SURGE_SNAPSHOT, QUIET_SNAPSHOT, late_s=3600)
    assert second == first != []
    assert len(commits.seen) == 1
    assert await _everything(store) == before


async def test_decide_when_the_answer_of_the_commit_is_lost_a_redelivery_repairs_it() -> None:
    store = MemoryStore()

    async def lose_answer(operation: str, _argument: object) -> None:
        if operation == "commit":
            raise TransientError("connection reset")

    store.after = lose_answer
    with pytest.raises(TransientError):
        await _run(store, SURGE_SNAPSHOT)
    store.after = None
    (message,) = await _run(store, SURGE_SNAPSHOT)
    assert await store.count(Query(V3.signals)) == 1
    assert await store.get(Ref(OUTBOX, message.message_id)) is not None


async def test_decide_when_someone_is_quicker_reads_again_and_decides_on_the_new_state() -> None:
    store = MemoryStore()
    await _run(store, snapshot_of(SURGE[:-1]), tick_id="tick-0")
    raced = False

    async def other_writer(operation: str, _argument: object) -> None:
        nonlocal raced
        if operation == "commit" and not raced:
            raced = True
            await _run(store, SURGE_SNAPSHOT, tick_id="tick-other")

    store.before = other_writer
    messages = await _run(store, SURGE_SNAPSHOT)
    assert raced
    assert messages == [], "the other tick was quicker"
    decision = await _decision(store)
    assert decision.consensus.reason.startswith(STANDING)
    assert decision.inputs.indicator_state == (await _state(store))["state"]


async def test_decide_when_conflicts_end_in_time_still_commits() -> None:
    store = MemoryStore(before=_Commits(conflicts=ATTEMPTS - 1))
    assert len(await _run(store, SURGE_SNAPSHOT)) == 1


async def test_decide_when_conflicts_do_not_end_gives_up_with_nothing_written() -> None:
    commits = _Commits(conflicts=ATTEMPTS)
    store = MemoryStore(before=commits)
    with pytest.raises(ConflictError):
        await _run(store, SURGE_SNAPSHOT)
    assert len(commits.seen) == ATTEMPTS
    assert await _everything(store) == "{}"


async def test_decide_candle_by_candle_advances_one_state() -> None:
    store = MemoryStore()
    for closed in range(55, len(SURGE) + 1):
        tail = SURGE[:closed] if closed == 55 else SURGE[closed - 32 : closed]
        await _run(store, snapshot_of(tail), tick_id=f"tick-{closed}")
    state = await _state(store)
    assert (state["warm"], state["candles"]) == (True, len(SURGE))
    assert state["last_open_time_ms"] == SURGE[-1].open_time_ms
    indicators = SwarmState.from_json(state["state"]).indicators
    assert indicators == look(None, SURGE_SNAPSHOT).state.indicators


async def test_decide_when_an_older_event_comes_late_holds_and_keeps_the_state() -> None:
    store = MemoryStore()
    older = snapshot_of(SURGE[:-1])
    await _run(store, SURGE_SNAPSHOT, tick_id="tick-2")
    before = await _state(store)
    assert await _run(store, older, tick_id="tick-1") == []
    decision = await _decision(store)
    assert decision.consensus.reason.startswith(LATE)
    assert canonical_json(to_document(redecide(decision))) == canonical_json(to_document(decision))
    assert await _state(store) == before
    in_time = MemoryStore()
    assert len(await _run(in_time, older)) == 1, "it would have acted had it come in time"


async def test_decide_when_candles_are_missing_between_events_rebuilds_from_the_snapshot() -> None:
    store = MemoryStore()
    await _run(store, snapshot_of(SURGE[:5]), tick_id="tick-1")
    await _run(store, snapshot_of(SURGE[7:]), tick_id="tick-2")
    assert (await _state(store))["candles"] == len(SURGE) - 7
    expected = look(None, snapshot_of(SURGE[7:])).features.as_text()
    assert (await _decision(store, "tick-2")).features == expected


@pytest.mark.parametrize(("late_s", "messages"), [(480.0, 1), (480.001, 0)])
async def test_decide_when_the_snapshot_is_older_than_its_limit_only_records(
    late_s: float, messages: int
) -> None:
    store = MemoryStore()
    assert len(await _run(store, SURGE_SNAPSHOT, late_s=late_s)) == messages
    decision = await _decision(store)
    assert decision.consensus.reason.startswith(STALE) == (messages == 0)
    assert await store.count(Query(V3.signals)) == messages
    assert (await _state(store))["last_open_time_ms"] == SURGE[-1].open_time_ms


async def test_decide_over_recorded_candles_twice_gives_the_same_bytes() -> None:
    async def replayed() -> str:
        store = MemoryStore()
        for closed in range(200, 260):
            tail = 200 if closed == 200 else 32
            snapshots = [
                snapshot_of(recorded[symbol][closed - tail : closed], symbol) for symbol in recorded
            ]
            await _run(store, *snapshots, tick_id=f"tick-{closed}")
        return await _everything(store)

    recorded = {symbol: recorded_candles(symbol) for symbol in ("BTC", "SOL", "DOGE")}
    first = await replayed()
    assert first == await replayed()
    assert '"signal-created"' in first


async def test_decide_when_there_are_very_many_symbols_keeps_each_commit_small() -> None:
    commits = _Commits()
    store = MemoryStore(before=commits)
    snapshots = [replace(SURGE_SNAPSHOT, symbol=f"T{number}") for number in range(170)]
    messages = await _run(store, *snapshots)
    assert [len(writes) for writes in commits.seen] == [400, 400, 50]
    assert commits.reads == 1
    documents = [await _decision(store, symbol=snapshot.symbol) for snapshot in snapshots]
    sent = [message.event for message in messages]
    assert sent == [SignalCreated(book="v3", signal_id=str(made.signal_id)) for made in documents]


async def test_decide_when_one_chunk_conflicts_keeps_the_others() -> None:
    commits = _Commits(conflicts=1)
    store = MemoryStore(before=commits)
    snapshots = [replace(SURGE_SNAPSHOT, symbol=f"T{number}") for number in range(100)]
    messages = await _run(store, *snapshots)
    assert len(messages) == 100
    assert [len(writes) for writes in commits.seen] == [400, 100, 400]


async def test_decide_state_is_updated_on_its_version() -> None:
    commits = _Commits()
    store = MemoryStore(before=commits)
    await _run(store, snapshot_of(SURGE[:-1]), tick_id="tick-1")
    held = await store.get(Ref(INDICATOR_STATES, "swarm:ETH:5m"))
    assert held is not None
    await _run(store, SURGE_SNAPSHOT, tick_id="tick-2")
    (update,) = (write for write in commits.seen[1] if isinstance(write, Update))
    assert update.version == held.version


async def test_decide_when_no_symbol_has_a_snapshot_does_nothing() -> None:
    commits = _Commits()
    event = MarketUpdated(tick_id="tick-1", snapshots=(), failed={"ETH": "no answer"})
    store = MemoryStore(before=commits)
    assert await decide(event, store=store, clock=FakeClock(), settings=Settings()) == []
    assert commits.seen == []


async def test_decide_when_a_symbol_is_there_twice_refuses_the_event() -> None:
    store = MemoryStore()
    with pytest.raises(InvalidInputError, match="ETH"):
        await _run(store, SURGE_SNAPSHOT, SURGE_SNAPSHOT)
    assert await _everything(store) == "{}"


async def test_decide_when_the_interval_is_unknown_refuses_the_event() -> None:
    with pytest.raises(InvalidInputError, match="interval"):
        await _run(MemoryStore(), replace(SURGE_SNAPSHOT, interval="7m"))


async def test_decide_when_an_agent_has_no_weight_asks_a_person() -> None:
    settings = Settings(swarm=SwarmSettings(weights={"quant_alpha": Decimal(1)}))
    store = MemoryStore()
    with pytest.raises(ConfigurationError, match="risk_guardian"):
        await _run(store, SURGE_SNAPSHOT, settings=settings)
    assert await _everything(store) == "{}"


async def test_decide_with_other_thresholds_records_and_obeys_them() -> None:
    settings = Settings(swarm=SwarmSettings(threshold_act=Decimal("0.99")))
    store = MemoryStore()
    assert await _run(store, SURGE_SNAPSHOT, settings=settings) == []
    decision = await _decision(store)
    assert decision.inputs.threshold_act == Decimal("0.99")
    assert decision.consensus.verdict is Verdict.UNDECIDED
