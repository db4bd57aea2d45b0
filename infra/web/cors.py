"""Cross-origin requests: from the origins of the settings alone, and never with cookies."""

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.errors import SapphireError
from infra import bootstrap
from infra.web.problems import Problem

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key,"
    " Wallet-Message, Wallet-Signature",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = b"Retry-After, Idempotency-Replayed, WWW-Authenticate"


class CrossOrigin:
    """Answers a browser's preflight, which bears no token, and says who may read an answer.

    Outermost, so that a page may read problems too. The origin itself is named, never `*`, and
    credentials are not allowed: the token comes in a header that a page must have been given.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope, b"origin") if scope["type"] == "http" else ""
        if not origin:
            await self._app(scope, receive, send)
            return
        allowed = origin in _origins()
        is_preflight = scope["method"] == "OPTIONS" and bool(
            _header(scope, b"access-control-request-method")
        )
        if is_preflight and not allowed:
            detail = "pages of this origin may not use the API"
            await Problem(403, "ORIGIN_NOT_ALLOWED", detail).response()(scope, receive, send)
            return
        if not allowed:
            await self._app(scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"access-control-allow-origin", origin.encode("latin-1")),
                    (b"access-control-expose-headers", _EXPOSED),
                    (b"vary", b"Origin"),
                ]
            await send(message)

        if is_preflight:
            await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, telling)
            return
        await self._app(scope, receive, telling)


def _origins() -> tuple[str, ...]:
    """None while the settings are wrong: what comes next says so."""
    try:
        return bootstrap.current().settings.cors_origins
    except SapphireError:
        return ()


def _header(scope: Scope, name: bytes) -> str:
    """The one value; "" where there is none, or several."""
    given = [value for header, value in scope["headers"] if header == name]
    return str(given[0].decode("latin-1")) if len(given) == 1 else ""
