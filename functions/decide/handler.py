"""The swarm decides: one decision for each symbol of a tick, and a signal where it acts."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.audit import audit_write
from common.books import DECISIONS, INDICATOR_STATES, V3
from common.config import VERSION, Settings
from common.domain.decision import Decision, DecisionInputs
from common.domain.events import MarketUpdated, OutboxMessage
from common.domain.identifiers import indicator_state_id
from common.domain.market import MarketSnapshot
from common.domain.moment import from_iso, iso
from common.domain.money import plain
from common.domain.signal import (
    PositionSide,
    RiskModel,
    Signal,
    SignalRecord,
    SignalStatus,
    SizeModel,
    SizeType,
)
from common.domain.vote import Action, Stance
from common.errors import ConflictError, InvalidInputError
from common.how.limits import price_age_max
from common.messages import signal_message
from common.outbox import outbox_write
from common.ports import Clock, Create, Document, DocumentStore, Ref, Update, Write
from common.what.swarm.cycle import Outlook, conclude, decision_id, look, stale_reason
from common.what.swarm.roster import NAMES, ROSTER, collect_votes
from common.wire import to_document

ATTEMPTS = 5
WRITES_PER_COMMIT = 400
WRITES_PER_SYMBOL = 5  # decision, indicator state, signal, its audit row, outbox
SIGNAL_REASONS_MAX = 5


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What one symbol adds to the commit, and the message that goes out once it holds."""

    snapshot: MarketSnapshot
    writes: tuple[Write, ...]
    message: OutboxMessage | None


async def decide(
    event: MarketUpdated, *, store: DocumentStore, clock: Clock, settings: Settings
) -> list[OutboxMessage]:
    """Record a decision for every snapshot of the tick; return the signals' messages.

    All symbols of a tick are written in one commit (in several when there are over 80). A decision
    that is already there is left alone and its message returned again, so a redelivery changes
    nothing. An event that comes late is recorded as HOLD from the candles it carries: acting on a
    price that a newer event has replaced is wrong, and so is moving the indicators back.

    Raises:
        ConflictError: others kept changing the same symbols; deliver again.
        InvalidInputError: a symbol twice in one event, or an unknown interval.
        ConfigurationError: weights or thresholds that cannot be used.
    """
    _require_distinct(event)
    messages: dict[str, OutboxMessage] = {}
    pending: Sequence[MarketSnapshot] = event.snapshots
    conflict: ConflictError | None = None
    for _ in range(ATTEMPTS):
        judgements = await _judge(event, pending, store, clock, settings)
        pending, conflict = await _commit(store, judgements, messages)
        if not pending:
            break
    if conflict is not None:
        raise conflict
    symbols = (snapshot.symbol for snapshot in event.snapshots)
    return [messages[symbol] for symbol in symbols if symbol in messages]


def _require_distinct(event: MarketUpdated) -> None:
    symbols = [snapshot.symbol for snapshot in event.snapshots]
    for symbol in set(symbols):
        if symbols.count(symbol) > 1:
            raise InvalidInputError(f"{symbol} is there twice", where="snapshots")


async def _judge(
    event: MarketUpdated,
    snapshots: Sequence[MarketSnapshot],
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
) -> list[_Judgement]:
    """Read what is stored of all symbols at once and decide on each."""
    agent_id = settings.swarm.agent_id
    decisions = [
        Ref(DECISIONS, decision_id(agent_id, event.tick_id, snapshot.symbol))
        for snapshot in snapshots
    ]
    states = [
        Ref(INDICATOR_STATES, indicator_state_id(agent_id, snapshot.symbol, snapshot.interval))
        for snapshot in snapshots
    ]
    documents = await store.get_many([*decisions, *states])
    judgements = []
    for place, snapshot in enumerate(snapshots):
        stored = documents[place]
        if stored is not None:
            judgements.append(_Judgement(snapshot, (), _message_again(stored)))
            continue
        remembered = documents[len(snapshots) + place]
        outlook, decision = await _decide_one(event, snapshot, remembered, clock, settings)
        writes: list[Write] = [Create(decisions[place], to_document(decision))]
        if not outlook.late:
            writes.append(_state_write(states[place], remembered, outlook, decision))
        message = None
        if decision.signal_id is not None:
            message = signal_message(V3.name, decision.signal_id, created_at=decision.decided_at)
            record = _record(decision, decision.signal_id, settings)
            writes.append(Create(Ref(V3.signals, decision.signal_id), to_document(record)))
            writes.append(_audit_write(decision, decision.signal_id))
            writes.append(outbox_write(message))
        judgements.append(_Judgement(snapshot, tuple(writes), message))
    return judgements


