"""Who is calling: the built-in admin, or a principal of the store, by the token that is sent.

Nothing is open when the store does not answer: what cannot be looked up is refused with 503.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from common.books import PRINCIPALS
from common.documents import load
from common.domain.principal import Principal, built_in
from common.errors import ConfigurationError, TransientError, UnauthenticatedError
from common.ports import Ref
from infra.bearer import bearer_token, same_token
from infra.bootstrap import Runtime
from infra.web.problems import Problem
from infra.web.rates import Buckets
from infra.web.tokens import email_id, token_id

if TYPE_CHECKING:
    from infra.web.google_identity import GoogleIdentities

KEPT_FOR = timedelta(seconds=3)
"""A principal that was revoked on another instance passes here no longer than that."""
FAILURES_PER_MINUTE = 30
"""Of one address: then nothing is looked up for it but what the built-in token proves."""
URGENT_FAILURES_PER_MINUTE = 600
"""Look-ups for halt, reduce and flatten of one address: far above what stopping can take."""
_KEPT_MAX = 1000


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Principal | None
    at: datetime


class Access:
    """What one process knows of its callers: who they are, and how often they have asked."""

    def __init__(self) -> None:
        self.rates = Buckets()
        self.failures = Buckets()
        self._urgent = Buckets()
        self._changes = 0  # of principals, on this instance
        self._principals: dict[str, _Kept] = {}
        self._google: dict[str, GoogleIdentities] = {}

    async def principal_of(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        runtime: Runtime,
        *,
        address: str,
        urgent: bool = False,
    ) -> Principal:
        """`urgent`: it is looked up although `address` has failed often.

        Raises:
            UnauthenticatedError: no token, more than one, or one that proves nothing (any more).
            Problem: 403 for a Google account that has no access, 429 after too many failures.
            TransientError: the store, the secret store or Google does not answer.
            ConfigurationError: no built-in token is configured.
        """
        given = [value for name, value in headers if name.lower() == b"authorization"]
        if len(given) != 1:
            raise UnauthenticatedError("there is no bearer token, or more than one")
        token = bearer_token({"authorization": given[0].decode("latin-1")})
        known = token_id(token)
        if same_token(token, await _built_in_token(runtime, needed=known is None)):
            return built_in(runtime.clock.now())
        is_account = known is None and bool(runtime.settings.api_audience) and "." in token
        if known is None and not is_account:
            raise UnauthenticatedError("no valid bearer token")
        if known not in self._principals:  # whom we know is not shut out by a neighbour's failures
            self._refuse_stranger(address, urgent=urgent)
        if known is None:
            return await self._by_account(token, runtime, address)
        return await self._by_token(known, runtime)

    def _refuse_stranger(self, address: str, *, urgent: bool) -> None:
        """Before the store or Google is asked anything on its account."""
        if urgent:
            wait = self._urgent.take(address, URGENT_FAILURES_PER_MINUTE)
        else:
            wait = self.failures.wait(address, FAILURES_PER_MINUTE)
        _refuse_after(wait, "TOO_MANY_FAILURES")

    def forget(self, principal_id: str) -> None:
        """After a change of it, so that it holds here at once."""
        self._changes += 1
        self._principals.pop(principal_id, None)

    def failed(self, address: str) -> None:
        """Count a failure of this address.

        Raises:
            Problem: 429, it has failed too often.
        """
        wait = self.failures.take(address, FAILURES_PER_MINUTE)
        _refuse_after(wait, "TOO_MANY_FAILURES")

    def count(self, principal: Principal, per_minute: int) -> None:
        """Raises Problem: 429, it has asked too often."""
        _refuse_after(self.rates.take(principal.principal_id, per_minute), "RATE_LIMITED")

    async def _by_token(self, principal_id: str, runtime: Runtime) -> Principal:
        found = await self._look_up(principal_id, runtime)
        if found is None or not found.is_active(runtime.clock.now()):
            raise UnauthenticatedError("a token that is unknown, revoked or over")
        return found

    async def _by_account(self, token: str, runtime: Runtime, address: str) -> Principal:
        email = await self._identities(runtime).email_of(token)
        found = await self._look_up(email_id(email), runtime)
        if found is None or not found.is_active(runtime.clock.now()):
            self.failed(address)  # anybody can have an account, and each time it costs a look-up
            raise Problem(403, "NO_ACCESS", "this account has no access; an admin can add it")
        return found

    def _identities(self, runtime: Runtime) -> "GoogleIdentities":
        audience = runtime.settings.api_audience or ""
        if audience not in self._google:
            from infra.web.google_identity import GoogleIdentities

            self._google[audience] = GoogleIdentities(runtime.settings, runtime.clock)
        return self._google[audience]

    def _kept(self, principal_id: str, runtime: Runtime) -> _Kept | None:
        kept = self._principals.get(principal_id)
        if kept is None or not timedelta(0) <= runtime.clock.now() - kept.at < KEPT_FOR:
            return None
        return kept

    async def _look_up(self, principal_id: str, runtime: Runtime) -> Principal | None:
        kept = self._kept(principal_id, runtime)
        if kept is not None:
            return kept.value
        at, changes = runtime.clock.now(), self._changes  # before the read: it may be revoked now
        stored = await load(runtime.store, Principal, Ref(PRINCIPALS, principal_id))
        if stored is None:
            return None  # not kept: strangers' guesses would push out whom we know
        if changes != self._changes:
            return stored.value
        if len(self._principals) >= _KEPT_MAX:
            self._principals.clear()
        self._principals[principal_id] = _Kept(stored.value, at)
        return stored.value


async def _built_in_token(runtime: Runtime, *, needed: bool) -> str:
    """The built-in admin's token. A principal's own is known by its form, and does not depend on a
    secret store that does not answer.
    """
    try:
        return await runtime.read_api_token()
    except (ConfigurationError, TransientError):
        if needed:
            raise
        return ""


def _refuse_after(wait_s: float, code: str) -> None:
    if wait_s > 0.0:
        detail = "too many requests; wait as long as Retry-After says"
        raise Problem(429, code, detail, headers={"Retry-After": str(ceil(wait_s))})
