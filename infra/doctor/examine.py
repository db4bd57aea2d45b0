"""All checks of a project, each on its own: what one of them cannot see is a line of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from common.errors import TransientError
from infra.doctor.database import database, indexes
from infra.doctor.foundations import billing, project, services, state
from infra.doctor.line import Line, missing
from infra.doctor.runtime import accounts, dead_letters, functions, schedules, secrets
from infra.doctor.target import Cloud, LookError, Target

Check = Callable[[Cloud, Target], Awaitable[list[Line]]]
CHECKS: dict[str, Check] = {
    "project": project,
    "billing": billing,
    "services": services,
    "state": state,
    "accounts": accounts,
    "secrets": secrets,
    "database": database,
    "indexes": indexes,
    "functions": functions,
    "schedules": schedules,
    "dead-letters": dead_letters,
}


async def examine(cloud: Cloud, target: Target, names: Sequence[str] = ()) -> list[Line]:
    """The lines of the checks that `names` names, else of all, in their order."""
    chosen = {name: check for name, check in CHECKS.items() if not names or name in names}
    found = await asyncio.gather(
        *(_look(name, check, cloud, target) for name, check in chosen.items())
    )
    return [line for lines in found for line in lines]


async def _look(name: str, check: Check, cloud: Cloud, target: Target) -> list[Line]:
    title = name.replace("-", " ")
    try:
        return await check(cloud, target)
    except LookError as error:
        return [missing(title, f"cannot be seen: {error}", _mend(error, target))]
    except TransientError as error:
        return [missing(title, f"cannot be seen now: {error}", "sapphire doctor, once more")]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        text = f"an answer of another shape than is known ({type(error).__name__}: {error})"
        return [missing(title, text, "look in the console, and tell the maintainers")]


def _mend(error: LookError, target: Target) -> str:
    if error.reason == "SERVICE_DISABLED":
        named = [api for api in error.args[0].split() if api.endswith(".googleapis.com")]
        return f"gcloud services enable {named[0] if named else 'API'} --project={target.project}"
    if error.status == 401:
        return "gcloud auth application-default login"
    return (
        f"gcloud projects add-iam-policy-binding {target.project}"
        " --member=user:YOU --role=roles/viewer"
    )
