"""What the last gate reads anew of the limits: the documents, the totals and the messages.

The order is written ahead by then, so all three have it in them. What is above its limit is
refused; so two orders that are too much together never both pass (risk_totals.py), nor two
messages (message_counts.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from common.config import LimitSettings
from common.domain.scope import PLATFORM_SCOPE, Scope, agent_scope, deployment_scope, venue_scope
from common.how.effective_limits import effective
from common.how.limit_documents import limits_ref, read_limits
from common.how.limits import Refusal
from common.how.message_counts import check_rate, count_refs, read_count
from common.how.risk_totals import check_totals, read_totals, totals_refs
from common.ports import Document, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """Of one order at one venue. `at` is the time of reading."""

    book: str
    agent_id: str
    deployment_id: str
    venue: str
    at: datetime

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Those that have limits, the widest first; a message counts in each of them."""
        return (
            PLATFORM_SCOPE,
            venue_scope(self.venue),
            agent_scope(self.book, self.agent_id),
            deployment_scope(self.deployment_id),
        )

    @property
    def refs(self) -> tuple[Ref, ...]:
        """To be read together with whatever else the gate reads."""
        *wider, _ = scopes = self.scopes
        return (
            *(limits_ref(scope) for scope in scopes),
            *(ref for scope in scopes for ref in count_refs(scope, self.at)),
            *(ref for scope in wider for ref in totals_refs(scope, self.at)),
        )

    def refusal(
        self, documents: Sequence[Document | None], *, adds: bool, settings: LimitSettings
    ) -> Refusal | None:
        """Why the order may not go; `documents` are those of `refs`, in order.

        `adds`: it does more than to make a position smaller. What does not is still refused where
        there are no limits, or too many messages.
        """
        found = dict(zip(self.refs, documents, strict=True))
        *wider, deployment = scopes = self.scopes
        limits = effective(
            *(read_limits(scope, found[limits_ref(scope)]) for scope in scopes), caps=settings
        )
        if isinstance(limits, Refusal):
            return limits
        counts = {
            scope.key: read_count([found[ref] for ref in count_refs(scope, self.at)], self.at)
            for scope in scopes
        }
        too_many = check_rate(counts, limits, deployment, counted=True)
        if too_many is not None or not adds:
            return too_many
        totals = {
            scope.key: read_totals([found[ref] for ref in totals_refs(scope, self.at)])
            for scope in wider
        }
        return check_totals(totals, limits)
