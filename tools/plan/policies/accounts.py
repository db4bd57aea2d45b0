"""Service accounts: one a function, and no key of any."""

from collections import Counter

from tools.plan.finding import Finding
from tools.plan.made import account, functions, hyphened
from tools.plan.plan import Plan, finding


def own_account(plan: Plan) -> list[Finding]:
    """Each function runs as `fn-<name>`, an account of this plan that nothing else runs as."""
    made = {str(each.attribute("email")) for each in plan.of("google_service_account")}
    jobs = [
        str(template.get("service_account"))
        for each in plan.of("google_cloud_run_v2_job")
        for template in each.blocks("template", "template")
    ]
    used = Counter([*jobs, *(account(each) for each in functions(plan).values())])
    found = []
    for name, each in functions(plan).items():
        email = account(each)
        if email not in made or not email.startswith(f"fn-{hyphened(name)}@"):
            message = (
                f"must run as its own account fn-{hyphened(name)}, not {email or 'the default'}"
            )
            found.append(finding(each, message))
        elif used[email] > 1:
            found.append(finding(each, f"shares the account {email}"))
    return found


def no_account_keys(plan: Plan) -> list[Finding]:
    """A key is a password that never expires; identities are lent instead."""
    return [
        finding(each, "no key of a service account may be made")
        for each in plan.of("google_service_account_key")
    ]
