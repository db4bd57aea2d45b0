"""What the swarm's four agents have done, from decisions and fills."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from common.books import DECISIONS, FILLS, V3
from common.domain.order import FillRecord
from common.ports import DocumentStore, Query, Ref
from common.reporting.attribution import AgentRecord, agent_records
from common.what.swarm.roster import ROSTER
from common.wire import JsonObject, from_document

FILLS_MAX = 500
RECENT_DECISIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmMember:
    """`health`: HEALTHY answers, ABSTAINING has nothing to say, IDLE was not asked yet."""

    agent_id: str
    name: str
    specialty: str
    record: AgentRecord
    health: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What followed from the last fills: `backers` by signal, `records` by agent."""

    fills: tuple[tuple[str, str], ...] = ()  # id and version of each
    backers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    records: Mapping[str, AgentRecord] = field(default_factory=dict)


_known: WeakKeyDictionary[DocumentStore, _Known] = WeakKeyDictionary()
"""Nothing of it can change but with the fills: a decision never does, nor which one a signal is of.
To read 250 of them, with all their inputs, for each look at the agents would be most of its time.
"""


async def swarm_record(store: DocumentStore) -> list[SwarmMember]:
    records = await _records(store)
    stances = await _stances(store)
    return [
        SwarmMember(
            agent_id=agent.agent_id,
            name=agent.name,
            specialty=agent.specialty,
            record=records[agent.agent_id],
            health=_health(stances.get(agent.agent_id)),
        )
        for agent in ROSTER
    ]


async def _records(store: DocumentStore) -> Mapping[str, AgentRecord]:
    query = Query(FILLS, order_by="recorded_at", descending=True, limit=FILLS_MAX)
    documents = (await store.query(query)).documents[::-1]
    present = tuple((document.ref.id, document.version) for document in documents)
    known = _known.get(store) or _Known()
    if present != known.fills or not known.records:
        fills = [from_document(FillRecord, document.data) for document in documents]
        ids = sorted({record.signal_id for record in fills if record.book == V3.name})
        kept = {each: known.backers[each] for each in ids if each in known.backers}
        backers = kept | await _read_backers(store, [each for each in ids if each not in kept])
        records = agent_records([agent.agent_id for agent in ROSTER], fills, backers)
        known = _known[store] = _Known(fills=present, backers=backers, records=records)
    return known.records


async def _read_backers(store: DocumentStore, ids: list[str]) -> dict[str, tuple[str, ...]]:
    """For each signal of the swarm: the agents that voted for its direction."""
    signals = await store.get_many([Ref(V3.signals, signal_id) for signal_id in ids])
    decided = {
        signal_id: document.data["signal"]["decision_id"]
        for signal_id, document in zip(ids, signals, strict=True)
        if document is not None and document.data["signal"]["decision_id"] is not None
    }
    decisions = await store.get_many([Ref(DECISIONS, key) for key in decided.values()])
    return {
        signal_id: _backers(document.data)
        for signal_id, document in zip(decided, decisions, strict=True)
        if document is not None
    }


def _backers(decision: JsonObject) -> tuple[str, ...]:
    direction = decision["consensus"]["action"]
    return tuple(
        vote["agent"]
        for vote in decision["votes"]
        if vote["stance"] == "VOTED" and vote["action"] == direction
    )


async def _stances(store: DocumentStore) -> dict[str, set[str]]:
    """By agent: how it stood in the latest decisions."""
    query = Query(DECISIONS, order_by="decided_at", descending=True, limit=RECENT_DECISIONS)
    stances: dict[str, set[str]] = {}
    for document in (await store.query(query)).documents:
        for vote in document.data["votes"]:
            stances.setdefault(vote["agent"], set()).add(vote["stance"])
    return stances


def _health(stances: set[str] | None) -> str:
    if not stances:
        return "IDLE"
    return "ABSTAINING" if stances == {"ABSTAINED"} else "HEALTHY"
