"""What every request passes before its route: problems, time, token, body. Plain ASGI."""

import asyncio
import logging
from weakref import WeakKeyDictionary

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.errors import SapphireError, UnauthenticatedError
from common.ports import DocumentStore
from infra import bootstrap
from infra.gcp.logging import log_event
from infra.web.access import Access
from infra.web.body import MAX_BYTES, parse_json
from infra.web.pages import DOCS
from infra.web.platform import caller_address, on_cloud_run
from infra.web.problems import Problem, problem_of

PUBLIC_PATHS = frozenset({"/", "/health"})
"""Open to everybody: the front page and health. No state of a user."""

SIGN_IN_PATH = "/docs"
"""A browser cannot send the token with its first request: it gets the page, which asks for it."""

JSON_KEY = "sapphire.json"
PRINCIPAL_KEY = "sapphire.principal"
ACCESS_KEY = "sapphire.access"
BODY_TIMEOUT_S = 20.0
REQUEST_TIMEOUT_S = 55.0
"""Below the function's own 60 s, behind which Cloud Run would say 504 without a reason."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
        b" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_log = logging.getLogger("sapphire.api")


class ProblemBoundary:
    """Outermost: turns what was raised into a problem document, and adds the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                more = (*_HEADERS, _HSTS) if on_cloud_run() else _HEADERS
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        try:
            await self._app(scope, receive, guarded_send)
        except SapphireError as error:
            if started:
                raise
            await answer(error, scope, receive, guarded_send)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            problem = Problem(500, "INTERNAL", "an unexpected error; see the log")
            await problem.response()(scope, receive, guarded_send)


async def answer(error: SapphireError, scope: Scope, receive: Receive, send: Send) -> None:
    await told(error, method=scope["method"], path=scope["path"]).response()(scope, receive, send)


def told(error: SapphireError, *, method: str, path: str) -> Problem:
    """The problem document of `error`; what our side has to mend is logged."""
    problem = problem_of(error)
    if problem.status >= 500:
        _log.error("%s %s: %s: %s", method, path, type(error).__name__, error)
    return problem


class TimeLimit:
    """Ends a request that takes too long. What it had committed by then stands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = asyncio.timeout(REQUEST_TIMEOUT_S if scope["type"] == "http" else None)
        try:
            async with limit:
                await self._app(scope, receive, send)
        except TimeoutError:
            if not limit.expired():
                raise
            detail = "it took too long, and may have been done all the same; look before you repeat"
            raise Problem(504, "REQUEST_TIMEOUT", detail) from None


class Authentication:
    """Lets a request pass that is public, or bears the token of a principal."""

    def __init__(self, app: ASGIApp, urgent: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._app = app
        self._urgent = urgent
        # One a store: in the cloud that is one a process, in tests each has its own.
        self._access: WeakKeyDictionary[DocumentStore, Access] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PUBLIC_PATHS:
            await self._app(scope, receive, send)
            return
        runtime = bootstrap.current()
        access = self._access.get(runtime.store)
        if access is None:
            access = self._access[runtime.store] = Access()
        scope[ACCESS_KEY] = access
        address = caller_address(scope)
        try:
            scope[PRINCIPAL_KEY] = await access.principal_of(
                scope["headers"],
                runtime,
                address=address,
                urgent=(scope["method"], scope["path"]) in self._urgent,
            )
        except UnauthenticatedError as error:
            if scope["path"] == SIGN_IN_PATH and _reads_html(scope) and not _tries_token(scope):
                await _sign_in_page()(scope, receive, send)
                return
            access.failed(address)
            _tell_failure(scope, error)
            raise
        await self._app(scope, receive, send)


def _tries_token(scope: Scope) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])


def _tell_failure(scope: Scope, error: UnauthenticatedError) -> None:
    """The line that the alert on failed sign-ins counts."""
    log_event(
        logging.WARNING,
        "auth failure",
        function="api",
        code="UNAUTHENTICATED",
        status=401,
        step=scope["method"],
        reason=str(error),
    )


def _reads_html(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _sign_in_page() -> HTMLResponse:
    """401 with the reference page, which holds no data and asks for the token."""
    return HTMLResponse(DOCS, status_code=401, headers={"www-authenticate": "Bearer"})


class StrictBody:
    """Reads a body within its bounds and parses it once, strictly, before any route sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        _check_length(headers.get(b"content-length", b"0"))
        raw = await _read(receive)
        if raw:
            _check_media(headers)
            scope[JSON_KEY] = parse_json(raw)
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": raw, "more_body": False}

        await self._app(scope, replay, send)


def _check_media(headers: dict[bytes, bytes]) -> None:
    kind, _, parameters = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
    if kind.strip() != "application/json":
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "send Content-Type: application/json")
    if "charset" in parameters and "utf-8" not in parameters:
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "JSON is UTF-8")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Problem(415, "UNSUPPORTED_ENCODING", "send the body uncompressed")


def _check_length(declared: bytes) -> None:
    if declared.isdigit() and int(declared[:20]) > MAX_BYTES:
        raise _too_large()


async def _read(receive: Receive) -> bytes:
    """The whole body, chunked or not; stops at the first byte too many."""
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "DISCONNECTED", "the body ended early")
                raw += message.get("body", b"")
                if len(raw) > MAX_BYTES:
                    raise _too_large()
                if not message.get("more_body", False):
                    return bytes(raw)
    except TimeoutError:
        raise Problem(408, "BODY_TIMEOUT", "the body took too long") from None


def _too_large() -> Problem:
    return Problem(413, "BODY_TOO_LARGE", f"a body holds {MAX_BYTES} bytes at most")
