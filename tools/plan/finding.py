"""What a check found wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    where: str  # terraform/topics.tf:3, or the file alone
    what: str  # the resource's address, or whatever is wrong
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.message}"
