"""A small Cloud Scheduler over gRPC: generic handlers around the client's own message classes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
from google.cloud.scheduler_v1.types import (
    GetJobRequest,
    Job,
    PauseJobRequest,
    ResumeJobRequest,
    RunJobRequest,
)

SERVICE = "google.cloud.scheduler.v1.CloudScheduler"
RAN_AT = datetime(2026, 11, 20, 8, 0, 0, 250_000, tzinfo=UTC)
NEXT_AT = datetime(2026, 11, 20, 8, 1, tzinfo=UTC)


class CloudSchedulerStandIn:
    """Keeps jobs by full name and, like the real one, refuses to pause what is paused."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.ran: list[str] = []
        self.refusal: grpc.StatusCode | None = None
        """Answer every call with this status instead."""

    def add(self, name: str, schedule: str, **fields: Any) -> None:
        """An enabled job that is due at NEXT_AT, unless `fields` say otherwise."""
        given = {"state": Job.State.ENABLED, "schedule_time": NEXT_AT} | fields
        self.jobs[name] = Job(name=name, schedule=schedule, **given)

    def get(self, request: GetJobRequest, context: Any) -> Job:
        return self._job(request.name, context)

    def pause(self, request: PauseJobRequest, context: Any) -> Job:
        return self._switch(request.name, context, Job.State.ENABLED, Job.State.PAUSED)

    def resume(self, request: ResumeJobRequest, context: Any) -> Job:
        return self._switch(request.name, context, Job.State.PAUSED, Job.State.ENABLED)

    def run(self, request: RunJobRequest, context: Any) -> Job:
        job = self._job(request.name, context)
        job.last_attempt_time = RAN_AT
        self.ran.append(request.name)
        return job

    def _switch(self, name: str, context: Any, before: int, after: int) -> Job:
        job = self._job(name, context)
        if job.state != before:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{name} is {job.state}")
        self.jobs[name] = Job(job, state=after)
        return self.jobs[name]

    def _job(self, name: str, context: Any) -> Job:
        if self.refusal is not None:
            context.abort(self.refusal, "as told")
        if name not in self.jobs:
            context.abort(grpc.StatusCode.NOT_FOUND, name)
        return self.jobs[name]


@contextmanager
def serving_scheduler(stand_in: CloudSchedulerStandIn) -> Iterator[str]:
    """Serve on a free port of loopback; gives `127.0.0.1:PORT`."""
    calls: dict[str, tuple[Any, Any]] = {
        "GetJob": (stand_in.get, GetJobRequest),
        "PauseJob": (stand_in.pause, PauseJobRequest),
        "ResumeJob": (stand_in.resume, ResumeJobRequest),
        "RunJob": (stand_in.run, RunJobRequest),
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            call, request_deserializer=kind.deserialize, response_serializer=Job.serialize
        )
        for name, (call, kind) in calls.items()
    }
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
