"""People and programs that call the API, as the store knows them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from common.books import PRINCIPALS
from common.domain.principal import Principal, PrincipalKind, Role
from common.ports import Ref
from infra.gcp.oidc import Certs
from infra.local.issuer import LocalIssuer
from infra.web.tokens import email_id, new_token, token_id
from tests.builders import NOON
from tests.functions.api_client import Api

API_AUDIENCE = "https://api-1234567890.europe-west1.run.app"
GOOGLE = "https://accounts.google.com"
EMAIL = "ada@example.com"


def a_principal(principal_id: str, role: Role = Role.VIEWER, **changes: Any) -> Principal:
    fields: dict[str, Any] = {
        "principal_id": principal_id,
        "kind": PrincipalKind.TOKEN,
        "name": "Ada",
        "role": role,
        "email": None,
        "created_by": "Grace",
        "created_at": NOON,
        "expires_at": None,
    }
    return Principal(**(fields | changes))


async def a_token_of(api: Api, role: Role = Role.VIEWER, **changes: Any) -> str:
    """The bearer token of a new principal."""
    token = new_token()
    principal_id = token_id(token)
    assert principal_id is not None
    principal = a_principal(principal_id, role, **changes)
    await api.put_records((Ref(PRINCIPALS, principal_id), principal))
    return token


async def an_account(api: Api, role: Role = Role.VIEWER, email: str = EMAIL) -> Principal:
    """A Google account that has access."""
    kind = PrincipalKind.GOOGLE
    principal = a_principal(email_id(email), role, kind=kind, email=email)
    await api.put_records((Ref(PRINCIPALS, principal.principal_id), principal))
    return principal


def certs_of(issuer: LocalIssuer) -> Callable[[str], Awaitable[Certs]]:
    async def fetch(_: str) -> Certs:
        return Certs(keys=(issuer.jwk,), max_age=timedelta(hours=1))

    return fetch
