"""The parts of the platform that are stopped whatever the platform's own state is."""

from collections.abc import Mapping
from typing import Any

from common.domain.scope import Scope
from common.errors import InvalidInputError

_SHOWN = 10


def stopped_parts(state: Mapping[str, Any]) -> list[str]:
    """A line each of what GET /api/ops/state told: `venue GMX HALTED (thin books, by Ada)`."""
    stopped = [item for item in state.get("scopes") or () if item.get("state") != "ACTIVE"]
    lines = [f"{label_of(str(item.get('scope')))} {state_text(item)}" for item in stopped[:_SHOWN]]
    return lines + ([f"and {len(stopped) - _SHOWN} more"] if len(stopped) > _SHOWN else [])


def state_text(item: Mapping[str, Any]) -> str:
    by = f", by {item['changed_by']}" if item.get("changed_by") else ""
    return f"{item.get('state')} ({item.get('reason', '')}{by})"


def label_of(key: str) -> str:
    """The scope in words; a key that is none, as it is."""
    try:
        return Scope.parse(key).label
    except InvalidInputError:
        return key
