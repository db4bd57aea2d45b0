"""Buckets: rights by IAM alone, and nothing of them public but the dashboard's files."""

from tools.plan.finding import Finding
from tools.plan.plan import Plan, finding
from tools.plan.policies.world import HOSTING

BUCKET = "google_storage_bucket"


def uniform_access(plan: Plan) -> list[Finding]:
    """Rights of single objects are seen by nobody."""
    return [
        finding(each, "uniform_bucket_level_access must be true")
        for each in plan.of(BUCKET)
        if each.get("uniform_bucket_level_access") is not True
    ]


def kept_private(plan: Plan) -> list[Finding]:
    """Public access is prevented, but for the hosting bucket while a domain serves it."""
    hosted = plan.variable("domain") != ""
    return [
        finding(each, 'public_access_prevention must be "enforced"')
        for each in plan.of(BUCKET)
        if each.get("public_access_prevention") != "enforced"
        and not (hosted and str(each.get("name")).endswith(f"-{HOSTING}"))
    ]
