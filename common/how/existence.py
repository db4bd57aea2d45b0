"""Whether there is anything of which a limit or a trading state is to be: else it protects none."""

from common.books import BOOKS, book_named
from common.domain.instrument import ALL_VENUES
from common.domain.scope import Scope, ScopeKind
from common.errors import InvalidInputError, NotFoundError
from common.ports import DocumentStore, Ref


async def require_scope(scope: Scope, store: DocumentStore) -> None:
    """Any symbol may come to be traded, so every one is something.

    Raises:
        InvalidInputError: UNKNOWN_VENUE, INVALID_SCOPE.
        NotFoundError: AGENT_NOT_FOUND, DEPLOYMENT_NOT_FOUND.
    """
    if scope.kind is ScopeKind.VENUE and scope.name not in ALL_VENUES:
        detail = f"must be one of {', '.join(ALL_VENUES)}"
        raise InvalidInputError(detail, code="UNKNOWN_VENUE", where="scope")
    if scope.kind is ScopeKind.AGENT:
        book, _, agent_id = scope.name.partition(":")
        if book not in BOOKS or not agent_id:
            detail = "an agent's has its book before it: agent:v3:agt_..."
            raise InvalidInputError(detail, code="INVALID_SCOPE", where="scope")
        if await store.get(Ref(book_named(book).agents, agent_id)) is None:
            raise NotFoundError("no such agent", code="AGENT_NOT_FOUND")
    if scope.kind is ScopeKind.DEPLOYMENT:
        refs = [Ref(book.deployments, scope.name) for book in BOOKS.values()]
        if not any(await store.get_many(refs)):
            raise NotFoundError("no such deployment", code="DEPLOYMENT_NOT_FOUND")
