"""The embedded bus's bad weather: what a real bus may do to a message, drawn from a seed."""

from dataclasses import dataclass
from random import Random

from common.domain.identifiers import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRates:
    """Probabilities from 0 to 1, each drawn on its own."""

    duplicate: float = 0.05  # of a published message: delivered once more
    delay: float = 0.05  # of a published message: held back
    delay_max_s: float = 5.0  # on the bus's clock
    reorder: float = 0.10  # of a published message: overtakes some of those that wait
    lost_ack: float = 0.05  # of a 2xx answer: never arrives, so the message comes again

    def __post_init__(self) -> None:
        for rate in (self.duplicate, self.delay, self.reorder, self.lost_ack):
            if not 0 <= rate <= 1:
                raise ValueError(f"a fault's rate lies between 0 and 1, not at {rate}")


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one message on its way to one subscription."""

    copies: int = 0  # deliveries on top of the first
    delay_s: float = 0.0
    overtakes: float = 0.0  # the share of the waiting messages that it gets ahead of


PLAIN = Fate()


class BusFaults:
    """Pure functions of the seed and the message, so tasks may interleave as they like."""

    def __init__(self, seed: int, rates: FaultRates | None = None) -> None:
        self.seed = seed
        self.rates = rates or FaultRates()

    def fate(self, message_id: str, subscription: str) -> Fate:
        draw = self._random("fate", message_id, subscription)
        rates = self.rates
        copies = 1 if draw.random() < rates.duplicate else 0
        delay_s = draw.uniform(0, rates.delay_max_s) if draw.random() < rates.delay else 0.0
        overtakes = 1 - draw.random() if draw.random() < rates.reorder else 0.0
        return Fate(copies, delay_s, overtakes)

    def loses_ack(self, message_id: str, subscription: str, attempt: int) -> bool:
        draw = self._random("ack", message_id, subscription, attempt)
        return draw.random() < self.rates.lost_ack

    def _random(self, *parts: str | int) -> Random:
        return Random(digest(self.seed, *parts))
