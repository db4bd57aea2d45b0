"""What the swarm's four agents have done, from decisions and fills."""

from dataclasses import dataclass

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


async def swarm_record(store: DocumentStore) -> list[SwarmMember]:
    query = Query(FILLS, order_by="recorded_at", descending=True, limit=FILLS_MAX)
    page = await store.query(query)
    fills = [from_document(FillRecord, document.data) for document in reversed(page.documents)]
    supporters = await _supporters(store, fills)
    records = agent_records([agent.agent_id for agent in ROSTER], fills, supporters)
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


async def _supporters(store: DocumentStore, fills: list[FillRecord]) -> dict[str, list[str]]:
    """For each signal of the swarm: the agents that voted for its direction."""
    ids = sorted({record.signal_id for record in fills if record.book == V3.name})
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


def _backers(decision: JsonObject) -> list[str]:
    direction = decision["consensus"]["action"]
    return [
        vote["agent"]
        for vote in decision["votes"]
        if vote["stance"] == "VOTED" and vote["action"] == direction
    ]


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
