"""Scheduler jobs: one for each schedule, each with a token."""

from tools.plan.finding import Finding
from tools.plan.instances import Instance
from tools.plan.made import url
from tools.plan.plan import Plan, finding
from tools.plan.policies.subscriptions import token_findings

JOB = "google_cloud_scheduler_job"


def every_schedule_ticks(plan: Plan) -> list[Finding]:
    """In UTC, at the times of pipeline.yaml."""
    waiting = list(plan.pipeline.scheduled())
    found = []
    for each in plan.of(JOB):
        pair = (_called(plan, each), str(each.get("schedule")))
        if pair in waiting:
            waiting.remove((str(pair[0]), pair[1]))
        else:
            found.append(finding(each, f"no function has the schedule {pair[1]!r} at its address"))
        if each.get("time_zone") not in {"Etc/UTC", "UTC"}:
            found.append(finding(each, "must tick in UTC"))
    return found + [
        Finding(where="pipeline.yaml", what=f"functions.{name}", message=f"nothing ticks {cron!r}")
        for name, cron in waiting
    ]


def ticks_with_token(plan: Plan) -> list[Finding]:
    """The push account's, minted for the function that is called."""
    found = []
    for each in plan.of(JOB):
        name = _called(plan, each)
        tokens = each.blocks("http_target", "oidc_token")
        found += token_findings(plan, each, name or "nobody", tokens)
    return found


def _called(plan: Plan, each: Instance) -> str | None:
    """The function whose address a job posts to."""
    uris = [str(target.get("uri")).rstrip("/") for target in each.blocks("http_target")]
    return next((name for name in plan.pipeline.functions if [url(plan, name)] == uris), None)
