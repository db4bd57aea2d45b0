"""A deployment with room to trade, at NOON: ETH at 3000, the default limits, nothing held."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.books import ACCOUNTS, DEPLOYMENT_POLICIES, EXPOSURES, MARKET_SNAPSHOTS
from common.config import LimitSettings
from common.documents import Stored
from common.domain.account import Account
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.domain.policy import Policy, PolicyRules
from common.domain.risk_limits import DeploymentLimits, OrderLimits, RiskLimits, TotalLimits
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    agent_scope,
    deployment_scope,
    venue_scope,
)
from common.execution.accounts import open_account
from common.how.effective_limits import NO_RULES, EffectiveLimits, effective
from common.how.kelly import TrackRecord
from common.how.limit_documents import ScopeLimits, default_limits
from common.how.limits import Refusal
from common.how.marks import Mark, mark_of
from common.how.portfolio_state import PortfolioState
from common.how.risk import OrderRisk, assess
from common.how.risk_totals import ScopeTotals
from common.how.trading_state import Standing, TradingState
from common.ports import Document, Ref
from common.wire import to_document
from tests.builders import (
    AGENT_ID,
    DEPLOYMENT_ID,
    NOON,
    a_deployment,
    a_snapshot,
    some_candles,
)

BUY, SELL = OrderSide.BUY, OrderSide.SELL
HL, GMX = Venue.HYPERLIQUID, Venue.GMX
SETTINGS = LimitSettings()
AGENT = agent_scope("v3", AGENT_ID)
DEPLOYMENT = deployment_scope(DEPLOYMENT_ID)
VENUE = venue_scope(HL)


def d(text: object) -> Decimal:
    return Decimal(str(text))


def some_limits(scope: Scope = PLATFORM_SCOPE, /, **blocks: Mapping[str, Any]) -> RiskLimits:
    """The defaults for the platform, nothing for the rest; `order`, `deployment` and `total` may
    be changed by field.
    """
    base = default_limits(SETTINGS, NOON)
    if scope != PLATFORM_SCOPE:
        base = replace(
            base,
            scope=scope.key,
            order=OrderLimits(),
            deployment=DeploymentLimits(),
            total=TotalLimits(),
        )
    changed: dict[str, Any] = {
        name: replace(getattr(base, name), **fields) for name, fields in blocks.items()
    }
    return replace(base, **changed)


def said(limits: RiskLimits) -> ScopeLimits:
    return ScopeLimits(Scope.parse(limits.scope), limits)


def in_force(
    *narrower: RiskLimits, rules: PolicyRules = NO_RULES, **blocks: Any
) -> EffectiveLimits:
    """The platform's limits, with what `narrower` scopes say."""
    by_scope = {limits.scope: said(limits) for limits in narrower}
    venue, agent, deployment = (
        by_scope.get(scope.key, ScopeLimits(scope)) for scope in (VENUE, AGENT, DEPLOYMENT)
    )
    found = effective(
        said(some_limits(**blocks)), venue, agent, deployment, caps=SETTINGS, rules=rules
    )
    assert isinstance(found, EffectiveLimits), found
    return found


def some_marks(**prices: str) -> dict[str, Mark]:
    """Marks that did not move; ETH at 3000 unless told otherwise."""
    asked = {"ETH": "3000", **prices}
    return marks_of(
        *(market(symbol, mark=d(price), closes=(price,) * 3) for symbol, price in asked.items())
    )


def market(symbol: str = "ETH", closes: tuple[str, ...] | None = None, **changes: Any) -> Document:
    """A stored snapshot; with `closes`, of flat candles, the last of which closes as it is seen."""
    if closes is not None:
        candles = some_candles(closes=closes, until=changes.get("observed_at", NOON))
        flat = (replace(each, high=each.close, low=each.close) for each in candles)
        changes["candles"] = tuple(flat)
    snapshot = a_snapshot(symbol, **changes)
    return Document(Ref(MARKET_SNAPSHOTS, symbol), to_document(snapshot), "1")


def marks_of(*documents: Document) -> dict[str, Mark]:
    found = {}
    for document in documents:
        mark = mark_of(document)
        assert mark is not None
        found[mark.symbol] = mark
    return found


def an_account(**changes: Any) -> Account:
    """10,000 in cash."""
    return replace(open_account(a_deployment(), NOON), **changes)


def a_policy(**rules: Any) -> Policy:
    return Policy(
        deployment_id=DEPLOYMENT_ID,
        version=1,
        rules=PolicyRules(**rules),
        changed_by="Ada",
        changed_at=NOON,
    )


def a_state(
    exposure: Exposure | None = None, account: Account | None = None, **changes: Any
) -> PortfolioState:
    state = PortfolioState(
        deployment=a_deployment(),
        symbol="ETH",
        exposure=Stored(Ref(EXPOSURES, DEPLOYMENT_ID), exposure, "1") if exposure else None,
        account=Stored(Ref(ACCOUNTS, DEPLOYMENT_ID), account, "1") if account else None,
        record=TrackRecord(),
        policy=None,
        throttle=None,
        agent_throttle=None,
        market=market(),
        marks=some_marks(),
        standings={
            venue.value: Standing(TradingState.ACTIVE, PLATFORM_SCOPE, "") for venue in (HL, GMX)
        },
        limits={},
        totals={scope.key: ScopeTotals() for scope in (PLATFORM_SCOPE, AGENT, VENUE)},
    )
    return replace(state, **changes)


def holding(**quantities: str) -> Exposure:
    """At Hyperliquid, bought (or sold short) at 3000."""
    exposure = Exposure.empty(DEPLOYMENT_ID)
    for symbol, quantity in quantities.items():
        exposure = exposure.hold(venue=HL, symbol=symbol, signed_qty=d(quantity), price=d(3000))
    return exposure


def reserved(side: OrderSide, quantity: object, **changes: Any) -> Reservation:
    base = Reservation(venue=HL, symbol="ETH", side=side, quantity=d(quantity), price=d(3000))
    return replace(base, **changes)


def an_order(side: OrderSide = BUY, quantity: object = 1, **changes: Any) -> OrderRisk:
    """At 3000, the mark."""
    order = OrderRisk(
        intent_id="int_new", venue=HL, symbol="ETH", side=side, quantity=d(quantity), price=d(3000)
    )
    return replace(order, **changes)


def judged(
    order: OrderRisk | None = None,
    state: PortfolioState | None = None,
    limits: EffectiveLimits | None = None,
    *,
    now: datetime = NOON,
) -> Refusal | None:
    return assess(
        order or an_order(), state or a_state(), limits or in_force(), now=now, settings=SETTINGS
    )


POLICY_REF = Ref(DEPLOYMENT_POLICIES, DEPLOYMENT_ID)
