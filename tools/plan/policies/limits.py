"""Functions: the limits that pipeline.yaml gives reasons for, the way in, and the trigger."""

from collections.abc import Iterator

from tools.plan.finding import Finding
from tools.plan.instances import Instance
from tools.plan.made import functions, hyphened, public, service
from tools.plan.plan import Plan, finding

_PUBLIC_INGRESS = frozenset({"ALLOW_ALL", "ALLOW_INTERNAL_AND_GCLB"})


def limited(plan: Plan) -> list[Finding]:
    """Memory, timeout, instances and concurrency are those of pipeline.yaml; idle costs nothing."""
    return [
        finding(each, message)
        for name, each in functions(plan).items()
        if name in plan.pipeline.functions
        for message in _limits(plan, name, each)
    ]


def _limits(plan: Plan, name: str, each: Instance) -> Iterator[str]:
    spec, config = plan.pipeline.functions[name], service(each)
    wanted = {
        "available_memory": f"{spec.memory_mb}M",
        "timeout_seconds": spec.timeout_s,
        "max_instance_count": spec.max_instances,
        "max_instance_request_concurrency": spec.concurrency or 1,
        "min_instance_count": 0,
    }
    for attribute, value in wanted.items():
        given = config.get(attribute)
        if given != value and (attribute, given) != ("min_instance_count", None):
            yield f"{attribute} must be {value}, as pipeline.yaml says, not {given}"


def one_order_at_a_time(plan: Plan) -> list[Finding]:
    """`execute` sends one order in a process: the next would wait for the venue of another."""
    return [
        finding(each, "must take one request at a time")
        for name, each in functions(plan).items()
        if name == "execute" and service(each).get("max_instance_request_concurrency") != 1
    ]


def internal_but_the_public(plan: Plan) -> list[Finding]:
    """Requests come from inside the project alone, but for the functions with `http: public`."""
    found = []
    for name, each in functions(plan).items():
        ingress = service(each).get("ingress_settings")
        open_to_all = name in plan.pipeline.functions and public(plan, name)
        wanted = _PUBLIC_INGRESS if open_to_all else frozenset({"ALLOW_INTERNAL_ONLY"})
        if ingress not in wanted:
            found.append(finding(each, f"ingress_settings must be {' or '.join(sorted(wanted))}"))
    return found


def called_over_http(plan: Plan) -> list[Finding]:
    """No event trigger: its own subscription would have no dead letters. Named as in the code."""
    found = []
    for name, each in functions(plan).items():
        if "event_trigger" in each.configured():
            found.append(finding(each, "must have no event_trigger: subscriptions are explicit"))
        if each.get("name") != hyphened(name):
            found.append(finding(each, f"must be named {hyphened(name)}"))
    return found
