"""Audit logs: who read which secret."""

from tools.plan.finding import Finding
from tools.plan.plan import Plan

CONFIG = "google_project_iam_audit_config"
_WATCHED = {"secretmanager.googleapis.com": {"DATA_READ", "DATA_WRITE"}}


def accesses_logged(plan: Plan) -> list[Finding]:
    """Google does not log reads of data unless it is told to."""
    held: dict[str, set[str]] = {}
    for each in plan.of(CONFIG):
        types = {str(block.get("log_type")) for block in each.blocks("audit_log_config")}
        held.setdefault(str(each.get("service")), set()).update(types)
    return [
        Finding(
            where="terraform",
            what=CONFIG,
            message=f"{service} must log {', '.join(sorted(wanted - held.get(service, set())))}",
        )
        for service, wanted in _WATCHED.items()
        if wanted - held.get(service, set())
    ]
