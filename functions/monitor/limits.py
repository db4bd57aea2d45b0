"""The limits of many accounts: what several of them share is read once a tick."""

from collections.abc import Sequence

from common.domain.account import Account
from common.domain.scope import PLATFORM_SCOPE, Scope, agent_scope, deployment_scope
from common.how.effective_limits import NO_RULES, EffectiveLimits, effective
from common.how.limit_documents import ScopeLimits, limits_ref, read_limits
from common.how.limits import Refusal
from common.how.policy import policy_of, policy_ref
from common.ports import Document, Ref
from functions.monitor.desk import Desk


class LimitBook:
    """Of one tick: the platform's limits and the agents' are as they were when first asked for."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shared: dict[Scope, ScopeLimits] = {}

    async def of(self, accounts: Sequence[Account]) -> dict[str, EffectiveLimits | None]:
        """By deployment id, in one read; None where there are none.

        Raises TransientError: the store does not answer.
        """
        wide = {PLATFORM_SCOPE, *(_agent(each) for each in accounts)} - self._shared.keys()
        shared = sorted(wide, key=lambda scope: scope.key)
        ids = [each.deployment_id for each in accounts]
        asked = [
            *(limits_ref(scope) for scope in shared),
            *(limits_ref(deployment_scope(each)) for each in ids),
            *(policy_ref(each) for each in ids),
        ]
        read = dict(zip(asked, await self._desk.store.get_many(asked), strict=True))
        self._shared |= {scope: read_limits(scope, read[limits_ref(scope)]) for scope in shared}
        return {each.deployment_id: self._effective(each, read) for each in accounts}

    def _effective(
        self, account: Account, read: dict[Ref, Document | None]
    ) -> EffectiveLimits | None:
        own = deployment_scope(account.deployment_id)
        policy = policy_of(read[policy_ref(account.deployment_id)])
        found = effective(
            self._shared[PLATFORM_SCOPE],
            ScopeLimits(PLATFORM_SCOPE),  # of no venue: none of them speaks of losses
            self._shared[_agent(account)],
            read_limits(own, read[limits_ref(own)]),
            caps=self._desk.settings.limits,
            rules=NO_RULES if policy is None or isinstance(policy, Refusal) else policy.rules,
        )
        return None if isinstance(found, Refusal) else found


def _agent(account: Account) -> Scope:
    return agent_scope(account.book, account.agent_id)
