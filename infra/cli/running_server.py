"""The server that runs here, or that --url names, as commands talk to it."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from common.errors import (
    ConfigurationError,
    InvalidInputError,
    RejectedError,
    TransientError,
    UnauthenticatedError,
)
from infra.cli.data_dirs import candidate_dirs
from infra.local.stack.server_files import kept_token, read_server_note

_DEFAULT_URL = "http://127.0.0.1:8080"
_START = "start it with `make run` or `sapphire run`"


@dataclass(frozen=True, slots=True)
class Server:
    """`data_dir`: where a run on this machine says that it listens there."""

    url: str
    token: str | None
    data_dir: Path | None = None


def find_server(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Server:
    """The first one that runs on this machine, or the one that was named."""
    noted = running_servers(arguments, environ)
    return noted[0] if noted else _unnoted(arguments, environ)


def the_one_server(
    arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> Server:
    """As `find_server`, for what changes something: it must be clear which one is meant.

    Raises:
        InvalidInputError: several run on this machine, and none was named.
    """
    noted = running_servers(arguments, environ)
    if len(noted) > 1:
        urls = ", ".join(server.url for server in noted)
        raise InvalidInputError(f"several Sapphires run here ({urls}): name one with --url")
    return noted[0] if noted else _unnoted(arguments, environ)


def running_servers(
    arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> list[Server]:
    """Those whose notes lie in the data directories; with --url, that one at most."""
    given = environ.get("SAPPHIRE_API_TOKEN") or None
    found: dict[str, Server] = {}
    for data_dir in candidate_dirs(arguments, environ):
        url = read_server_note(data_dir)
        if url is not None and arguments.url in {None, url}:
            found.setdefault(url, Server(url, given or kept_token(data_dir), data_dir))
    return list(found.values())


def _unnoted(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Server:
    port = environ.get("SAPPHIRE_PORT")
    url = arguments.url or (f"http://127.0.0.1:{port}" if port else _DEFAULT_URL)
    given = environ.get("SAPPHIRE_API_TOKEN") or None
    return Server(url.rstrip("/"), given or _first_token(candidate_dirs(arguments, environ)))


def _first_token(dirs: list[Path]) -> str | None:
    return next((token for each in dirs if (token := kept_token(each))), None)


class ServerClient:
    """Asks one server; every answer that is no success becomes an error that says what to do."""

    def __init__(self, server: Server, *, timeout_s: float = 5.0) -> None:
        """Raises ConfigurationError: its address is none."""
        self.url = server.url
        self._timeout_s = timeout_s
        headers = {"authorization": f"Bearer {server.token}"} if server.token else {}
        try:
            self._client = httpx.Client(
                base_url=server.url,
                headers=headers,
                timeout=httpx.Timeout(timeout_s, connect=5.0),
                trust_env=False,
            )
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"--url {server.url}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str) -> dict[str, Any]:
        """Raises as `post`."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """The answer's JSON object.

        Raises:
            RejectedError: the server refuses (409), with its code.
            InvalidInputError: it does not understand us, or has no such thing.
            UnauthenticatedError: our token is missing or wrong.
            TransientError: nothing answers there, or not as a Sapphire does.
        """
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, json=body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConfigurationError(f"--url {self.url}: {error}") from None
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise TransientError(f"no Sapphire answers at {self.url}: {_START}") from None
        except httpx.TransportError as error:
            raise TransientError(self._no_answer(method, path, error)) from None
        if not answer.is_success:
            raise self._error(path, answer)
        return self._object(answer)

    def _no_answer(self, method: str, path: str, error: httpx.TransportError) -> str:
        """What was sent may have been done; a read that went wrong has changed nothing."""
        what = (
            f"within {self._timeout_s:g} s"
            if isinstance(error, httpx.TimeoutException)
            else f"({type(error).__name__})"
        )
        if method == "GET":
            return f"no Sapphire answers at {self.url} {what}: {_START}"
        return (
            f"{self.url}{path} gave no answer {what}; it may have been done all the same:"
            " `sapphire status` shows it, and asking again does no harm"
        )

    def _error(self, path: str, answer: httpx.Response) -> Exception:
        if answer.status_code == 401:
            return UnauthenticatedError(
                f"{self.url} refuses our token: set SAPPHIRE_API_TOKEN, or name its --data-dir"
            )
        problem = _problem(answer)
        code, detail = problem.get("code"), problem.get("detail", "")
        if not isinstance(code, str):
            return TransientError(f"{self.url}{path} answered {answer.status_code}")
        if answer.status_code == 409:
            return RejectedError(code, str(detail))
        if answer.status_code < 500:
            where = str(problem.get("where", ""))
            return InvalidInputError(f"{code}: {detail}", code=code, where=where)
        return TransientError(f"{self.url}{path} answered {answer.status_code} {code}: {detail}")

    def _object(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise TransientError(f"{self.url} is not a Sapphire server")
        return found


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
