"""A deployment's policy: checked against what the platform allows, and kept version by version."""

from collections.abc import Iterable
from decimal import Decimal

from common.audit import audit_write
from common.books import POLICY_VERSIONS, RISK_LIMITS, Book
from common.config import Settings
from common.contention import retry_on_conflict
from common.documents import create, every, load
from common.domain.agent import Deployment
from common.domain.instrument import Venue
from common.domain.money import plain
from common.domain.policy import Policy, PolicyRules
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE
from common.errors import DeniedError, InvalidInputError
from common.how.policy import policy_of, policy_ref, rules_problem, tighter
from common.ports import Clock, Create, Document, DocumentStore, Instruments, Ref, Update, Where
from common.wire import canonical_json, to_document
from functions.api.policy_payloads import RulesPayload, SetPolicy
from functions.api.records import required

_RULES = "body.rules"


def version_ref(deployment_id: str, version: int) -> Ref:
    return Ref(POLICY_VERSIONS, f"{deployment_id}:{version}")


async def set_policy(
    deployment_id: str,
    wish: SetPolicy,
    *,
    by: str,
    book: Book,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    instruments: Instruments,
) -> Policy:
    """The policy in force from now on. The same rules again make no new version.

    Raises:
        NotFoundError: DEPLOYMENT_NOT_FOUND in this book.
        InvalidInputError: a rule that cannot be kept, above all a limit that is no tighter than
            the platform's; `where` names it.
        DeniedError: POLICY_UNREADABLE, and new rules cannot mend what is stored.
        TransientError: others kept changing it.
    """
    rules = wish.rules.rules()
    place = Ref(book.deployments, deployment_id)
    deployment = await required(store, Deployment, place, "deployment")
    _check_sense(wish.rules, rules)
    _check_venues(wish.rules, deployment)
    await _check_limits(rules, store, settings)
    await _check_symbols(wish.rules, instruments, settings.venues)

    async def once() -> Policy:
        document = await store.get(policy_ref(deployment_id))
        present = policy_of(document)
        if isinstance(present, Policy) and present.rules == rules:
            return present
        if isinstance(present, Policy):
            last = present.version
        else:
            last = await _last_version(store, deployment_id)
        policy = Policy(
            deployment_id=deployment_id,
            version=last + 1,
            rules=rules,
            changed_by=by,
            changed_at=clock.now(),
        )
        version = create(version_ref(deployment_id, policy.version), policy)
        await store.commit([_current(document, policy), version, _audit(policy)])
        return policy

    return await retry_on_conflict(once, what=f"policy of {deployment_id}")


async def get_policy(
    deployment_id: str, version: int | None, *, book: Book, store: DocumentStore
) -> Policy | None:
    """The one in force, or a former version; None where none was ever set.

    Raises NotFoundError: DEPLOYMENT_NOT_FOUND, or POLICY_NOT_FOUND for a version that never was.
    """
    await required(store, Deployment, Ref(book.deployments, deployment_id), "deployment")
    if version is not None:
        return await required(store, Policy, version_ref(deployment_id, version), "policy")
    stored = await load(store, Policy, policy_ref(deployment_id))
    return stored.value if stored else None


def _current(document: Document | None, policy: Policy) -> Create | Update:
    """An update keeps the fields that it does not name: one that we do not know would stay."""
    if document is None:
        return create(policy_ref(policy.deployment_id), policy)
    data = to_document(policy)
    if not document.data.keys() <= data.keys():
        detail = "the stored policy holds fields that this release does not know"
        raise DeniedError("POLICY_UNREADABLE", detail)
    return Update(document.ref, data, document.version)


async def _last_version(store: DocumentStore, deployment_id: str) -> int:
    """From the versions themselves, where the policy in force cannot tell its own."""
    found = every(store, POLICY_VERSIONS, Where("deployment_id", "==", deployment_id))
    numbers = [int(document.ref.id.rpartition(":")[2]) async for document in found]
    return max(numbers, default=0)


def _audit(policy: Policy) -> Create:
    rules = canonical_json(to_document(policy.rules))
    return audit_write(
        "policy-set",
        policy.deployment_id,
        at=policy.changed_at,
        step=policy.version,
        facts={"version": policy.version, "by": policy.changed_by, "rules": rules},
    )


def _check_sense(wish: RulesPayload, rules: PolicyRules) -> None:
    for place, symbol in enumerate(wish.denied_symbols or ()):
        if symbol in (rules.allowed_symbols or ()):
            where = f"{_RULES}.denied_symbols.{place}"
            raise InvalidInputError("it is allowed too", code="POLICY_CONTRADICTORY", where=where)
    problem = rules_problem(rules)
    if problem is not None:  # all else was checked field by field
        where = f"{_RULES}.take_profit"
        raise InvalidInputError(problem, code="POLICY_CONTRADICTORY", where=where)


def _check_venues(wish: RulesPayload, deployment: Deployment) -> None:
    for place, venue in enumerate(wish.allowed_venues or ()):
        if venue not in deployment.enabled_venues:
            detail = "a venue that the deployment has not enabled"
            where = f"{_RULES}.allowed_venues.{place}"
            raise InvalidInputError(detail, code="VENUE_NOT_ENABLED", where=where)


async def _check_limits(rules: PolicyRules, store: DocumentStore, settings: Settings) -> None:
    stored = await load(store, RiskLimits, Ref(RISK_LIMITS, PLATFORM_SCOPE.key))
    order = stored.value.order if stored else None
    deployment = stored.value.deployment if stored else None
    own = settings.limits
    _check_cap(
        "max_order_notional",
        rules.max_order_notional,
        tighter(own.max_notional_per_order, order.max_notional if order else None),
    )
    _check_cap(
        "max_exposure",
        rules.max_exposure,
        tighter(own.max_exposure_per_deployment, deployment.max_exposure if deployment else None),
    )
    _check_cap("max_leverage", rules.max_leverage, deployment.max_leverage if deployment else None)


def _check_cap(field: str, wanted: Decimal | None, most: Decimal | None) -> None:
    if wanted is not None and most is not None and wanted > most:
        detail = f"must be {plain(most)} at most, the platform's limit"
        raise InvalidInputError(detail, code="LIMIT_ABOVE_PLATFORM", where=f"{_RULES}.{field}")


async def _check_symbols(
    wish: RulesPayload, instruments: Instruments, venues: Iterable[Venue]
) -> None:
    """A misspelt symbol would deny nothing. Before any table is loaded nothing can be said."""
    tables = [table for venue in venues if (table := await instruments.table(venue)) is not None]
    if not tables:
        return
    for field in ("allowed_symbols", "denied_symbols"):
        for place, symbol in enumerate(getattr(wish, field) or ()):
            if not any(table.find(symbol) for table in tables):
                where = f"{_RULES}.{field}.{place}"
                raise InvalidInputError("no venue lists it", code="SYMBOL_NOT_LISTED", where=where)
