"""Why a proof of a wallet is not taken."""

from typing import Literal

from common.errors import SapphireError

Kind = Literal["malformed", "unproven", "another"]
"""It cannot be read; it does not hold; it holds, and it is another person's."""


class ProofRefusedError(SapphireError):
    """`code` is stable, for programs; `message` never repeats what was sent."""

    def __init__(self, kind: Kind, code: str, message: str, *, where: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.kind = kind
        self.code = code
        self.message = message
        self.where = where


def unproven(code: str, message: str) -> ProofRefusedError:
    return ProofRefusedError("unproven", code, message)
