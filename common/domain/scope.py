"""What a limit or a trading state speaks of: the platform, a venue, an agent, a deployment ..."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from common.domain.identifiers import ID_PATTERN
from common.errors import InvalidInputError


class ScopeKind(StrEnum):
    PLATFORM = "platform"
    VENUE = "venue"
    AGENT = "agent"
    DEPLOYMENT = "deployment"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Scope:
    """`name` is empty for the platform; an agent's has its book before it: `v3:agt_...`."""

    kind: ScopeKind
    name: str = ""

    @property
    def key(self) -> str:
        """The id of the documents about it: `platform`, `venue:GMX`, `agent:v3:agt_...`."""
        return f"{self.kind}:{self.name}" if self.name else self.kind.value

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.kind} {self.name}" if self.name else "the platform"

    @staticmethod
    def parse(key: str) -> "Scope":
        """What `key` wrote. Raises InvalidInputError."""
        kind, bar, name = key.partition(":")
        is_platform = kind == ScopeKind.PLATFORM and not bar
        if not is_platform and not (kind in _NAMED and ID_PATTERN.fullmatch(name)):
            detail = "must be platform, or venue, agent, deployment or symbol and a name behind it"
            raise InvalidInputError(detail, code="INVALID_SCOPE", where="scope")
        return Scope(ScopeKind(kind), name)


PLATFORM_SCOPE = Scope(ScopeKind.PLATFORM)
_NAMED = frozenset(ScopeKind) - {ScopeKind.PLATFORM}


def venue_scope(venue: str) -> Scope:
    return Scope(ScopeKind.VENUE, str(venue))


def agent_scope(book: str, agent_id: str) -> Scope:
    return Scope(ScopeKind.AGENT, f"{book}:{agent_id}")


def deployment_scope(deployment_id: str) -> Scope:
    return Scope(ScopeKind.DEPLOYMENT, deployment_id)


def symbol_scope(symbol: str) -> Scope:
    return Scope(ScopeKind.SYMBOL, symbol)


def order_scopes(
    *, book: str, agent_id: str, deployment_id: str, symbol: str, venues: Iterable[str]
) -> tuple[Scope, ...]:
    """Every scope that an order at one of `venues` is within, the widest first."""
    return (
        PLATFORM_SCOPE,
        *(venue_scope(venue) for venue in venues),
        agent_scope(book, agent_id),
        deployment_scope(deployment_id),
        symbol_scope(symbol),
    )
