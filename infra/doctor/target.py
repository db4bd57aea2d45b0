"""The project that is looked at, and the port it is looked at through."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from common.errors import SapphireError


class LookError(SapphireError):
    """Google's answer was no: `status` is HTTP's, `reason` Google's own word for it, or empty."""

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Cloud(Protocol):
    """Google's REST APIs, read only."""

    async def get(self, url: str, **query: str) -> Mapping[str, Any]:
        """The JSON object at `url`. Raises LookError, TransientError."""

    async def status_of(self, url: str) -> int:
        """The HTTP status of a GET without credentials; 0 when nobody answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    project: str
    region: str
    now: datetime

    def account(self, name: str) -> str:
        return f"{name}@{self.project}.iam.gserviceaccount.com"

    @property
    def apply(self) -> str:
        """The command that makes whatever Terraform declares."""
        return (
            f"terraform -chdir=terraform apply -var-file=environments/dev-or-prod.tfvars"
            f" -var=project_id={self.project}"
        )


async def listed(cloud: Cloud, url: str, key: str, **query: str) -> list[Mapping[str, Any]]:
    """All pages of a list. Raises as `Cloud.get`."""
    found: list[Mapping[str, Any]] = []
    page = ""
    while True:
        answer = await cloud.get(url, **query, **({"pageToken": page} if page else {}))
        found += answer.get(key, [])
        page = answer.get("nextPageToken", "")
        if not page:
            return found


async def found_or_none(cloud: Cloud, url: str, **query: str) -> Mapping[str, Any] | None:
    """As `Cloud.get`, but None for what is not there."""
    try:
        return await cloud.get(url, **query)
    except LookError as error:
        if error.status == 404:
            return None
        raise
