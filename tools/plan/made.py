"""Pipeline names beside what the plan makes for them."""

from collections.abc import Mapping

from tools.plan.instances import Instance
from tools.plan.plan import Plan
from tools.plan.values import Value

FUNCTION = "google_cloudfunctions2_function"
PUSH_ACCOUNT = "sapphire-push"


def hyphened(name: str) -> str:
    return name.replace("_", "-")


def functions(plan: Plan) -> dict[str, Instance]:
    """By the entry point, which is the name in pipeline.yaml."""
    found = {}
    for each in plan.of(FUNCTION):
        for build in each.blocks("build_config"):
            found[str(build.get("entry_point"))] = each
    return found


def service(each: Instance) -> Mapping[str, Value]:
    """A function's service_config; empty where it has none."""
    blocks = each.blocks("service_config")
    return blocks[0] if blocks else {}


def settings(each: Instance) -> Mapping[str, Value]:
    """A function's environment."""
    found = service(each).get("environment_variables")
    return found if isinstance(found, Mapping) else {}


def account(each: Instance) -> str:
    """The e-mail that a function runs as; empty where none is said."""
    return str(service(each).get("service_account_email") or "")


def push_email(plan: Plan) -> str:
    return f"{PUSH_ACCOUNT}@{plan.module.project()}.iam.gserviceaccount.com"


def url(plan: Plan, name: str) -> str:
    """A function's own address, which its tokens are minted for."""
    return f"https://{hyphened(name)}-<project number>.{plan.variable('region')}.run.app"


def public(plan: Plan, name: str) -> bool:
    return any(trigger.http == "public" for trigger in plan.pipeline.functions[name].triggers)


def short(reference: Value) -> str:
    """The last part of an id or a name."""
    return str(reference).rpartition("/")[2]
