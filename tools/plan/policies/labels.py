"""Labels: what everything costs can be told by them."""

from tools.plan.finding import Finding
from tools.plan.instances import Instance
from tools.plan.plan import Plan, finding
from tools.plan.schema import provider_table

_WANTED = ("app", "environment", "managed_by")
_NOT_OURS = frozenset({"google_monitoring_notification_channel"})
"""Its labels say where it sends; ours are its user_labels."""


def labelled(plan: Plan) -> list[Finding]:
    """Whatever takes labels has ours."""
    found = []
    for each in plan.instances:
        where = _attribute(each)
        given = each.get(where) if where else None
        missing = [name for name in _WANTED if not isinstance(given, dict) or name not in given]
        if where and missing:
            found.append(finding(each, f"{where} must say {', '.join(missing)}"))
    return found


def _attribute(each: Instance) -> str | None:
    fields = provider_table()["resources"].get(each.kind, {})
    if "user_labels" in fields:
        return "user_labels"
    return "labels" if "labels" in fields and each.kind not in _NOT_OURS else None
