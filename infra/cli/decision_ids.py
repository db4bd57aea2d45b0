"""Where a tick's decisions are stored: their ids follow from the tick and the symbol."""

from collections.abc import Iterable

from common.books import DECISIONS
from common.ports import Ref
from common.what.swarm.cycle import decision_id


def decision_refs(agent_id: str, tick_id: str, symbols: Iterable[str]) -> list[Ref]:
    return [Ref(DECISIONS, decision_id(agent_id, tick_id, symbol)) for symbol in symbols]
