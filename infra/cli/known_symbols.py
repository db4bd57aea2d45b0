"""Whether anything has a symbol: to halt one that nothing has is most likely a slip of the pen."""

from common.books import BOOKS, VENUE_MARKETS, WATCHED_SYMBOLS
from common.documents import load_many
from common.domain.instrument import ALL_VENUES, InstrumentTable
from common.domain.scope import Scope, ScopeKind
from common.errors import SapphireError
from common.ports import Query, Ref, Where
from infra.bootstrap import Runtime
from infra.cli.running_server import ServerClient


def warning_of_server(server: ServerClient, scope: Scope) -> str:
    """Empty where the symbol is known, where the scope is another, and where nobody can say."""
    if scope.kind is not ScopeKind.SYMBOL:
        return ""
    try:
        known = _known_to(server, scope.name)
    except (SapphireError, AttributeError, KeyError, TypeError):
        return ""  # what was asked for is done; a doubt about its name is no failure
    return "" if known else _warning(scope.name)


async def warning_of_store(runtime: Runtime, scope: Scope) -> str:
    """As `warning_of_server`, of what the store holds."""
    if scope.kind is not ScopeKind.SYMBOL:
        return ""
    known = await _known_here(runtime, scope.name)
    return "" if known else _warning(scope.name)


def _warning(symbol: str) -> str:
    return f"no venue lists {symbol}: see whether you meant another symbol"


def _known_to(server: ServerClient, symbol: str) -> bool:
    config = server.get("/health")["orchestrator"]["config"]
    if symbol in config["symbols"]:
        return True
    held = server.get("/api/portfolio/positions")["positions"]
    if any(position["symbol"] == symbol for position in held):
        return True
    return any(
        instrument["symbol"] == symbol
        for venue in config["venues"]
        for instrument in server.get(f"/api/venues/{venue}")["instruments"]
    )


async def _known_here(runtime: Runtime, symbol: str) -> bool:
    store = runtime.store
    if symbol in runtime.settings.swarm.symbols:
        return True
    if await store.get(Ref(WATCHED_SYMBOLS, symbol)) is not None:
        return True
    tables = await load_many(store, InstrumentTable, [Ref(VENUE_MARKETS, v) for v in ALL_VENUES])
    if any(table is not None and table.value.find(symbol) for table in tables):
        return True
    held = (Where("symbol", "==", symbol),)
    counts = [await store.count(Query(book.positions, held)) for book in BOOKS.values()]
    return any(counts)
