"""Secrets in Google Secret Manager."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from common.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    TransientError,
)
from infra.secret_names import check_secret, check_value

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient

TIMEOUT_S = 10.0


class SecretManagerStore:
    """`SecretStore` over Secret Manager: versions by number, never "latest".

    Nothing is retried here: the bus delivers again. An `add` whose answer was lost may leave a
    version that nobody refers to.

    Every method raises ConfigurationError when the service account may not, RateLimitedError at the
    quota, and TransientError when Secret Manager does not answer.
    """

    def __init__(
        self, *, project: str, client: "SecretManagerServiceAsyncClient | None" = None
    ) -> None:
        self._project = project
        self._client = client

    async def add(self, name: str, value: bytes) -> str:
        check_secret(name)
        check_value(name, value)
        try:
            return await self._add_version(name, value)
        except (NotFoundError, ConfigurationError):
            # Under a role that is held to names, what is not there may be answered "denied".
            await self._create_secret(name)
            return await self._add_version(name, value)

    async def access(self, name: str, version: str) -> bytes:
        check_secret(name, version)
        path = f"{self._path(name)}/versions/{version}"
        with _translated(f"version {version} of secret {name}"):
            answer = await self._connected().access_secret_version(
                name=path, retry=None, timeout=TIMEOUT_S
            )
        return bytes(answer.payload.data)

    async def disable(self, name: str, version: str) -> None:
        check_secret(name, version)
        path = f"{self._path(name)}/versions/{version}"
        with _translated(f"version {version} of secret {name}"):
            await self._connected().disable_secret_version(name=path, retry=None, timeout=TIMEOUT_S)

    async def _add_version(self, name: str, value: bytes) -> str:
        with _translated(f"secret {name}"):
            made = await self._connected().add_secret_version(
                request={"parent": self._path(name), "payload": {"data": value}},
                retry=None,
                timeout=TIMEOUT_S,
            )
        return made.name.rpartition("/")[2]

    async def _create_secret(self, name: str) -> None:
        from google.api_core.exceptions import AlreadyExists

        with _translated(f"secret {name}"):
            try:
                await self._connected().create_secret(
                    request={
                        "parent": f"projects/{self._project}",
                        "secret_id": name,
                        "secret": {"replication": {"automatic": {}}},
                    },
                    retry=None,
                    timeout=TIMEOUT_S,
                )
            except AlreadyExists:
                return  # another call made it: all that is wanted

    def _path(self, name: str) -> str:
        return f"projects/{self._project}/secrets/{name}"

    def _connected(self) -> "SecretManagerServiceAsyncClient":
        if self._client is None:
            from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient

            self._client = SecretManagerServiceAsyncClient()
        return self._client


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Google's errors as ours; their texts stay behind, so that no request shows in a log."""
    from google.api_core import exceptions as google
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (google.NotFound, google.FailedPrecondition):
        raise NotFoundError(f"{what} does not exist or is disabled") from None
    except (google.Forbidden, google.Unauthenticated):
        raise ConfigurationError(
            f"{what}: this service account lacks the role in Secret Manager"
        ) from None
    except google.InvalidArgument:
        raise InvalidInputError("Secret Manager refuses the request", where=what) from None
    except google.ResourceExhausted:
        raise RateLimitedError(f"{what}: Secret Manager's quota is used up") from None
    except google.GoogleAPICallError as error:
        raise TransientError(f"{what}: Secret Manager: {type(error).__name__}") from None
    except GoogleAuthError as error:
        raise ConfigurationError(
            f"{what}: no usable Google credentials ({type(error).__name__})"
        ) from None
