"""A decision with everything it was made from, so that it can be made again."""

from dataclasses import dataclass

from common.domain.market import MarketSnapshot
from common.domain.moment import UtcDatetime
from common.domain.money import Money
from common.domain.vote import Consensus, Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionInputs:
    """All that the votes depend on. `indicator_state` is canonical JSON from before the new
    candles.
    """

    snapshot: MarketSnapshot
    indicator_state: str | None
    weights: dict[str, Money]
    threshold_act: Money
    threshold_hold: Money
    code_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The document under `decisions`. Same inputs, same bytes."""

    decision_id: str
    agent_id: str
    tick_id: str
    symbol: str
    inputs: DecisionInputs
    features: dict[str, str]  # indicator values, shortest text that reads back to the same float
    votes: tuple[Vote, ...]
    consensus: Consensus
    signal_id: str | None
    decided_at: UtcDatetime  # the tick's time, not the wall's