async def _decide_one(
    event: MarketUpdated,
    snapshot: MarketSnapshot,
    remembered: Document | None,
    clock: Clock,
    settings: Settings,
) -> tuple[Outlook, Decision]:
    swarm = settings.swarm
    inputs = DecisionInputs(
        snapshot=snapshot,
        indicator_state=remembered.data["state"] if remembered else None,
        weights=dict(swarm.weights),
        threshold_act=swarm.threshold_act,
        threshold_hold=swarm.threshold_hold,
        code_version=VERSION,
    )
    outlook = look(inputs.indicator_state, snapshot)
    votes = await collect_votes(ROSTER, outlook.features, snapshot, swarm.agent_timeout_s)
    decision = conclude(
        outlook,
        votes,
        agent_id=swarm.agent_id,
        tick_id=event.tick_id,
        inputs=inputs,
        stale=_stale(snapshot, clock, settings),
    )
    return outlook, decision


def _stale(snapshot: MarketSnapshot, clock: Clock, settings: Settings) -> str | None:
    age_max = price_age_max(snapshot.interval, settings.limits)
    if clock.now() - snapshot.observed_at <= age_max:
        return None
    return stale_reason(age_max.total_seconds())


def _state_write(
    ref: Ref, remembered: Document | None, outlook: Outlook, decision: Decision
) -> Create | Update:
    """`state` is what the next tick reads; the fields beside it say the same to a person."""
    indicators = outlook.state.indicators
    data = {
        "agent_id": decision.agent_id,
        "symbol": decision.symbol,
        "interval": decision.inputs.snapshot.interval,
        "state": outlook.state.to_json(),
        "warm": indicators.is_warm,
        "candles": indicators.count,
        "last_open_time_ms": indicators.last_open_time_ms,
        "updated_at": iso(decision.decided_at),
    }
    return Update(ref, data, remembered.version) if remembered else Create(ref, data)


def _audit_write(decision: Decision, signal: str) -> Create:
    facts = {
        "decision_id": decision.decision_id,
        "symbol": decision.symbol,
        "action": decision.consensus.action.value,
        "score": plain(decision.consensus.score),
    }
    return audit_write("signal-created", signal, at=decision.decided_at, step=0, facts=facts)


def _message_again(stored: Document) -> OutboxMessage | None:
    """The message of a decision made before: same id, same bytes."""
    signal = stored.data["signal_id"]
    if not signal:
        return None
    return signal_message(V3.name, signal, created_at=from_iso(stored.data["decided_at"]))


def _record(decision: Decision, signal: str, settings: Settings) -> SignalRecord:
    """Times come from the decision, so a second run of the same tick writes the same bytes."""
    swarm = settings.swarm
    is_buy = decision.consensus.action is Action.BUY
    return SignalRecord(
        signal=Signal(
            signal_id=signal,
            book=V3.name,
            agent_id=decision.agent_id,
            symbol=decision.symbol,
            side=PositionSide.LONG if is_buy else PositionSide.SHORT,
            size_model=SizeModel(type=SizeType.PERCENTAGE, value=swarm.size_percentage),
            risk_model=RiskModel(type="trailing-stop", stop=swarm.stop_percentage),
            confidence=abs(decision.consensus.score),
            reasons=_reasons(decision),
            decision_id=decision.decision_id,
            reference_price=decision.inputs.snapshot.mark,
            created_at=decision.decided_at,
            expires_at=decision.decided_at + swarm.signal_ttl,
        ),
        status=SignalStatus.PENDING,
        reason_code="CREATED",
        reason=decision.consensus.reason,
        deployments_expected=None,
        outcomes={},
        final_venue=None,
        routing_history=(),
    )


def _reasons(decision: Decision) -> tuple[str, ...]:
    """Top reasons of those who agree: everyone's first, the weightiest agent's before others'."""
    weights = decision.inputs.weights
    agreed = [
        vote
        for vote in decision.votes
        if vote.stance is Stance.VOTED and vote.action is decision.consensus.action
    ]
    agreed.sort(key=lambda vote: -vote.confidence * weights[vote.agent])
    ranked = [
        f"{NAMES.get(vote.agent, vote.agent)}: {vote.reasons[rank]}"
        for rank in range(SIGNAL_REASONS_MAX)
        for vote in agreed
        if rank < len(vote.reasons)
    ]
    return tuple(ranked[:SIGNAL_REASONS_MAX])


async def _commit(
    store: DocumentStore, judgements: Sequence[_Judgement], messages: dict[str, OutboxMessage]
) -> tuple[list[MarketSnapshot], ConflictError | None]:
    """Commit in chunks that fit; return the symbols where someone was quicker, to decide again."""
    again: list[MarketSnapshot] = []
    conflict: ConflictError | None = None
    size = WRITES_PER_COMMIT // WRITES_PER_SYMBOL
    for start in range(0, len(judgements), size):
        chunk = judgements[start : start + size]
        writes = [write for judgement in chunk for write in judgement.writes]
        try:
            if writes:
                await store.commit(writes)
        except ConflictError as error:
            conflict = error
            again.extend(judgement.snapshot for judgement in chunk)
            continue
        for judgement in chunk:
            if judgement.message is not None:
                messages[judgement.snapshot.symbol] = judgement.message
    return again, conflict
