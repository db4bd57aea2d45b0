"""Creating and listing agents, in either book."""

from common.audit import audit_write
from common.books import BOOKS, Book
from common.documents import create
from common.domain.agent import Agent, AgentKind, AgentStatus, Weights
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.errors import InvalidInputError
from common.ports import Clock, DocumentStore, Query, Ref, Where
from common.wire import from_document
from functions.api.payloads import CreateAgentV2, CreateAgentV3
from functions.api.records import create_once


async def create_agent(
    wish: CreateAgentV2 | CreateAgentV3,
    *,
    book: Book,
    nonce: str,
    store: DocumentStore,
    clock: Clock,
) -> Agent:
    """A creator agent; the same nonce gives the same agent."""
    now = clock.now()
    venue = wish.venue if isinstance(wish, CreateAgentV2) else None
    agent = Agent(
        agent_id=prefixed_id("agt", book.name, nonce),
        book=book.name,
        kind=AgentKind.CREATOR,
        creator_wallet=wish.creator_wallet,
        name=wish.name,
        venue=Venue(venue or Venue.MULTI),
        status=AgentStatus.ACTIVE,
        x_account_ids=tuple(wish.x_account_ids),
        research_institute_ids=tuple(wish.research_institute_ids),
        weights=Weights(x=wish.weights.x, research=wish.weights.research) if wish.weights else None,
        profit_receiver_address=wish.profit_receiver_address,
        created_at=now,
    )
    ref = Ref(book.agents, agent.agent_id)
    facts = {"book": book.name, "creator_wallet": agent.creator_wallet, "venue": agent.venue.value}
    audit = audit_write("agent-created", agent.agent_id, at=now, step=0, facts=facts)
    kept, _ = await create_once(store, ref, agent, [create(ref, agent), audit])
    return kept


async def list_agents(
    *,
    book: Book,
    store: DocumentStore,
    creator_wallet: str | None = None,
    status: str | None = None,
    limit: int,
    cursor: str | None,
) -> tuple[list[Agent], str | None]:
    """One page in order of id, and the cursor of the next."""
    filters = (("creator_wallet", creator_wallet), ("status", status))
    where = tuple(Where(path, "==", value) for path, value in filters if value is not None)
    page = await store.query(Query(book.agents, where, limit=limit, cursor=cursor))
    agents = [from_document(Agent, document.data) for document in page.documents]
    return agents, page.next_cursor


async def list_all_agents(
    *, store: DocumentStore, limit: int, cursor: str | None
) -> tuple[list[Agent], str | None]:
    """Both books' agents, V3's first. The cursor says in which book the next page begins."""
    names = list(reversed(BOOKS))
    start, _, inner = (cursor or f"{names[0]}~").partition("~")
    if start not in BOOKS:
        raise InvalidInputError("not a cursor of this list", code="INVALID_CURSOR", where="query")
    agents: list[Agent] = []
    for name in names[names.index(start) :]:
        found, onward = await list_agents(
            book=BOOKS[name], store=store, limit=limit - len(agents), cursor=inner or None
        )
        agents += found
        inner = ""
        if onward:
            return agents, f"{name}~{onward}"
        if len(agents) == limit and name != names[-1]:
            return agents, f"{names[names.index(name) + 1]}~"
    return agents, None
