"""One decision from its inputs; remembering, gaps, late events, and the same bytes again."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.domain.decision import Decision
from common.domain.moment import from_ms
from common.domain.vote import Action, Stance, Verdict
from common.errors import InvalidInputError
from common.indicators.indicator_set import IndicatorSet
from common.what.replay import differences, redecide
from common.what.swarm.cycle import (
    ACTED,
    LATE,
    STALE,
    STANDING,
    SwarmState,
    decision_id,
    look,
    signal_id,
    stale_reason,
)
from common.what.swarm.features import features_of
from common.wire import canonical_json, from_document, to_document
from tests.builders import a_vote
from tests.unit.what.recorded import (
    STEP,
    SYMBOLS,
    decided,
    features_from,
    recorded_candles,
    recorded_decisions,
    snapshot_of,
    surging_candles,
)

SURGE = surging_candles()
SNAPSHOT = snapshot_of(SURGE)


def _text(decision: Decision) -> str:
    return canonical_json(to_document(decision))


def _stored(decision: Decision) -> Decision:
    return from_document(Decision, to_document(decision))


def _without_price() -> IndicatorSet:
    indicators = IndicatorSet()
    for number in range(60):
        indicators.update(number * STEP, (0.0, 0.0, 0.0, 0.0, 0.0))
    return indicators


def test_look_when_cold_starts_from_the_candles_of_the_snapshot() -> None:
    outlook = look(None, SNAPSHOT)
    assert outlook.features == features_from(SURGE)
    assert outlook.features.as_text()["close"] == repr(float(SURGE[-1].close))
    assert not outlook.late


@pytest.mark.parametrize("tail", [1, 2, 32])
def test_look_when_it_remembers_takes_only_newer_candles(tail: int) -> None:
    state = look(None, snapshot_of(SURGE[:-1])).state.to_json()
    outlook = look(state, snapshot_of(SURGE[-tail:]))
    assert outlook.features == features_from(SURGE)


def test_look_when_no_candle_is_new_changes_no_reading() -> None:
    first = look(None, SNAPSHOT)
    later = replace(SNAPSHOT, observed_at=SNAPSHOT.observed_at + timedelta(minutes=1))
    assert look(first.state.to_json(), later).features == first.features


def test_look_when_candles_are_missing_starts_again_from_the_snapshot() -> None:
    state = look(None, snapshot_of(SURGE[:40])).state.to_json()
    outlook = look(state, snapshot_of(SURGE[41:]))
    assert outlook.features.candles == len(SURGE[41:])


def test_look_when_the_candles_reach_over_the_gap_goes_on() -> None:
    state = look(None, snapshot_of(SURGE[:40])).state.to_json()
    assert look(state, snapshot_of(SURGE[39:])).features == features_from(SURGE)


def test_look_when_cold_and_the_snapshot_goes_further_back_takes_its_history() -> None:
    """The event with the history came after the first tail: it is not needed for ever after."""
    state = look(None, snapshot_of(SURGE[-9:-1])).state.to_json()
    assert look(state, SNAPSHOT).features == features_from(SURGE)
    assert look(state, snapshot_of(SURGE[-8:])).features.candles == 9


def test_look_when_warm_ignores_a_longer_history() -> None:
    state = look(None, snapshot_of(SURGE[5:-1])).state.to_json()
    assert look(state, SNAPSHOT).features.candles == len(SURGE) - 5


@pytest.mark.parametrize("indicators", [IndicatorSet(count=60), _without_price()])
def test_features_when_a_warm_set_lacks_a_value_have_no_readings(indicators: IndicatorSet) -> None:
    assert indicators.is_warm
    assert features_of(indicators).readings is None


def test_look_when_the_snapshot_has_a_hole_uses_what_comes_after_it() -> None:
    outlook = look(None, snapshot_of(SURGE[:10] + SURGE[11:]))
    assert outlook.features.candles == len(SURGE) - 11


def test_look_when_there_is_no_candle_is_cold() -> None:
    outlook = look(None, replace(SNAPSHOT, candles=()))
    assert (outlook.features.candles, outlook.features.readings) == (0, None)


@pytest.mark.parametrize("text", ["", "{}", "[]", "5", "[0,null,null,[]]", '[1,"x",null,[]]'])
def test_look_when_the_state_is_unreadable_starts_again(text: str) -> None:
    with pytest.raises(InvalidInputError):
        SwarmState.from_json(text)
    assert look(text, SNAPSHOT).features == features_from(SURGE)


def test_look_when_the_interval_is_unknown_says_so() -> None:
    with pytest.raises(InvalidInputError, match="'7m'"):
        look(None, replace(SNAPSHOT, interval="7m"))


@pytest.mark.parametrize("missing", [1, 3])
def test_look_when_an_older_snapshot_comes_late_leaves_the_state_alone(missing: int) -> None:
    state = look(None, SNAPSHOT).state.to_json()
    outlook = look(state, snapshot_of(SURGE[:-missing]))
    assert outlook.late
    assert outlook.state.to_json() == state
    assert outlook.features == features_from(SURGE[:-missing])


def test_look_when_older_candles_come_with_a_newer_clock_is_late_too() -> None:
    state = look(None, SNAPSHOT).state.to_json()
    assert look(state, replace(SNAPSHOT, candles=SURGE[:-1])).late


def test_look_when_an_earlier_tick_of_the_same_candle_comes_late_knows_it() -> None:
    later = replace(SNAPSHOT, observed_at=SNAPSHOT.observed_at + timedelta(minutes=1))
    state = look(None, later).state.to_json()
    assert look(state, SNAPSHOT).late
    assert not look(state, later).late


def test_decision_when_the_market_surges_buys() -> None:
    decision, _ = decided(SNAPSHOT)
    assert (decision.consensus.verdict, decision.consensus.action) == (Verdict.ACT, Action.BUY)
    assert decision.decision_id == decision_id("swarm", decision.tick_id, "ETH")
    assert decision.signal_id == signal_id(decision.decision_id)
    assert decision.decided_at == SNAPSHOT.observed_at
    assert decision.consensus.voters == ("quant_alpha", "risk_guardian", "degen_hunter")


def test_decision_when_the_candle_became_a_signal_does_not_act_on_it_twice() -> None:
    _, state = decided(SNAPSHOT)
    later = replace(SNAPSHOT, observed_at=SNAPSHOT.observed_at + timedelta(minutes=1))
    again, state = decided(later, state, tick_id="the-minute-after")
    assert again.consensus.reason.startswith(ACTED)
    assert (again.consensus.verdict, again.signal_id) == (Verdict.HOLD, None)
    assert SwarmState.from_json(state).acted_open_time_ms == SURGE[-1].open_time_ms


BUY, SELL = (Action.BUY, "0.9"), (Action.SELL, "0.9")
UNSURE, CALM = (Action.BUY, "0.5"), (Action.BUY, "0.1")


@pytest.mark.parametrize(
    ("opinions", "signalled"),
    [
        ([BUY, BUY, BUY], [Action.BUY, None, None]),
        ([BUY, SELL, BUY], [Action.BUY, Action.SELL, Action.BUY]),
        ([BUY, CALM, BUY], [Action.BUY, None, Action.BUY]),
        ([BUY, UNSURE, BUY], [Action.BUY, None, None]),
    ],
    ids=["repeated", "reversed", "lost and found", "in doubt"],
)
def test_decision_when_a_conviction_stands_it_is_signalled_once(
    opinions: list[tuple[Action, str]], signalled: list[Action | None]
) -> None:
    state = None
    made = []
    for number, (action, confidence) in enumerate(opinions):
        vote = a_vote("quant_alpha", action=action, confidence=Decimal(confidence))
        snapshot = snapshot_of(SURGE[: len(SURGE) - len(opinions) + number + 1])
        decision, state = decided(snapshot, state, tick_id=f"tick-{number}", votes=(vote,))
        made.append(decision.consensus.action if decision.signal_id else None)
    assert made == signalled


def test_decision_when_stale_leaves_the_standing_signal_alone() -> None:
    buy = a_vote("quant_alpha", confidence=Decimal("0.9"))
    calm = a_vote("quant_alpha", confidence=Decimal("0.1"))
    _, state = decided(snapshot_of(SURGE[:-2]), votes=(buy,))
    _, state = decided(snapshot_of(SURGE[:-1]), state, votes=(calm,), stale=stale_reason(480))
    decision, _ = decided(SNAPSHOT, state, votes=(buy,))
    assert decision.consensus.reason.startswith(STANDING)
    assert decision.signal_id is None


def test_decision_when_the_first_tick_of_a_candle_is_vetoed_may_act_on_the_next() -> None:
    crossed = replace(SNAPSHOT, book=replace(SNAPSHOT.book, bid=SNAPSHOT.book.ask + 1))
    vetoed, state = decided(crossed)
    assert vetoed.consensus.verdict is Verdict.VETOED
    later = replace(SNAPSHOT, observed_at=SNAPSHOT.observed_at + timedelta(minutes=1))
    assert decided(later, state, tick_id="the-minute-after")[0].signal_id is not None


def test_decision_when_late_is_held_and_says_so() -> None:
    _, state = decided(SNAPSHOT)
    older = snapshot_of(SURGE[:-1])
    decision, after = decided(older, state)
    assert decision.consensus.reason.startswith(LATE)
    assert (decision.consensus.action, decision.signal_id) == (Action.HOLD, None)
    assert decided(older)[0].signal_id is not None, "it would have acted had it come in time"
    assert after == state


def test_decision_when_stale_is_held_but_remembers_the_candles() -> None:
    decision, state = decided(SNAPSHOT, stale=stale_reason(480))
    assert decision.consensus.reason == f"{STALE}: the snapshot was older than 480 s"
    assert decision.signal_id is None
    assert SwarmState.from_json(state).indicators.last_open_time_ms == SURGE[-1].open_time_ms
    assert SwarmState.from_json(state).acted_open_time_ms is None


def test_decision_when_cold_has_no_votes() -> None:
    decision, _ = decided(snapshot_of(SURGE[:20]))
    assert decision.consensus.verdict is Verdict.NO_VOTES
    assert {vote.stance for vote in decision.votes} == {Stance.ABSTAINED}
    assert decision.features == {"candles": "20"}


@pytest.mark.parametrize(
    "decision",
    [
        decided(SNAPSHOT)[0],
        decided(SNAPSHOT, look(None, snapshot_of(SURGE[:-1])).state.to_json())[0],
        decided(snapshot_of(SURGE[:20]))[0],
        decided(SNAPSHOT, stale=stale_reason(480))[0],
        decided(snapshot_of(SURGE[:-1]), decided(SNAPSHOT)[1])[0],
        decided(SNAPSHOT, decided(SNAPSHOT)[1])[0],
    ],
    ids=["cold", "warm", "warming", "stale", "late", "acted"],
)
def test_redecide_of_a_stored_decision_gives_the_same_bytes(decision: Decision) -> None:
    again = redecide(_stored(decision))
    assert _text(again) == _text(decision)
    assert differences(decision, again) == ()


def test_redecide_when_the_record_was_changed_shows_where() -> None:
    decision, _ = decided(SNAPSHOT)
    vote = replace(decision.votes[0], confidence=Decimal("0.1"), reasons=("made up",))
    forged = replace(decision, votes=(vote, *decision.votes[1:]), signal_id=None)
    told = differences(forged, redecide(forged))
    assert f"signal_id: None -> {decision.signal_id!r}" in told
    assert f"votes[0].confidence: '0.1' -> '{decision.votes[0].confidence.normalize()}'" in told
    assert any(line.startswith("votes[0].reasons[4]: None -> ") for line in told)
    assert not any("votes[1]" in line for line in told)


def test_redecide_when_an_input_was_changed_shows_other_features() -> None:
    decision, _ = decided(SNAPSHOT)
    tampered = (*SURGE[:-1], replace(SURGE[-1], close=SURGE[-1].close - 1, low=Decimal(1)))
    inputs = replace(decision.inputs, snapshot=replace(SNAPSHOT, candles=tampered))
    told = differences(decision, redecide(replace(decision, inputs=inputs)))
    assert any(line.startswith("features.close:") for line in told)


def test_decisions_over_recorded_candles_act_now_and_then_both_ways() -> None:
    """1-4 % of decisions, on every symbol, and each one can be made again."""
    acted: Counter[str] = Counter()
    count = 0
    for symbol in SYMBOLS:
        for number, decision in enumerate(recorded_decisions(symbol)):
            count += 1
            if decision.signal_id is not None:
                acted[symbol] += 1
                acted[decision.consensus.action] += 1
            if number % 200 == 0:
                assert _text(redecide(_stored(decision))) == _text(decision)
    actions = acted[Action.BUY] + acted[Action.SELL]
    assert count == 6 * 801
    assert 0.01 < actions / count < 0.04
    assert min(acted[symbol] for symbol in SYMBOLS) >= 5
    assert min(acted[Action.BUY], acted[Action.SELL]) > actions / 4


def test_decisions_over_recorded_candles_do_not_depend_on_what_comes_later() -> None:
    """The state's path is irrelevant: one candle at a time, or many at once after an outage."""
    candles = recorded_candles("SOL")
    one_by_one = None
    for closed in range(200, 261):
        one_by_one = look(one_by_one, snapshot_of(candles[closed - 200 : closed])).state.to_json()
    at_once = look(None, snapshot_of(candles[:200])).state.to_json()
    at_once = look(at_once, snapshot_of(candles[190:260])).state.to_json()
    assert at_once == one_by_one
    assert from_ms(candles[259].open_time_ms + STEP) == snapshot_of(candles[:260]).observed_at
