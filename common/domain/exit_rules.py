"""When a position is to be closed, relative to its prices."""

from dataclasses import dataclass

from common.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRules:
    """Fractions of a price (0.025 = 2.5 %), > 0; None: no such exit."""

    stop_loss: Money | None = None  # against the average entry price
    take_profit: Money | None = None
    trailing_stop: Money | None = None  # against the best mark since the position was opened
    time_limit_s: int | None = None  # since it was opened

    @property
    def are_empty(self) -> bool:
        return self == ExitRules()
