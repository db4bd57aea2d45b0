"""Secrets: pinned versions, no value in the state, and each right for a name."""

import re

from tools.plan.finding import Finding
from tools.plan.grants import grants
from tools.plan.made import functions, settings
from tools.plan.plan import Plan, finding

_PINNED = re.compile(r"[A-Za-z0-9_-]{1,200}:[1-9][0-9]{0,8}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_HARMLESS = frozenset({"secretmanager.secrets.create"})
"""What is a right over the project and opens no secret: to make an empty one."""


def pinned_versions(plan: Plan) -> list[Finding]:
    """`latest` would change the key of a running system without a deployment."""
    found = []
    for each in functions(plan).values():
        values = settings(each)
        for name, value in values.items():
            if name.endswith("_SECRET") and not _PINNED.fullmatch(str(value)):
                found.append(finding(each, f"{name} must be NAME:NUMBER of a secret, not {value}"))
        version = str(values.get("SAPPHIRE_KEK_VERSION"))
        if not _NUMBER.fullmatch(version):
            found.append(finding(each, f"SAPPHIRE_KEK_VERSION must be a number, not {version}"))
        mounted = [
            *each.blocks("service_config", "secret_environment_variables"),
            *each.blocks("service_config", "secret_volumes", "versions"),
        ]
        found += [
            finding(each, f"mounts version {block.get('version')}, not a number")
            for block in mounted
            if not _NUMBER.fullmatch(str(block.get("version")))
        ]
    return found


def no_values_in_state(plan: Plan) -> list[Finding]:
    """Terraform's state would hold the value in clear; people add it."""
    return [
        finding(each, "a secret's value must not pass through Terraform")
        for each in plan.of("google_secret_manager_secret_version")
    ]


def bound_by_name(plan: Plan) -> list[Finding]:
    """A role over the project's secrets is held to names that begin in one way."""
    return [
        finding(grant.instance, f"{grant.role} on the whole project opens every secret")
        for grant in grants(plan)
        if grant.on == "project" and not grant.name_prefix and _opens(grant.role, grant.permissions)
    ]


def _opens(role: str, permissions: tuple[str, ...]) -> bool:
    if permissions:
        asked = {each for each in permissions if each.startswith("secretmanager.")}
        return bool(asked - _HARMLESS)
    return role.startswith("roles/secretmanager.")
