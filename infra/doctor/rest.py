"""Google's REST APIs over httpx, as whoever is signed in here: application default credentials."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from common.errors import ConfigurationError, TransientError
from infra.doctor.target import LookError

if TYPE_CHECKING:
    import httpx
    from google.auth.credentials import Credentials

_SCOPE = "https://www.googleapis.com/auth/cloud-platform.read-only"
_SIGN_IN = "run `gcloud auth application-default login`"
_TIMEOUT_S = 20.0
_TEXT_MAX = 300


class GoogleRest:
    """A `Cloud`. `base` puts a stand-in in Google's place: https://HOST/PATH is asked at
    `base`/HOST/PATH, with `token`.
    """

    def __init__(self, project: str, *, base: str | None = None, token: str | None = None) -> None:
        self._project = project
        self._base = base
        self._token = token
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Raises ConfigurationError without usable credentials."""
        import httpx

        if self._token is None:
            self._token = await asyncio.to_thread(self._sign_in)
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def get(self, url: str, **query: str) -> Mapping[str, Any]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "x-goog-user-project": self._project,
        }
        response = await self._ask(self._place(url), headers, query, of=urlsplit(url).netloc)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise TransientError(f"{urlsplit(url).netloc} answered {response.status_code}, no JSON")
        if response.status_code == 200:
            return answer
        if response.status_code == 429 or response.status_code >= 500:
            raise TransientError(f"{urlsplit(url).netloc} answered {response.status_code}")
        raise _refused(answer, response.status_code)

    async def status_of(self, url: str) -> int:
        try:
            return (await self._ask(url, {}, {}, of=urlsplit(url).netloc)).status_code
        except TransientError:
            return 0

    async def _ask(
        self, url: str, headers: Mapping[str, str], query: Mapping[str, str], *, of: str
    ) -> "httpx.Response":
        import httpx

        if self._http is None:
            raise RuntimeError("GoogleRest is used outside its `async with`")
        try:
            return await self._http.get(url, headers=dict(headers), params=dict(query))
        except httpx.HTTPError as error:
            told = str(error) or type(error).__name__
            raise TransientError(f"{of} cannot be reached: {told}") from None

    def _place(self, url: str) -> str:
        return url if self._base is None else f"{self._base}/{url.removeprefix('https://')}"

    def _sign_in(self) -> str:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        try:
            credentials: Credentials
            credentials, _ = google.auth.default(scopes=[_SCOPE])
            credentials.refresh(Request())  # type: ignore[no-untyped-call] # Google's, unannotated
        except GoogleAuthError as error:
            first = str(error).partition("\n")[0][:_TEXT_MAX]
            raise ConfigurationError(
                f"no usable Google credentials: {_SIGN_IN} ({first})"
            ) from None
        return str(credentials.token)


def _refused(answer: Mapping[str, Any], status: int) -> LookError:
    """Google's error body: {"error": {"code", "message", "status", "details": [{"reason"}]}}."""
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    details = [each for each in error.get("details") or () if isinstance(each, dict)]
    reasons = [str(each["reason"]) for each in details if "reason" in each]
    message = str(error.get("message") or f"answered {status}")[:_TEXT_MAX]
    return LookError(message, status=status, reason=reasons[0] if reasons else "")
