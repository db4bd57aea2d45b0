"""People who sign in with their Google account: an OIDC identity token for our audience."""

from common.config import Settings
from common.errors import UnauthenticatedError
from common.ports import Clock
from infra.gcp.oidc import CERTS_URL, ISSUERS, JwtVerifier, fetch_google_certs


class GoogleIdentities:
    """Tells whose token it is. Where pushes come from a stand-in of Google, people do too."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """`settings.api_audience` must be set."""
        url = settings.push_certs_url or CERTS_URL
        self._tokens = JwtVerifier(
            issuers={settings.push_issuer} if settings.push_issuer else ISSUERS,
            audiences=(settings.api_audience or "",),
            clock=clock,
            fetch_certs=lambda: fetch_google_certs(url),
        )

    async def email_of(self, token: str) -> str:
        """The verified address in lower case.

        Raises:
            UnauthenticatedError: the signature, issuer, audience or times do not hold, it is signed
                with another algorithm than RS256, or its address is not verified.
            TransientError: Google's keys cannot be fetched.
        """
        claims = await self._tokens.claims(token)
        email = str(claims["email"])
        if not email.isascii():  # lower case folds the Kelvin sign into a k: another's address
            raise UnauthenticatedError("the account's address is not ASCII")
        return email.lower()
