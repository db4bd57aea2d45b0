"""Closing everything within a scope, until the venues themselves say that it is flat."""

from dataclasses import dataclass
from enum import StrEnum

from common.domain.moment import UtcDatetime


class FlattenStatus(StrEnum):
    CLOSING = "CLOSING"  # entries are canceled, positions closed; asked again until flat
    FLAT = "FLAT"  # every venue said so
    STUCK = "STUCK"  # a person must look: `remaining` says where; it is asked on
    ABANDONED = "ABANDONED"  # somebody let trading go on before it was flat

    @property
    def is_terminal(self) -> bool:
        return self in {FlattenStatus.FLAT, FlattenStatus.ABANDONED}


OPEN_FLATTENS = tuple(each for each in FlattenStatus if not each.is_terminal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten:
    """The document under `flattens`. One that is open is taken up again after any crash."""

    flatten_id: str
    scope: str
    reason: str
    requested_by: str
    requested_at: UtcDatetime
    epoch: int  # of the scope's trading state that it set: REDUCING until flat, HALTED then
    status: FlattenStatus
    rounds: int = 0  # how often all venues were asked
    cursor: str | None = None  # how far this round has come over the accounts
    remaining: tuple[str, ...] = ()  # `dep_1 HYPERLIQUID BTC 0.5`, as the venues said last
    dust: tuple[str, ...] = ()  # below what its venue trades: nothing can close it
    finished_at: UtcDatetime | None = None
    updated_at: UtcDatetime
