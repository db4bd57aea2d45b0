"""Limits where no server runs: read from the store that the next start would use, and set in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.books import BOOKS
from common.config import Settings
from common.documents import load
from common.domain.agent import Deployment
from common.domain.money import parse_decimal
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE, Scope, ScopeKind, agent_scope
from common.errors import DeniedError, RejectedError
from common.how.limit_changes import Wish, change_limits, every_limits
from common.how.limit_documents import ScopeLimits, default_limits
from common.ports import DocumentStore, Ref
from common.wire import JsonObject
from infra.cli.limits_fields import BLOCKS
from infra.cli.offline_runtime import opened
from infra.local.store.sqlite import STORE_FILE


@dataclass(frozen=True, slots=True)
class Found:
    """What stands (None: nothing, or what `problem` says), and what a platform begins with.

    `said` is what each scope says, by its key; `scopes` are those that hold for the one asked for.
    """

    limits: RiskLimits | None
    defaults: RiskLimits
    problem: str = ""
    said: Mapping[str, ScopeLimits] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()


async def stored_limits(settings: Settings, scope: Scope) -> Found:
    """Looking makes no store."""
    defaults = default_limits(settings.limits, datetime.now(UTC))
    if settings.store == "sqlite" and not (Path(settings.data_dir) / STORE_FILE).exists():
        return Found(None, defaults)
    async with opened(settings) as runtime:
        said = {each.scope.key: each for each in await every_limits(runtime.store)}
        scopes = scopes_of(scope, await _agent_of(scope, runtime.store))
    read = said.get(scope.key, ScopeLimits(scope))
    return Found(read.value, defaults, read.problem, said, scopes)


def scopes_of(scope: Scope, agent: Scope | None) -> tuple[Scope, ...]:
    """The platform, the scope's agent, and the scope."""
    return tuple(dict.fromkeys(each for each in (PLATFORM_SCOPE, agent, scope) if each))


async def _agent_of(scope: Scope, store: DocumentStore) -> Scope | None:
    if scope.kind is not ScopeKind.DEPLOYMENT:
        return None
    for book in BOOKS.values():
        stored = await load(store, Deployment, Ref(book.deployments, scope.name))
        if stored is not None:
            return agent_scope(book.name, stored.value.agent_id)
    return None


async def write_limits(settings: Settings, wish: JsonObject) -> RiskLimits:
    """The same body as POST /api/ops/limits takes. People hear of it once it runs.

    Raises:
        InvalidInputError, NotFoundError: limits that nobody may set; the message names them.
        RejectedError: what stands cannot be read, nor mended by a change.
    """
    asked = Wish(
        scope=Scope.parse(wish["scope"]),
        changes={block: _exact(wish[block]) for block in BLOCKS if block in wish},
        reason=wish["reason"],
        by=wish["by"],
    )
    async with opened(settings) as runtime:
        try:
            changed, _ = await change_limits(
                asked, store=runtime.store, clock=runtime.clock, settings=settings.limits
            )
        except DeniedError as error:
            raise RejectedError(error.code, error.message) from None
    return changed


def _exact(value: object) -> Any:
    """Decimal text as Decimals, at every depth."""
    if isinstance(value, dict):
        return {name: _exact(member) for name, member in value.items()}
    return parse_decimal(value) if isinstance(value, str) else value
