"""What an operator may ask of every scheduler."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from common.errors import ConfigurationError, NotFoundError, TransientError
from infra.gcp.scheduler import CloudScheduler
from infra.job_scheduler import JobScheduler, JobState
from infra.local.clock import ManualClock
from infra.local.scheduler import Scheduler
from tests.standins.cloud_scheduler import (
    NEXT_AT,
    RAN_AT,
    CloudSchedulerStandIn,
    serving_scheduler,
)

NOW = datetime(2026, 11, 20, 8, 0, 0, 250_000, tzinfo=UTC)
PARENT = "projects/a-project/locations/europe-west1/jobs"


@dataclass(frozen=True)
class Under:
    """A scheduler with the job `relay` each minute, and the runs it made."""

    scheduler: JobScheduler
    ran: list[str]


@pytest.fixture
def cloud() -> CloudSchedulerStandIn:
    stand_in = CloudSchedulerStandIn()
    stand_in.add(f"{PARENT}/relay", "* * * * *")
    return stand_in


async def _cloud_client(address: str) -> CloudScheduler:
    from google.cloud.scheduler_v1 import CloudSchedulerAsyncClient
    from google.cloud.scheduler_v1.services.cloud_scheduler.transports import (
        CloudSchedulerGrpcAsyncIOTransport,
    )

    transport = CloudSchedulerGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(address))
    client = CloudSchedulerAsyncClient(transport=transport)
    return CloudScheduler(project="a-project", location="europe-west1", client=client)


@pytest.fixture(params=["local", "cloud"])
async def under(request: Any, cloud: CloudSchedulerStandIn) -> AsyncIterator[Under]:
    if request.param == "local":
        ran: list[str] = []

        async def fire(job: str, _: datetime) -> None:
            ran.append(f"{PARENT}/{job}")

        clock = ManualClock(NOW)
        yield Under(Scheduler([("relay", "* * * * *")], clock=clock, fire=fire), ran)
        return
    with serving_scheduler(cloud) as address:
        adapter = await _cloud_client(address)
        yield Under(adapter, cloud.ran)
        await adapter.close()


async def test_job_scheduler_when_asked_then_it_tells_state_schedule_and_next_time(
    under: Under,
) -> None:
    status = await under.scheduler.status("relay")
    assert status.job == "relay"
    assert status.schedules == ("* * * * *",)
    assert status.state is JobState.ENABLED
    assert status.next_at == NEXT_AT
    assert status.last_attempt_at is None
    assert status.last_error == ""


async def test_job_scheduler_when_paused_and_resumed_then_the_state_follows(under: Under) -> None:
    for _ in range(2):  # twice is no error
        await under.scheduler.pause("relay")
        status = await under.scheduler.status("relay")
        assert (status.state, status.next_at) == (JobState.PAUSED, None)
    for _ in range(2):
        await under.scheduler.resume("relay")
        status = await under.scheduler.status("relay")
        assert (status.state, status.next_at) == (JobState.ENABLED, NEXT_AT)
    assert under.ran == []


@pytest.mark.parametrize("paused", [False, True])
async def test_job_scheduler_when_run_now_then_it_fires_once(under: Under, paused: bool) -> None:
    if paused:
        await under.scheduler.pause("relay")
    await under.scheduler.run_now("relay")
    assert under.ran == [f"{PARENT}/relay"]
    assert (await under.scheduler.status("relay")).last_attempt_at == RAN_AT


@pytest.mark.parametrize("verb", ["status", "pause", "resume", "run_now"])
async def test_job_scheduler_when_the_job_is_unknown_then_not_found(
    under: Under, verb: str
) -> None:
    with pytest.raises(NotFoundError, match="no function named nobody has a schedule"):
        await getattr(under.scheduler, verb)("nobody")


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, ConfigurationError),
        (grpc.StatusCode.INTERNAL, TransientError),
    ],
)
async def test_cloud_scheduler_when_refused_then_the_error_says_who_acts(
    cloud: CloudSchedulerStandIn, refusal: grpc.StatusCode, expected: type[Exception]
) -> None:
    cloud.refusal = refusal
    with serving_scheduler(cloud) as address:
        adapter = await _cloud_client(address)
        with pytest.raises(expected, match="cannot run the scheduler job relay"):
            await adapter.run_now("relay")
        await adapter.close()


async def test_cloud_scheduler_when_the_last_attempt_failed_then_the_status_says_so(
    cloud: CloudSchedulerStandIn,
) -> None:
    from google.cloud.scheduler_v1.types import Job

    broken = {"state": Job.State.UPDATE_FAILED, "status": {"code": 13}}
    cloud.add(f"{PARENT}/relay", "* * * * *", **broken)
    with serving_scheduler(cloud) as address:
        adapter = await _cloud_client(address)
        status = await adapter.status("relay")
        await adapter.close()
    assert (status.state, status.last_error) == (JobState.BROKEN, "code 13")
