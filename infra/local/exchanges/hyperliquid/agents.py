"""Which keys may trade for an account."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.domain.moment import to_ms

UNNAMED = ""
NAMED_MAX = 3
VALID_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Agent:
    name: str
    address: str
    valid_until: int  # ms


@dataclass(slots=True)
class Agents:
    """One unnamed agent and three named ones per master. Approving a name again deregisters the
    agent that had it; an address that was ever approved is never taken again.
    """

    _by_master: dict[str, dict[str, Agent]] = field(default_factory=dict)
    _ever: set[str] = field(default_factory=set)

    def approve(self, master: str, address: str, name: str, now: datetime) -> str | None:
        """None when done; else the venue's complaint. Give addresses in lower case."""
        if address in self._ever or address == master:
            return "Extra agent already used."
        held = self._by_master.setdefault(master, {})
        named = [other for other in held if other not in {UNNAMED, name}]
        if name != UNNAMED and len(named) >= NAMED_MAX:
            return "Too many extra agents."
        self._ever.add(address)
        held[name] = Agent(name, address, to_ms(now + VALID_FOR))
        return None

    def deregister(self, address: str) -> None:
        for held in self._by_master.values():
            for name in [name for name, agent in held.items() if agent.address == address]:
                del held[name]

    def master_of(self, address: str, now: datetime) -> str | None:
        """None: not approved, replaced, deregistered or expired."""
        for master, held in self._by_master.items():
            for agent in held.values():
                if agent.address == address and to_ms(now) < agent.valid_until:
                    return master
        return None

    def named(self, master: str) -> list[Agent]:
        held = self._by_master.get(master, {})
        return [agent for name, agent in held.items() if name != UNNAMED]
