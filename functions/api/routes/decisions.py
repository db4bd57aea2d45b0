"""The swarm's decisions: votes, weights, inputs, reasons."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as QueryParameter

from common.books import DECISIONS
from common.errors import NotFoundError
from common.ports import Query, Ref, Where
from common.wire import JsonObject
from infra.web.fields import Symbol
from infra.web.requests import Cursor, Limit, RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["decisions"], route_class=StrictRoute)

_SUMMARY = (
    "decision_id",
    "agent_id",
    "tick_id",
    "symbol",
    "votes",
    "consensus",
    "signal_id",
    "decided_at",
)


@router.get("/api/decisions")
async def latest(
    runtime: RuntimeOf,
    symbol: Annotated[Symbol | None, QueryParameter()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JsonObject:
    """The newest first, without the inputs."""
    where = (Where("symbol", "==", symbol),) if symbol else ()
    page = await runtime.store.query(
        Query(DECISIONS, where, order_by="decided_at", descending=True, limit=limit, cursor=cursor)
    )
    return {
        "decisions": [{name: item.data[name] for name in _SUMMARY} for item in page.documents],
        "next_cursor": page.next_cursor,
    }


@router.get("/api/decisions/{id}")
async def get(id: RecordId, runtime: RuntimeOf) -> JsonObject:  # noqa: A002 - the path's word
    """One decision with everything it was made from; `sapphire replay` makes it again."""
    document = await runtime.store.get(Ref(DECISIONS, id))
    if document is None:
        raise NotFoundError("no such decision", code="DECISION_NOT_FOUND")
    decision = document.data
    return {
        **decision,
        "weights": decision["inputs"]["weights"],
        "reasons": {vote["agent"]: vote["reasons"] for vote in decision["votes"]},
    }
