"""A small Cloud Tasks over gRPC: generic handlers around the client's own message classes.

Its queues have an HTTP target, as ours do: where a task goes and with whose token is the queue's.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.cloud.tasks_v2.types import CreateTaskRequest, HttpTarget, Task

SERVICE = "google.cloud.tasks.v2.CloudTasks"
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
AHEAD_MAX = timedelta(days=30)
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")


class CloudTasksStandIn:
    """Keeps tasks by full name and, like the real one, takes a name once, also after its run.

    The caller may enqueue, and act as no service account: a task that names one is refused.
    """

    def __init__(self, targets: Mapping[str, HttpTarget]) -> None:
        """`targets` by queue."""
        self.targets = dict(targets)
        self.tasks: dict[str, Task] = {}
        self.taken: set[str] = set()
        self.calls = 0
        self.refusals: deque[grpc.StatusCode] = deque()
        """Answer the next calls with these instead."""
        self.lost_answers = 0
        """So many of the next tasks are created, and their callers told that nobody answered."""

    def create(self, request: CreateTaskRequest, context: Any) -> Task:
        self.calls += 1
        if self.refusals:
            context.abort(self.refusals.popleft(), "as told")
        if request.parent not in self.targets:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.parent} does not exist")
        task = request.task
        parent, _, task_id = task.name.partition("/tasks/")
        if parent != request.parent or not _TASK_ID.fullmatch(task_id):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the name {task.name}")
        if "oidc_token" in task.http_request or "oauth_token" in task.http_request:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "iam.serviceAccounts.actAs")
        if task.schedule_time and task.schedule_time > NOW + AHEAD_MAX:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "more than 30 days ahead")
        if task.name in self.taken:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, task.name)
        self.taken.add(task.name)
        self.tasks[task.name] = task
        if self.lost_answers:
            self.lost_answers -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        return task

    def run_all(self) -> list[Task]:
        """Take what is scheduled, in the order of its time, as if all of it were done."""
        done = sorted(self.tasks.values(), key=lambda task: task.schedule_time or NOW)
        self.tasks.clear()
        return [self._dispatched(task) for task in done]

    def _dispatched(self, task: Task) -> Task:
        """As it is sent: the queue's host and token, whatever the task says."""
        target = self.targets[task.name.partition("/tasks/")[0]]
        task.http_request.url = f"https://{target.uri_override.host}/"
        task.http_request.oidc_token = target.oidc_token
        return task


@contextmanager
def serving_tasks(stand_in: CloudTasksStandIn) -> Iterator[str]:
    """Serve on a free port of loopback; gives `127.0.0.1:PORT`."""
    handler = grpc.unary_unary_rpc_method_handler(
        stand_in.create,
        request_deserializer=CreateTaskRequest.deserialize,
        response_serializer=Task.serialize,
    )
    handlers = {"CreateTask": handler}
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
