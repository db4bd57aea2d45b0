"""Who holds which role on what, read from every resource of the plan that grants one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.plan.instances import Instance
from tools.plan.plan import Plan
from tools.plan.values import Value, elements

_GRANTING = re.compile(r"google_(.+)_iam_(member|binding)")
_TARGETS = ("topic", "subscription", "secret_id", "service_account_id", "bucket", "cloud_function")
_WORLD = ("allUsers", "allAuthenticatedUsers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    member: str  # serviceAccount:E-MAIL, allUsers ...
    role: str  # roles/run.invoker, or projects/P/roles/ID of a custom one
    on: str  # the kind of thing: project, pubsub_topic, secret_manager_secret ...
    target: str  # its short name; of a service account the e-mail
    condition: str | None
    permissions: tuple[str, ...]  # of a custom role of this plan; else none are told here
    instance: Instance

    @property
    def public(self) -> bool:
        return self.member in _WORLD

    @property
    def account(self) -> str:
        """The e-mail of a service account; else the member as it is."""
        return self.member.removeprefix("serviceAccount:")

    @property
    def name_prefix(self) -> str | None:
        """P, where its condition is `resource.name.startsWith("projects/N/secrets/P")`, no more."""
        before, mark, after = (self.condition or "").partition('resource.name.startsWith("')
        name, quote, rest = after.partition('")')
        simple = not before.strip() and mark and quote and not rest.strip()
        return name.partition("/secrets/")[2] or None if simple else None


def grants(plan: Plan) -> list[Grant]:
    """Every grant. Resources that replace a whole policy are `authoritative`, and none of these."""
    custom = {
        str(each.attribute("name")): tuple(map(str, elements(each.get("permissions") or [])))
        for each in plan.of("google_project_iam_custom_role")
    }
    return [grant for each in plan.instances for grant in _grants(each, custom)]


def authoritative(plan: Plan) -> list[Instance]:
    """What takes away the rights that anybody else granted; nothing of it is read here."""
    return [each for each in plan.instances if each.kind.endswith("_iam_policy")]


def _grants(each: Instance, custom: dict[str, tuple[str, ...]]) -> Iterator[Grant]:
    found = _GRANTING.fullmatch(each.kind)
    if found is None:
        return
    members = [each.get("member")] if found[2] == "member" else each.get("members")
    role = str(each.get("role"))
    conditions = each.blocks("condition") if "condition" in each.configured() else []
    for member in elements(members):
        yield Grant(
            member=str(member),
            role=role,
            on=found[1],
            target=_target(each),
            condition=str(conditions[0].get("expression")) if conditions else None,
            instance=each,
            permissions=custom.get(role, ()),
        )


def _target(each: Instance) -> str:
    names: list[Value] = [each.get(name) for name in (*_TARGETS, "name", "repository")]
    given = next((str(name) for name in names if name is not None), "")
    return given.rpartition("/")[2] or str(each.get("project"))
