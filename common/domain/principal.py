"""Who may use the API: people and programs, and how much each of them may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from common.domain.moment import UtcDatetime


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"  # reads
    TRADER = "trader"  # ... deploys, trades, and stops trading
    ADMIN = "admin"  # ... resumes it, raises limits, and says who has access

    def covers(self, needed: "Role") -> bool:
        return _ORDER.index(self) >= _ORDER.index(needed)


_ORDER = (Role.VIEWER, Role.TRADER, Role.ADMIN)


class PrincipalKind(StrEnum):
    BUILT_IN = "built-in"  # the token of the settings; in no store
    TOKEN = "token"  # noqa: S105 - a random bearer token, of which the store has the hash alone
    GOOGLE = "google"  # an account at Google, by its verified address


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The document under `principals`; its id is the hash of what proves it."""

    principal_id: str
    kind: PrincipalKind
    name: str  # of a person, or of the program
    role: Role
    email: str | None  # lower case; of kind google alone
    created_by: str
    created_at: UtcDatetime
    expires_at: UtcDatetime | None
    revoked_at: UtcDatetime | None = None
    revoked_by: str | None = None

    def is_active(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def acts_as(self, told: str | None) -> str:
        """The name that an act is kept under. Only those who share the built-in token, which tells
        nothing of who it is, say it themselves.
        """
        return told or self.name if self.kind is PrincipalKind.BUILT_IN else self.name


SOMEBODY = "operator over the API"
"""Whoever bears the built-in token and does not say who it is."""


def built_in(now: datetime) -> Principal:
    """The first admin: whoever bears SAPPHIRE_API_TOKEN."""
    return Principal(
        principal_id="operator",
        kind=PrincipalKind.BUILT_IN,
        name=SOMEBODY,
        role=Role.ADMIN,
        email=None,
        created_by="settings",
        created_at=now,
        expires_at=None,
    )
