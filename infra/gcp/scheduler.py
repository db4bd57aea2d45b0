"""Google Cloud Scheduler behind the JobScheduler port. Terraform creates the jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from common.errors import NotFoundError
from infra.gcp.api_errors import told_as_ours
from infra.job_scheduler import JobState, JobStatus

if TYPE_CHECKING:
    from google.cloud.scheduler_v1 import CloudSchedulerAsyncClient
    from google.cloud.scheduler_v1.types import Job

_TIMEOUT_S = 10.0


class CloudScheduler:
    """One job for each scheduled function, of the function's name. Built at the first call."""

    def __init__(
        self, *, project: str, location: str, client: "CloudSchedulerAsyncClient | None" = None
    ) -> None:
        self._parent = f"projects/{project}/locations/{location}"
        self._client = client

    async def status(self, job: str) -> JobStatus:
        return _status(job, await self._get(job))

    async def pause(self, job: str) -> None:
        await self._switch(job, JobState.PAUSED)

    async def resume(self, job: str) -> None:
        await self._switch(job, JobState.ENABLED)

    async def run_now(self, job: str) -> None:
        with _told(job, "run"):
            await self._ready_client().run_job(name=self._path(job), timeout=_TIMEOUT_S)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.transport.close()  # type: ignore[no-untyped-call] # Google's, unannotated

    async def _switch(self, job: str, wanted: JobState) -> None:
        """The API refuses to pause what is paused and to resume what is not: ask first."""
        if (await self.status(job)).state is wanted:
            return
        client = self._ready_client()
        verb, call = (
            ("pause", client.pause_job)
            if wanted is JobState.PAUSED
            else ("resume", client.resume_job)
        )
        with _told(job, verb):
            await call(name=self._path(job), timeout=_TIMEOUT_S)

    async def _get(self, job: str) -> "Job":
        with _told(job, "read"):
            return await self._ready_client().get_job(name=self._path(job), timeout=_TIMEOUT_S)

    def _ready_client(self) -> "CloudSchedulerAsyncClient":
        if self._client is None:
            from google.cloud.scheduler_v1 import CloudSchedulerAsyncClient

            self._client = CloudSchedulerAsyncClient()
        return self._client

    def _path(self, job: str) -> str:
        return f"{self._parent}/jobs/{job}"


@contextmanager
def _told(job: str, verb: str) -> Iterator[None]:
    from google.api_core.exceptions import NotFound

    with told_as_ours(f"{verb} the scheduler job {job}"):
        try:
            yield
        except NotFound as error:
            raise NotFoundError(f"no function named {job} has a schedule") from error


def _status(name: str, job: "Job") -> JobStatus:
    from google.cloud.scheduler_v1.types import Job

    states = {Job.State.ENABLED: JobState.ENABLED, Job.State.PAUSED: JobState.PAUSED}
    state = states.get(job.state, JobState.BROKEN)
    failed = job.status is not None and job.status.code != 0
    return JobStatus(
        job=name,
        schedules=(job.schedule,),
        state=state,
        last_attempt_at=_moment(job.last_attempt_time),
        last_error=(job.status.message or f"code {job.status.code}") if failed else "",
        next_at=_moment(job.schedule_time) if state is JobState.ENABLED else None,
    )


def _moment(stamp: datetime | None) -> datetime | None:
    """The client hands out a datetime of its own kind, with nanoseconds; None when unset."""
    if stamp is None:
        return None
    return datetime.fromtimestamp(int(stamp.timestamp()), UTC).replace(
        microsecond=stamp.microsecond
    )
