"""The budget: somebody is told before a month is dear."""

from tools.plan.finding import Finding
from tools.plan.plan import Plan, finding
from tools.plan.values import number

BUDGET = "google_billing_budget"


def budgeted(plan: Plan) -> list[Finding]:
    """Where a billing account is named: an amount, and thresholds up to all of it."""
    if plan.variable("billing_account") == "":
        return []
    made = plan.of(BUDGET)
    if not made:
        return [Finding(where="terraform", what=BUDGET, message="there is none")]
    found = []
    for each in made:
        shares = [number(rule.get("threshold_percent")) for rule in each.blocks("threshold_rules")]
        if not shares or min(shares) >= 1 or 1 not in shares:
            found.append(finding(each, "must tell of a part of the amount, and of all of it"))
        if not each.blocks("amount", "specified_amount"):
            found.append(finding(each, "must name an amount"))
    return found
