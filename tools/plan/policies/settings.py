"""Functions' environment: what the code asks for, and nothing that is a secret."""

import re
from collections.abc import Iterator

from common.config import load_settings
from common.errors import ConfigurationError
from tools.plan.finding import Finding
from tools.plan.instances import Instance
from tools.plan.made import functions, push_email, settings, url
from tools.plan.plan import Plan, finding

KEY_LIKE = {
    "a private key": re.compile(r"(0[xX])?[0-9a-fA-F]{64}"),
    "a PEM": re.compile(r"-----BEGIN [A-Z ]+-----"),
    "a bot's token": re.compile(r"\b[0-9]{6,12}:[A-Za-z0-9_-]{30,}"),
    "a JWT": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    "a Google API key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),
    "a seed phrase": re.compile(r"[a-z]{3,8}( [a-z]{3,8}){11,23}"),
}


def no_key_in_environment(plan: Plan) -> list[Finding]:
    """The environment reaches every child process, crash report and viewer of the console."""
    found = []
    for each in plan.instances:
        for name, value in _environment(each):
            for what, pattern in KEY_LIKE.items():
                if pattern.search(value):
                    found.append(finding(each, f"{name} looks like {what}"))
    return found


def _environment(each: Instance) -> Iterator[tuple[str, str]]:
    for name, value in settings(each).items():
        yield name, str(value)
    for block in each.blocks("template", "template", "containers", "env"):
        yield str(block.get("name")), str(block.get("value"))


def taken_by_the_code(plan: Plan) -> list[Finding]:
    """The code's own check of its settings takes each environment, in the cloud's store and bus."""
    found = []
    for name, each in functions(plan).items():
        values = {key: str(value) for key, value in settings(each).items()}
        wanted = {
            "GOOGLE_CLOUD_PROJECT": str(plan.module.project()),
            "SAPPHIRE_STORE": "firestore",
            "SAPPHIRE_BUS": "pubsub",
            "SAPPHIRE_PUSH_AUDIENCE": url(plan, name),
            "SAPPHIRE_PUSH_SERVICE_ACCOUNT": push_email(plan),
        }
        found += [
            finding(each, f"{key} must be {value}, not {values.get(key)}")
            for key, value in wanted.items()
            if values.get(key) != value
        ]
        try:
            load_settings({key: _applied(value) for key, value in values.items()})
        except ConfigurationError as error:
            found.append(finding(each, f"the code refuses its environment: {error}"))
    return found


def _applied(value: str) -> str:
    return value.replace("<project number>", "123456789012")
