"""One decision from its inputs: advance the indicators, let the agents vote, draw the verdict.

Pure. `functions/decide` runs it on a tick, `common/what/replay.py` again on what was stored.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from common.domain.decision import Decision, DecisionInputs
from common.domain.identifiers import prefixed_id
from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot
from common.domain.moment import to_ms
from common.domain.vote import Action, Consensus, Verdict, Vote
from common.errors import InvalidInputError
from common.indicators.indicator_set import IndicatorSet
from common.what.swarm.consensus import consensus
from common.what.swarm.features import Features, features_of

STATE_VERSION = 2
KEPT_AT_LEAST = 2
"""Candles of a decision's snapshot: the newest is kept even when it brought nothing new."""
STALE = "STALE_SNAPSHOT"
LATE = "LATE_EVENT"
ACTED = "CANDLE_ACTED_ON"
STANDING = "SIGNAL_STANDS"


@dataclass(slots=True)
class SwarmState:
    """What the swarm remembers of a symbol between two ticks."""

    indicators: IndicatorSet = field(default_factory=IndicatorSet)
    observed_ms: int | None = None  # of the newest snapshot seen
    acted_open_time_ms: int | None = None  # the candle that last became a signal
    standing: Action | None = None  # what was signalled, until conviction is lost

    def to_json(self) -> str:
        body = [
            STATE_VERSION,
            self.observed_ms,
            self.acted_open_time_ms,
            self.standing,
            self.indicators.dump(),
        ]
        return json.dumps(body, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "SwarmState":
        """Raises InvalidInputError when `text` is not a state of this version."""
        try:
            version, observed, acted, standing, indicators = json.loads(text)
            signalled = None if standing is None else Action(standing)
        except (ValueError, TypeError) as error:
            raise InvalidInputError(str(error), code="INVALID_STATE", where="SwarmState") from None
        if version != STATE_VERSION or not _is_moment(observed) or not _is_moment(acted):
            raise InvalidInputError(
                "not a state of this version", code="INVALID_STATE", where="SwarmState"
            )
        return cls(IndicatorSet.restore(indicators), observed, acted, signalled)


def _is_moment(value: object) -> bool:
    return value is None or type(value) is int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A symbol ready to be voted on. `state` is what to remember, unless the event is `late`.

    `snapshot` has the candles that this outlook came from and no older ones: what a decision
    keeps, so that it can be made again.
    """

    features: Features
    state: SwarmState
    late: bool
    snapshot: MarketSnapshot


def look(state_text: str | None, snapshot: MarketSnapshot) -> Outlook:
    """Advance the remembered indicators by the snapshot's candles that are newer.

    Starts afresh from the snapshot's own candles when there is no state, when it is unreadable
    (another version, damage: it is a cache of candles and can be made again), when candles between
    it and the snapshot are missing, or when it is cold and the snapshot goes further back.

    A snapshot older than the state is late: it is judged by the candles it carries, and the state
    stays where it is.

    Raises:
        InvalidInputError: an unknown interval.
    """
    if snapshot.interval not in INTERVAL_MS:
        raise InvalidInputError(f"unknown interval {snapshot.interval!r}", where="interval")
    step = INTERVAL_MS[snapshot.interval]
    candles = _unbroken_tail(snapshot.candles, step)
    state = _remembered(state_text)
    if _is_late(state, snapshot, candles):
        carried = SwarmState()
        _advance(carried.indicators, candles)
        return Outlook(
            features=features_of(carried.indicators), state=state, late=True, snapshot=snapshot
        )
    last = state.indicators.last_open_time_ms
    newer = [candle for candle in candles if last is None or candle.open_time_ms > last]
    missing = last is not None and bool(newer) and newer[0].open_time_ms != last + step
    if missing or _can_mend(state, candles):
        state.indicators = IndicatorSet()
        newer = list(candles)
    _advance(state.indicators, newer)
    state.observed_ms = to_ms(snapshot.observed_at)
    return Outlook(
        features=features_of(state.indicators),
        state=state,
        late=False,
        snapshot=replace(snapshot, candles=snapshot.candles[-max(len(newer), KEPT_AT_LEAST) :]),
    )


def _remembered(state_text: str | None) -> SwarmState:
    if state_text is None:
        return SwarmState()
    try:
        return SwarmState.from_json(state_text)
    except InvalidInputError:
        return SwarmState()


def _is_late(state: SwarmState, snapshot: MarketSnapshot, candles: Sequence[Candle]) -> bool:
    if state.observed_ms is not None and to_ms(snapshot.observed_at) < state.observed_ms:
        return True
    last = state.indicators.last_open_time_ms
    return last is not None and bool(candles) and candles[-1].open_time_ms < last


def _can_mend(state: SwarmState, candles: Sequence[Candle]) -> bool:
    """After a lost or reordered event the state may be cold while later events have the history."""
    return not state.indicators.is_warm and len(candles) > state.indicators.count


def _unbroken_tail(candles: Sequence[Candle], step: int) -> Sequence[Candle]:
    """The newest candles without a hole between them."""
    for place in range(len(candles) - 1, 0, -1):
        if candles[place].open_time_ms - candles[place - 1].open_time_ms != step:
            return candles[place:]
    return candles


def _advance(indicators: IndicatorSet, candles: Sequence[Candle]) -> None:
    for candle in candles:
        indicators.update(
            candle.open_time_ms,
            (
                float(candle.open),
                float(candle.high),
                float(candle.low),
                float(candle.close),
                float(candle.volume),
            ),
        )


def decision_id(agent_id: str, tick_id: str, symbol: str) -> str:
    return prefixed_id("dec", agent_id, tick_id, symbol)


def signal_id(decision: str) -> str:
    """The one signal that a decision may become."""
    return prefixed_id("sig", decision)


def stale_reason(age_max_s: float) -> str:
    """Without the age itself, which depends on when the message came."""
    return f"{STALE}: the snapshot was older than {age_max_s:g} s"


def conclude(
    outlook: Outlook,
    votes: Sequence[Vote],
    *,
    agent_id: str,
    tick_id: str,
    inputs: DecisionInputs,
    stale: str | None,
) -> Decision:
    """The verdict, held back where acting would be wrong; marks `outlook.state` with what it does.

    A conviction is signalled once. It may be signalled again after it was lost (the score fell
    below the threshold to hold) or after the opposite was: the first signal still stands until
    then, and repeating it each minute would pile up positions that no new insight asked for.

    `stale` is the reason from `stale_reason` when the snapshot was too old at the wall clock, the
    one thing that the inputs cannot tell.
    """
    snapshot = outlook.snapshot
    drawn = consensus(
        votes,
        weights=inputs.weights,
        threshold_act=inputs.threshold_act,
        threshold_hold=inputs.threshold_hold,
    )
    objection = _objection(outlook, drawn, stale)
    if drawn.verdict is Verdict.HOLD and objection is None:
        outlook.state.standing = None
    drawn = _held_back(drawn, objection)
    identity = decision_id(agent_id, tick_id, snapshot.symbol)
    acts = drawn.verdict is Verdict.ACT
    if acts:
        outlook.state.acted_open_time_ms = outlook.features.newest_open_time_ms
        outlook.state.standing = drawn.action
    return Decision(
        decision_id=identity,
        agent_id=agent_id,
        tick_id=tick_id,
        symbol=snapshot.symbol,
        inputs=replace(inputs, snapshot=snapshot),
        features=outlook.features.as_text(),
        votes=tuple(votes),
        consensus=drawn,
        signal_id=signal_id(identity) if acts else None,
        decided_at=snapshot.observed_at,
    )


def _objection(outlook: Outlook, drawn: Consensus, stale: str | None) -> str | None:
    if stale is not None:
        return stale
    if outlook.late:
        return f"{LATE}: a newer snapshot was judged before this one came"
    if drawn.verdict is not Verdict.ACT:
        return None
    if outlook.state.acted_open_time_ms == outlook.features.newest_open_time_ms:
        return f"{ACTED}: a signal was already made from this candle ({drawn.reason})"
    if outlook.state.standing is drawn.action:
        return f"{STANDING}: {drawn.action} was signalled and still stands ({drawn.reason})"
    return None


def _held_back(drawn: Consensus, objection: str | None) -> Consensus:
    if objection is None:
        return drawn
    return replace(drawn, action=Action.HOLD, verdict=Verdict.HOLD, reason=objection)
