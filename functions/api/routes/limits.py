"""The risk limits: what each scope says, what comes of it, and how far a change may go."""

from dataclasses import fields
from decimal import Decimal

from fastapi import APIRouter

from common.domain.money import plain
from common.domain.risk_limits import TotalLimits
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.how.effective_limits import EffectiveLimits, effective
from common.how.limit_bounds import bounds
from common.how.limit_changes import Wish, change_limits, every_limits
from common.how.limit_documents import ScopeLimits, default_limits
from common.how.limits import Refusal
from common.wire import JsonObject, to_document
from functions.api.limits_payloads import ChangeLimits
from infra.bootstrap import Runtime
from infra.web.publish import publish
from infra.web.requests import Caller, RuntimeOf, StrictRoute

router = APIRouter(tags=["operations"], route_class=StrictRoute)


@router.get("/api/ops/limits")
async def limits(runtime: RuntimeOf) -> JsonObject:
    """The limits of every scope that has any, the platform's first.

    `effective` holds for an order whose venue, agent and deployment say nothing more; a scope that
    has a `problem` cannot be obeyed, and everything within it is denied. `defaults` are what a
    fresh store begins with; `caps` bound every change.
    """
    found = await every_limits(runtime.store)
    settings = runtime.settings.limits
    caps = {path: to_document(bound) for path, bound in bounds(settings).items()}
    return {
        "limits": [_view(each) for each in found],
        "effective": _effective(found, runtime),
        "defaults": to_document(default_limits(settings, runtime.clock.now())),
        "caps": caps,
    }


@router.post("/api/ops/limits")
async def change(body: ChangeLimits, runtime: RuntimeOf, caller: Caller) -> JsonObject:
    """Change some limits of one scope; null takes one away. Every change is a version of its own.

    The same values again keep the version. No limit may go beyond its cap, and the platform keeps
    its core limits.
    """
    by = caller.acts_as(body.by)
    wish = Wish(scope=body.scope, changes=body.named(), reason=body.reason, by=by)
    changed, messages = await change_limits(
        wish, store=runtime.store, clock=runtime.clock, settings=runtime.settings.limits
    )
    await publish(runtime, messages)
    return to_document(changed)


def _view(each: ScopeLimits) -> JsonObject:
    said = to_document(each.value) if each.value else {"scope": each.scope.key}
    return {**said, "problem": each.problem}


def _effective(found: list[ScopeLimits], runtime: Runtime) -> JsonObject:
    platform = next(
        (each for each in found if each.scope == PLATFORM_SCOPE), ScopeLimits(PLATFORM_SCOPE)
    )
    nothing = ScopeLimits(PLATFORM_SCOPE)
    limits = effective(platform, nothing, nothing, nothing, caps=runtime.settings.limits)
    if isinstance(limits, Refusal):
        return {"code": limits.code.value, "reason": limits.reason}
    return _shown(limits)


def _shown(limits: EffectiveLimits) -> JsonObject:
    return {each.name: _plain(getattr(limits, each.name)) for each in fields(limits)}


def _plain(value: object) -> object:
    """Decimals as text, pairs as lists."""
    match value:
        case Decimal():
            return plain(value)
        case Scope():
            return value.key
        case TotalLimits():
            return to_document(value)
        case tuple():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
    return value
