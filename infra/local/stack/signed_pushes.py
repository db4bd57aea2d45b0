"""The push identity beside the emulators: its issuer, its relay, and the locks they open."""

from collections.abc import Mapping
from functools import partial

from common.ports import Clock, TokenVerifier
from infra.gcp.oidc import OidcVerifier, fetch_google_certs
from infra.local.issuer import CERTS_PATH, LocalIssuer
from infra.local.stack.push_relay import PushRelay, PushTarget
from infra.local.stack.server import LoopServer, bind, url_of


class SignedPushes:
    """Serves the key set and the relay, each on a loopback port of its own, until `stop`."""

    def __init__(self, clock: Clock, *, project: str) -> None:
        self._clock = clock
        self.email = f"sapphire-push@{project}.iam.gserviceaccount.com"
        listening = bind(0)
        self.issuer = LocalIssuer(url_of(listening), clock)
        self._certs_server = LoopServer(self.issuer, listening)
        self._relay: PushRelay | None = None
        self._relay_server: LoopServer | None = None

    def verifier(self, audience: str) -> TokenVerifier:
        """What a function at `audience` asks for, with the verifier of the cloud."""
        return OidcVerifier(
            audience,
            self.email,
            self._clock,
            partial(fetch_google_certs, f"{self._certs_server.url}{CERTS_PATH}"),
            issuers={self.issuer.name},
        )

    def headers(self, audience: str) -> dict[str, str]:
        """Of a call that Cloud Scheduler makes."""
        return {"authorization": f"Bearer {self._sign(audience)}"}

    async def start(self, targets: Mapping[str, PushTarget]) -> None:
        """`targets` by subscription."""
        await self._certs_server.start()
        self._relay = PushRelay(targets, self._sign)
        self._relay_server = LoopServer(self._relay, bind(0))
        await self._relay_server.start()

    def endpoint(self, subscription: str) -> str:
        """Where the bus pushes. Call `start` first."""
        assert self._relay and self._relay_server  # noqa: S101, PT018 - a programming error
        return f"{self._relay_server.url}{self._relay.path(subscription)}"

    async def stop(self) -> None:
        """What is under way is answered first, 2 s at most."""
        if self._relay_server is not None:
            await self._relay_server.stop()
        if self._relay is not None:
            await self._relay.close()
        await self._certs_server.stop()

    def _sign(self, audience: str) -> str:
        return self.issuer.token(audience, self.email)
