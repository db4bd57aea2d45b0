"""Roles: no primitive ones, no admin of anything, and for a function those of its row alone."""

import re

from tools.plan.finding import Finding
from tools.plan.grants import Grant, authoritative, grants
from tools.plan.made import account, functions
from tools.plan.plan import Plan, finding

_PRIMITIVE = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
_ADMIN = re.compile(r"roles/[a-zA-Z.]*(admin|securityReviewer|\bdeveloper)\b", re.IGNORECASE)
_BY_TERRAFORM = frozenset(
    {"telemetry.tracesWriter", "logging.logWriter", "monitoring.metricWriter"}
)
"""What every function may hold beside its row: to write traces, logs and metrics."""


def no_primitive_role(plan: Plan) -> list[Finding]:
    """Each opens thousands of rights, those of services yet to come too; an admin grants more."""
    return [
        finding(grant.instance, f"{grant.member} must not hold {grant.role}")
        for grant in grants(plan)
        if grant.role in _PRIMITIVE or _ADMIN.fullmatch(grant.role)
    ]


def nothing_replaced(plan: Plan) -> list[Finding]:
    """A whole policy in one resource would take away what Google's own agents hold."""
    return [finding(each, "replaces a whole IAM policy") for each in authoritative(plan)]


def roles_of_the_row(plan: Plan) -> list[Finding]:
    """Over the project a function holds the roles of its row, and no other."""
    held = grants(plan)
    found = []
    for name, each in functions(plan).items():
        spec = plan.pipeline.functions.get(name)
        if spec is None:
            continue
        own = [grant for grant in held if grant.account == account(each) and _over_all(grant)]
        has = {grant.role.removeprefix("roles/") for grant in own if not grant.permissions}
        allowed = {*spec.roles, *_BY_TERRAFORM}
        found += [
            finding(grant.instance, f"{name} holds {grant.role}, which its row does not say")
            for grant in own
            if not grant.permissions and grant.role.removeprefix("roles/") not in allowed
        ]
        found += [
            finding(each, f"lacks roles/{role}, which its row says")
            for role in spec.roles
            if role not in has
        ]
    return found


def _over_all(grant: Grant) -> bool:
    return grant.on == "project" and grant.name_prefix is None
