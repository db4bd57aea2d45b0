"""What everybody may reach."""

from tools.plan.finding import Finding
from tools.plan.grants import grants
from tools.plan.made import functions, public
from tools.plan.plan import Plan, finding

INVOKERS = ("roles/run.invoker", "roles/cloudfunctions.invoker")
SERVICES = (
    "cloud_run_v2_service",
    "cloud_run_service",
    "cloudfunctions2_function",
    "cloudfunctions_function",
)
HOSTING = "dashboard"


def public_only_where_said(plan: Plan) -> list[Finding]:
    """`allUsers` calls the functions with `http: public`, reads the dashboard, and nothing else."""
    open_services = {
        str(each.get("name")) for name, each in functions(plan).items() if public(plan, name)
    }
    found = []
    for grant in grants(plan):
        if grant.member != "allUsers":
            continue
        called = grant.on in SERVICES and grant.role in INVOKERS and grant.target in open_services
        hosted = grant.on == "storage_bucket" and grant.role == "roles/storage.objectViewer"
        if not called and not (hosted and grant.target.endswith(f"-{HOSTING}")):
            found.append(finding(grant.instance, f"everybody has {grant.role} on {grant.target}"))
    return found


def no_all_authenticated(plan: Plan) -> list[Finding]:
    """Whoever has any Google account at all: everybody, by another name."""
    return [
        finding(grant.instance, f"anybody with a Google account has {grant.role}")
        for grant in grants(plan)
        if grant.member == "allAuthenticatedUsers"
    ]
