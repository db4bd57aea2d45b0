"""One `sapphire doctor`: ask, print a line for each finding, and below it what to type."""

import argparse
import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from common.errors import ConfigurationError, InvalidInputError
from infra.doctor.examine import CHECKS, examine
from infra.doctor.line import Line
from infra.doctor.rest import GoogleRest
from infra.doctor.target import Target
from infra.doctor.this_machine import examine_machine

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_COLUMN = 14


def run_doctor(arguments: argparse.Namespace) -> int:
    """0 nothing is missing, 1 something is.

    Raises:
        ConfigurationError: no project is named, or nobody is signed in.
        InvalidInputError: the project, the region or a check's name cannot be one.
    """
    if arguments.local:
        of, lines = "this machine", examine_machine()
    else:
        target = _target(arguments)
        of, lines = target.project, asyncio.run(_of_cloud(target, _chosen(arguments.only)))
    lacking = [line for line in lines if not line.ok]
    if arguments.json:
        print(json.dumps({"ok": not lacking, "of": of, "lines": [asdict(line) for line in lines]}))
    else:
        _print(lines, of)
    return 1 if lacking else 0


async def _of_cloud(target: Target, names: Sequence[str]) -> list[Line]:
    async with GoogleRest(target.project) as cloud:
        return await examine(cloud, target, names)


def _target(arguments: argparse.Namespace) -> Target:
    project = arguments.project or os.environ.get("GOOGLE_CLOUD_PROJECT")
    if not project:
        raise ConfigurationError("which project: give --project, or set GOOGLE_CLOUD_PROJECT")
    if not _PROJECT.fullmatch(project):
        raise InvalidInputError(f"--project: {project!r} cannot be a project's id")
    if not _REGION.fullmatch(arguments.region):
        raise InvalidInputError(f"--region: {arguments.region!r} is no region like europe-west1")
    return Target(project=project, region=arguments.region, now=datetime.now(UTC))


def _chosen(text: str | None) -> list[str]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in CHECKS:
            raise InvalidInputError(f"--only: {name!r} is none of {', '.join(CHECKS)}")
    return names


def _print(lines: Sequence[Line], of: str) -> None:
    for line in lines:
        print(f"  {'ok' if line.ok else 'MISSING':<8}{line.name:<{_COLUMN}}{line.detail}")
        if line.todo:
            print(f"{'':10}{'':{_COLUMN}}-> {line.todo}")
    lacking = sum(not line.ok for line in lines)
    told = (
        "nothing is missing" if not lacking else f"{lacking} of {len(lines)} lines need something"
    )
    print(f"\n  {of}: {told}")
