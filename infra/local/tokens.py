"""Push calls proved by a token that both sides know: in the embedded stack they are one process.

Beside the emulators tokens are signed, as in the cloud: infra/local/stack/signed_pushes.py.
"""

from collections.abc import Mapping

from common.errors import UnauthenticatedError
from infra.bearer import bearer_token, same_token


class SharedTokenVerifier:
    """Takes the token as a bearer token or as `?token=`."""

    def __init__(self, token: str) -> None:
        """With an empty `token` everything is refused: no configuration must not mean no lock."""
        self._token = token

    async def verify(self, *, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        given = bearer_token(headers) or query.get("token", "")
        if not same_token(given, self._token):
            raise UnauthenticatedError("the push token is missing or wrong")
