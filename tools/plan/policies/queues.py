"""Queues of later deliveries: each goes to one function, whatever the task says."""

from tools.plan.finding import Finding
from tools.plan.instances import Instance
from tools.plan.made import hyphened, url
from tools.plan.plan import Plan, finding
from tools.plan.policies.subscriptions import token_findings

QUEUE = "google_cloud_tasks_queue"


def expected(plan: Plan) -> dict[str, str]:
    """The function by the queue's name: those that take what somebody delivers later."""
    later = {topic for spec in plan.pipeline.functions.values() for topic in spec.later}
    return {
        f"{hyphened(name)}-later": name
        for topic in later
        for name in plan.pipeline.subscribers(topic)
    }


def every_later_has_a_queue(plan: Plan) -> list[Finding]:
    made = {str(each.get("name")): each for each in plan.of(QUEUE)}
    missing = [
        Finding(where="pipeline.yaml", what=f"functions.{function}", message=f"no queue {name}")
        for name, function in expected(plan).items()
        if name not in made
    ]
    extra = [each for name, each in made.items() if name not in expected(plan)]
    return missing + [finding(each, "nobody delivers later to it") for each in extra]


def queues_override(plan: Plan) -> list[Finding]:
    """The queue says where a task goes and as whom: an enqueuer reaches that function alone."""
    found = []
    for each in plan.of(QUEUE):
        function = expected(plan).get(str(each.get("name")))
        if function is None:
            continue
        if reached(plan, each) != function:
            message = f"its http_target must always override the address with {url(plan, function)}"
            found.append(finding(each, message))
        found += token_findings(plan, each, function, each.blocks("http_target", "oidc_token"))
    return found


def reached(plan: Plan, each: Instance) -> str | None:
    """The one function that every task of the queue goes to; None: where its task says."""
    for block in each.blocks("http_target", "uri_override"):
        fixed = block.get("uri_override_enforce_mode") == "ALWAYS" and block.get("host")
        address = f"{str(block.get('scheme') or 'HTTPS').lower()}://{block.get('host')}"
        if fixed:
            functions = plan.pipeline.functions
            return next((name for name in functions if url(plan, name) == address), None)
    return None
