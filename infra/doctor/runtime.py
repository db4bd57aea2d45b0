"""What runs: functions and their accounts, the secrets they name, schedules and dead letters."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from infra.doctor.line import Line, fine, missing
from infra.doctor.target import Cloud, Target, found_or_none, listed
from infra.pipeline import load_pipeline

DEAD_LETTERS = "dead-letters"
_PUSH = "sapphire-push"
_WINDOW = timedelta(minutes=10)  # Pub/Sub's figures come a few minutes late


async def accounts(cloud: Cloud, target: Target) -> list[Line]:
    names = [_PUSH, *(f"fn-{_cloud_name(name)}" for name in load_pipeline().functions)]
    url = f"https://iam.googleapis.com/v1/projects/{target.project}/serviceAccounts"
    answer = await listed(cloud, url, "accounts", pageSize="100")
    there = {each["email"] for each in answer if not each.get("disabled")}
    lacking = [name for name in names if target.account(name) not in there]
    if not lacking:
        return [fine("accounts", f"{len(names)} service accounts")]
    return [missing("accounts", f"missing or disabled: {', '.join(lacking)}", target.apply)]


async def functions(cloud: Cloud, target: Target) -> list[Line]:
    there = await _functions(cloud, target)
    names = [_cloud_name(name) for name in load_pipeline().functions]
    lines = []
    if lacking := [name for name in names if name not in there]:
        lines.append(missing("functions", f"not deployed: {', '.join(lacking)}", target.apply))
    for name in names:
        state = there.get(name, {}).get("state", "ACTIVE")
        if state != "ACTIVE":
            look = (
                f"gcloud functions describe {name} --gen2 --region={target.region}"
                f" --project={target.project} --format='value(stateMessages)'"
            )
            lines.append(missing("functions", f"{name} is {state}", look))
    lines = lines or [fine("functions", f"{len(names)} are active")]
    return [*lines, *await _answering(cloud, target, there)]


async def _answering(
    cloud: Cloud, target: Target, there: Mapping[str, Mapping[str, Any]]
) -> list[Line]:
    """The public ones; internal ones answer nobody out here."""
    lines = []
    for name, spec in load_pipeline().functions.items():
        config = there.get(_cloud_name(name), {}).get("serviceConfig", {})
        uri, ingress = config.get("uri"), config.get("ingressSettings", "ALLOW_ALL")
        if uri is None or not any(trigger.http for trigger in spec.triggers):
            continue
        if ingress != "ALLOW_ALL":  # behind a load balancer, it answers at the domain alone
            lines.append(fine("health", f"{name} answers at its domain alone: not asked"))
            continue
        status = await cloud.status_of(f"{uri}/health")
        if status == 200:
            lines.append(fine("health", f"{name} answers"))
            continue
        read = (
            f"gcloud functions logs read {_cloud_name(name)} --gen2 --region={target.region}"
            f" --project={target.project} --min-log-level=warning"
        )
        said = f"answers {status}" if status else "does not answer"
        lines.append(missing("health", f"{name} {said} at {uri}/health", read))
    return lines


async def secrets(cloud: Cloud, target: Target) -> list[Line]:
    """The versions that the deployed functions name, else the first of each single secret. Only
    their state is asked for, never a value.
    """
    single = [name for name, spec in load_pipeline().secrets.items() if spec.prefix is None]
    wanted = _named_versions(await _functions(cloud, target)) or {(name, "1") for name in single}
    lines = []
    for name, version in sorted(wanted):
        url = f"https://secretmanager.googleapis.com/v1/projects/{target.project}/secrets/{name}"
        found = await found_or_none(cloud, f"{url}/versions/{version}")
        state = (found or {}).get("state", "not there")
        if state != "ENABLED":
            add = (
                f"gcloud secrets versions add {name} --data-file=FILE --project={target.project}"
                if found is None
                else f"gcloud secrets versions enable {version} --secret={name}"
                f" --project={target.project}"
            )
            lines.append(missing("secrets", f"version {version} of {name} is {state}", add))
    return lines or [fine("secrets", f"{len(wanted)} named versions are enabled")]


async def schedules(cloud: Cloud, target: Target) -> list[Line]:
    place = f"projects/{target.project}/locations/{target.region}"
    url = f"https://cloudscheduler.googleapis.com/v1/{place}/jobs"
    there = {each["name"].split("/")[-1]: each for each in await listed(cloud, url, "jobs")}
    names = {name for name, _ in load_pipeline().scheduled()}
    where = f"--location={target.region} --project={target.project}"
    lines = []
    if lacking := sorted(names - set(there)):
        lines.append(missing("schedules", f"not there: {', '.join(lacking)}", target.apply))
    stopped = sorted(name for name in names & set(there) if there[name].get("state") != "ENABLED")
    if stopped:
        begin = f"{target.apply} -var=paused=false"
        lines.append(missing("schedules", f"paused: {', '.join(stopped)}", begin))
    for name in sorted(names & set(there)):
        if code := there[name].get("status", {}).get("code"):
            look = f"gcloud scheduler jobs describe {name} {where}"
            lines.append(missing("schedules", f"the last tick of {name} failed, {code}", look))
    return lines or [fine("schedules", f"{len(names)} jobs are enabled")]


async def dead_letters(cloud: Cloud, target: Target) -> list[Line]:
    place = f"projects/{target.project}/subscriptions/{DEAD_LETTERS}"
    if await found_or_none(cloud, f"https://pubsub.googleapis.com/v1/{place}") is None:
        return [missing("dead letters", f"no subscription {DEAD_LETTERS}", target.apply)]
    series = await listed(
        cloud,
        f"https://monitoring.googleapis.com/v3/projects/{target.project}/timeSeries",
        "timeSeries",
        **{
            "filter": 'metric.type = "pubsub.googleapis.com/subscription/num_undelivered_messages"'
            f' AND resource.labels.subscription_id = "{DEAD_LETTERS}"',
            "interval.startTime": (target.now - _WINDOW).isoformat(),
            "interval.endTime": target.now.isoformat(),
        },
    )
    # Points come newest first; a subscription that never had a message has none.
    points = [each["points"][0]["value"] for each in series if each.get("points")]
    waiting = sum(int(value.get("int64Value", 0)) for value in points)
    if not waiting:
        return [fine("dead letters", "none" if points else "none that Monitoring knows of")]
    pull = f"gcloud pubsub subscriptions pull {DEAD_LETTERS} --limit=10 --project={target.project}"
    return [missing("dead letters", f"{waiting} wait for a person (docs/RUNBOOK.md)", pull)]


async def _functions(cloud: Cloud, target: Target) -> dict[str, Mapping[str, Any]]:
    place = f"projects/{target.project}/locations/{target.region}"
    url = f"https://cloudfunctions.googleapis.com/v2/{place}/functions"
    answer = await listed(cloud, url, "functions", pageSize="100")
    return {each["name"].split("/")[-1]: each for each in answer}


def _named_versions(there: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str]]:
    """(secret, version) pairs in the environments of `there`."""
    found = set()
    for function in there.values():
        variables = function.get("serviceConfig", {}).get("environmentVariables", {})
        for name, value in variables.items():
            secret, _, version = value.partition(":")
            if name.endswith("_SECRET") and version:
                found.add((secret, version))
            elif name == "SAPPHIRE_KEK_VERSION":
                found.add(("key-encryption-key", value))
    return found


def _cloud_name(name: str) -> str:
    return name.replace("_", "-")
