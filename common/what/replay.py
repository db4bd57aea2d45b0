"""Make a stored decision again from its own inputs, and say what differs."""

from typing import Any

from common.domain.decision import Decision
from common.what.swarm.cycle import STALE, conclude, look
from common.what.swarm.roster import ROSTER, votes_now
from common.wire import to_document


def redecide(decision: Decision) -> Decision:
    """The same cycle over `decision.inputs`; identical means equal `canonical_json` of both.

    Whether the snapshot was stale depends on the wall clock of that day, so it is taken from the
    stored reason. A vote that failed or timed out then does not come out the same now, and shows.

    Raises:
        InvalidInputError: the inputs are not usable.
        ConfigurationError: a voter has no weight in the inputs.
    """
    inputs = decision.inputs
    outlook = look(inputs.indicator_state, inputs.snapshot)
    stored = decision.consensus.reason
    return conclude(
        outlook,
        votes_now(ROSTER, outlook.features, inputs.snapshot),
        agent_id=decision.agent_id,
        tick_id=decision.tick_id,
        inputs=inputs,
        stale=stored if stored.startswith(STALE) else None,
    )


def differences(stored: Decision, again: Decision) -> tuple[str, ...]:
    """One line for each value that differs: `votes[1].confidence: '0.71' -> '0.7'`."""
    return tuple(_differences(to_document(stored), to_document(again), ""))


def _differences(stored: Any, again: Any, path: str) -> list[str]:
    if isinstance(stored, dict) and isinstance(again, dict):
        pairs = [
            (f"{path}.{key}" if path else key, stored.get(key), again.get(key))
            for key in sorted({*stored, *again})
        ]
    elif isinstance(stored, list) and isinstance(again, list):
        length = max(len(stored), len(again))
        pairs = [
            (f"{path}[{place}]", _at(stored, place), _at(again, place)) for place in range(length)
        ]
    else:
        return [] if stored == again else [f"{path}: {stored!r} -> {again!r}"]
    return [line for name, left, right in pairs for line in _differences(left, right, name)]


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else None
