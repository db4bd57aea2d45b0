"""pipeline.yaml and the Terraform say the same: nothing missing, nothing more."""

from collections.abc import Iterable

from tools.plan.finding import Finding
from tools.plan.made import functions
from tools.plan.plan import Plan
from tools.plan.policies.dead_letters import dead_letter_topics


def functions_made(plan: Plan) -> list[Finding]:
    return _compared("functions", plan.pipeline.functions, functions(plan))


def topics_made(plan: Plan) -> list[Finding]:
    dead = {str(each.get("name")) for each in dead_letter_topics(plan)}
    made = {str(each.get("name")) for each in plan.of("google_pubsub_topic")} - dead
    return _compared("topics", plan.pipeline.topics, made)


def secrets_made(plan: Plan) -> list[Finding]:
    """Those with a prefix are made while the system runs."""
    wanted = [name for name, spec in plan.pipeline.secrets.items() if spec.prefix is None]
    made = [str(each.get("secret_id")) for each in plan.of("google_secret_manager_secret")]
    return _compared("secrets", wanted, made)


def _compared(what: str, wanted: Iterable[str], made: Iterable[str]) -> list[Finding]:
    wished, there = set(wanted), set(made)
    missing = [(name, "Terraform makes none") for name in sorted(wished - there)]
    extra = [(name, "Terraform makes one that is not here") for name in sorted(there - wished)]
    return [
        Finding(where="pipeline.yaml", what=f"{what}.{name}", message=message)
        for name, message in [*missing, *extra]
    ]
