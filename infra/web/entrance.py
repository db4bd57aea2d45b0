"""Where requests come in. Public answers that are asked for all the time are given right here."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from infra.web.cors import CrossOrigin
from infra.web.guard import PUBLIC_PATHS, ProblemBoundary


class Entrance:
    """Answers `GET` of some paths with JSON, in the headers and problems of all; the rest goes on.

    Health is asked by probes and dashboards, and the way through an application's routes costs more
    than its answer. The same paths have routes, which describe them in the reference and refuse
    other methods.
    """

    def __init__(self, app: ASGIApp, answers: Mapping[str, Callable[[], Awaitable[bytes]]]) -> None:
        """Raises ValueError: a path that needs a token, which nobody looks at here."""
        closed = answers.keys() - PUBLIC_PATHS
        if closed:
            raise ValueError(f"not open to everybody: {', '.join(sorted(closed))}")
        self._app = app
        self._answers = answers
        self._here = CrossOrigin(ProblemBoundary(self._answer))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_here = (
            scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in self._answers
        )
        await (self._here if is_here else self._app)(scope, receive, send)

    async def _answer(self, scope: Scope, _: Receive, send: Send) -> None:
        body = await self._answers[scope["path"]]()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
