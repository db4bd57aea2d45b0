"""A tree of Terraform, pipeline.yaml and code, expanded as each environment would be."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from tools.plan.finding import Finding
from tools.plan.graph import Graph
from tools.plan.nodes import Expression, Literal, TupleOf
from tools.plan.plan import REPOSITORY, Plan

Policy = Callable[[Plan], list[Finding]]
EVERYTHING: dict[str, Expression] = {
    "alert_emails": TupleOf((Literal("someone@example.com"),)),
    "billing_account": Literal("012345-6789AB-CDEF01"),
    "domain": Literal("app.example.com"),
    "jobs_image": Literal(f"europe-west1-docker.pkg.dev/p/r/jobs@sha256:{'0' * 64}"),
    "paused": Literal(value=False),
    "telegram_chat_id": Literal("-1001"),
}
"""What an operator may turn on besides; with it nothing in the Terraform stays unexpanded."""


class Tree:
    """The repository, or a copy of it in which something is wrong."""

    def __init__(self, root: Path = REPOSITORY) -> None:
        self.root = root
        self._graphs: dict[Plan, Graph] = {}

    @cached_property
    def dev(self) -> Plan:
        return Plan(self.root, "dev")

    @cached_property
    def prod(self) -> Plan:
        return Plan(self.root, "prod")

    @cached_property
    def whole(self) -> Plan:
        """prod with EVERYTHING on."""
        return Plan(self.root, "prod", EVERYTHING)

    @property
    def plans(self) -> Iterator[Plan]:
        """Each is expanded when its turn comes: a tree that is wrong is wrong in the first."""
        yield self.dev
        yield self.prod
        yield self.whole

    @property
    def graphs(self) -> Iterator[Graph]:
        for plan in self.plans:
            if plan not in self._graphs:
                self._graphs[plan] = Graph(plan)
            yield self._graphs[plan]

    def broken(self, policy: Policy) -> list[str]:
        """What breaks it in the first environment in which anything does."""
        for plan in self.plans:
            found = policy(plan)
            if found:
                return sorted({str(each) for each in found})
        return []
