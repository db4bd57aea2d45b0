"""The functions as Cloud Run would load them, called in process or served on ports of their own."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import main
from common.ports import TokenVerifier
from common.wire import JsonObject
from infra.bootstrap import Runtime, use
from infra.local.stack.asgi_call import Answer, post
from infra.local.stack.server import AsgiApp

_SOURCE = str(Path(main.__file__).resolve())


class Functions:
    """Each function's ASGI app, made at its first use by the Functions Framework itself."""

    def __init__(self, runtime: Runtime, token: str) -> None:
        self.runtime = runtime
        self.token = token
        self._query = urlencode({"token": token})
        self._apps: dict[str, AsgiApp] = {}

    def app(self, name: str) -> AsgiApp:
        """The app of one function, which runs on this stack's runtime."""
        app = self._apps.get(name)
        if app is None:
            app = self._apps[name] = _on_runtime(_framework_app(name), self.runtime)
        return app

    def locked_app(self, name: str, verifier: TokenVerifier) -> AsgiApp:
        """The app of one function, with a lock of its own instead of the stack's token."""
        return _on_runtime(_framework_app(name), replace(self.runtime, verifier=verifier))

    async def post(self, name: str, body: JsonObject) -> Answer:
        """Call a function's entry point as the push subscription or the scheduler would."""
        content = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        host = f"{name.replace('_', '-')}.local"
        return await post(self.app(name), content, query=self._query, host=host)


def _framework_app(name: str) -> AsgiApp:
    from functions_framework.aio import create_asgi_app

    app: AsgiApp = create_asgi_app(  # type: ignore[no-untyped-call]  # ships no annotations
        name, _SOURCE, "http"
    )
    return app


def _on_runtime(app: AsgiApp, runtime: Runtime) -> AsgiApp:
    async def called(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        with use(runtime):
            await app(scope, receive, send)

    return called
