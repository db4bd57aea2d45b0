"""The bodies that give, change and take away access."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from common.domain.principal import SOMEBODY, Role
from infra.web.fields import Payload, PersonName, Text

DAYS_MAX = 3650
_EMAIL = re.compile(r"[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", re.ASCII)


def _email(text: str) -> str:
    folded = text.lower()
    if not text.isascii() or not _EMAIL.fullmatch(folded):
        raise ValueError("must be an address such as ada@example.com")
    return folded


def _own_name(text: str) -> str:
    if text == SOMEBODY:
        raise ValueError("is whoever bears the built-in token")
    return text


Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]
"""In lower case: Google takes an address's capitals for nothing."""
RoleName = Literal["viewer", "trader", "admin"]


class AddPrincipal(Payload):
    """A person or a program. `kind` token gets a bearer token, which the answer shows once; `kind`
    google signs in with a Google account, and needs its `email`. Without `days` it has no end.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ada", "role": "trader", "days": 90}]}
    )

    name: Annotated[PersonName, AfterValidator(_own_name)]
    role: RoleName
    kind: Literal["token", "google"] = "token"
    email: Email | None = None
    days: Annotated[int | None, Field(ge=1, le=DAYS_MAX)] = None

    @model_validator(mode="after")
    def _email_is_googles(self) -> Self:
        if (self.kind == "google") != (self.email is not None):
            raise ValueError("an email goes with the kind google, and with no other")
        return self

    @property
    def wanted_role(self) -> Role:
        return Role(self.role)


class ChangeRole(Payload):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"role": "viewer", "reason": "left the desk"}]}
    )

    role: RoleName
    reason: Text = "requested by an admin"


class RevokePrincipal(Payload):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "the laptop was lost"}]})

    reason: Text = "requested by an admin"
