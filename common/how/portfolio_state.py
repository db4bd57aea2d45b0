"""Everything that one decision needs of a deployment and its scopes, read once (I17: its own)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.books import ACCOUNTS, EXPOSURES, MARKET_SNAPSHOTS
from common.config import LimitSettings
from common.documents import Stored, stored_as
from common.domain.account import Account
from common.domain.agent import Deployment
from common.domain.exposure import Exposure
from common.domain.market import MarketSnapshot
from common.domain.policy import Policy
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    agent_scope,
    deployment_scope,
    order_scopes,
    venue_scope,
)
from common.how.effective_limits import NO_RULES, EffectiveLimits, effective
from common.how.kelly import TrackRecord
from common.how.limit_documents import ScopeLimits, limits_ref, read_limits
from common.how.limits import Refusal
from common.how.marks import Mark, mark_of
from common.how.policy import policy_of, policy_ref
from common.how.risk_totals import ScopeTotals, read_totals, totals_refs
from common.how.throttles import OrderThrottle, read_throttle, throttle_ref
from common.how.track_records import read_record, record_refs
from common.how.trading_state import Standing, standing, state_ref
from common.ports import Document, DocumentStore, Ref
from common.wire import from_document


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioState:
    """As it was at one moment; the versions are there for a compare-and-set."""

    deployment: Deployment
    symbol: str
    exposure: Stored[Exposure] | None
    account: Stored[Account] | None
    record: TrackRecord  # of the agent, over all its deployments of this one's kind
    policy: Policy | Refusal | None
    throttle: Stored[OrderThrottle] | Refusal | None  # of the deployment and the symbol
    agent_throttle: Stored[OrderThrottle] | Refusal | None  # of the agent and the symbol
    market: Document | None  # the symbol's snapshot, as it is stored
    marks: Mapping[str, Mark]  # of the symbol, and of every held one; where there is a usable one
    standings: Mapping[str, Standing]  # the trading state for an order there, by venue
    limits: Mapping[str, ScopeLimits]  # by scope key
    totals: Mapping[str, ScopeTotals]  # by scope key: the platform, the agent, the venues

    @property
    def held(self) -> Exposure:
        if self.exposure is None:
            return Exposure.empty(self.deployment.deployment_id)
        return self.exposure.value

    def snapshot(self) -> MarketSnapshot | None:
        """The whole of `market`; a millisecond or two, so only where its candles are needed.

        Raises InvalidInputError: it cannot be read.
        """
        return None if self.market is None else from_document(MarketSnapshot, self.market.data)

    def limits_at(self, venue: str, caps: LimitSettings) -> EffectiveLimits | Refusal:
        """Those of an order at `venue`, which must be among the venues that were asked for."""
        own = self.deployment
        return effective(
            self.limits[PLATFORM_SCOPE.key],
            self.limits[venue_scope(venue).key],
            self.limits[agent_scope(own.book, own.agent_id).key],
            self.limits[deployment_scope(own.deployment_id).key],
            caps=caps,
            rules=self.policy.rules if isinstance(self.policy, Policy) else NO_RULES,
        )


async def read_portfolio_state(
    store: DocumentStore,
    *,
    deployment: Deployment,
    symbol: str,
    venues: Sequence[str],
    now: datetime,
) -> PortfolioState:
    """In one read, and a second one for the prices of other symbols that are held.

    Nothing is kept for the next call. Raises InvalidInputError: its exposure or its account cannot
    be read, so nothing can be said of it; TransientError: the store does not answer.
    """
    agent = agent_scope(deployment.book, deployment.agent_id)
    own = deployment_scope(deployment.deployment_id)
    wide = (PLATFORM_SCOPE, agent, *map(venue_scope, venues))
    single = _SingleRefs.of(deployment, symbol)
    record = record_refs(deployment.book, deployment.agent_id, paper=deployment.paper)
    limits = {scope: limits_ref(scope) for scope in (*wide, own)}
    totals = {scope: totals_refs(scope, now) for scope in wide}
    states = order_scopes(
        book=deployment.book,
        agent_id=deployment.agent_id,
        deployment_id=deployment.deployment_id,
        symbol=symbol,
        venues=venues,
    )
    found = await _read(
        store,
        [
            *single.refs,
            *record,
            *limits.values(),
            *(state_ref(scope) for scope in states),
            *(ref for refs in totals.values() for ref in refs),
        ],
    )
    exposure = stored_as(Exposure, found[single.exposure])
    market = found[single.market]
    return PortfolioState(
        deployment=deployment,
        symbol=symbol,
        exposure=exposure,
        account=stored_as(Account, found[single.account]),
        record=read_record([found[ref] for ref in record]),
        policy=policy_of(found[single.policy]),
        throttle=read_throttle(found[single.throttle]),
        agent_throttle=read_throttle(found[single.agent_throttle]),
        market=market,
        marks=await _marks(store, market, symbol, exposure),
        standings=_standings(states, found, venues, now),
        limits={scope.key: read_limits(scope, found[ref]) for scope, ref in limits.items()},
        totals={
            scope.key: read_totals([found[ref] for ref in refs]) for scope, refs in totals.items()
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _SingleRefs:
    exposure: Ref
    account: Ref
    policy: Ref
    throttle: Ref
    agent_throttle: Ref
    market: Ref

    @staticmethod
    def of(deployment: Deployment, symbol: str) -> "_SingleRefs":
        own = deployment.deployment_id
        agent = agent_scope(deployment.book, deployment.agent_id)
        return _SingleRefs(
            exposure=Ref(EXPOSURES, own),
            account=Ref(ACCOUNTS, own),
            policy=policy_ref(own),
            throttle=throttle_ref(deployment_scope(own), symbol),
            agent_throttle=throttle_ref(agent, symbol),
            market=Ref(MARKET_SNAPSHOTS, symbol),
        )

    @property
    def refs(self) -> tuple[Ref, ...]:
        return (
            self.exposure,
            self.account,
            self.policy,
            self.throttle,
            self.agent_throttle,
            self.market,
        )


async def _read(store: DocumentStore, refs: Iterable[Ref]) -> dict[Ref, Document | None]:
    asked = list(dict.fromkeys(refs))
    return dict(zip(asked, await store.get_many(asked), strict=True))


async def _marks(
    store: DocumentStore, market: Document | None, symbol: str, exposure: Stored[Exposure] | None
) -> dict[str, Mark]:
    held = {key.split("|", 1)[1] for key in exposure.value.holdings} if exposure else set()
    others = sorted(held - {symbol})
    documents = [market]
    if others:
        documents += await store.get_many([Ref(MARKET_SNAPSHOTS, each) for each in others])
    marks = (mark_of(document) for document in documents)
    return {mark.symbol: mark for mark in marks if mark is not None}


def _standings(
    states: Sequence[Scope],
    found: Mapping[Ref, Document | None],
    venues: Sequence[str],
    now: datetime,
) -> dict[str, Standing]:
    """Each venue's; what all of them have in common is looked at once."""
    places = [venue_scope(venue) for venue in venues]
    common = [scope for scope in states if scope not in places]
    shared = standing(common, [found[state_ref(scope)] for scope in common], now)
    narrower = shared.scope != PLATFORM_SCOPE  # than a venue: of equals the widest counts
    result = {}
    for scope in places:
        own = standing([scope], [found[state_ref(scope)]], now)
        graver = own.state.severity - shared.state.severity
        result[scope.name] = own if graver > 0 or (graver == 0 and narrower) else shared
    return result
