"""The user's rules for a deployment. A policy may lower what a signal asks for, never raise it."""

from dataclasses import dataclass
from decimal import Decimal

from common.domain.agent import Deployment
from common.domain.signal import Signal
from common.how.sizing import target_quantity

UNCHANGED = "pass-through-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVerdict:
    """What the policy lets through; `version` names the rules that said so."""

    quantity: Decimal
    version: str


def apply_policy(signal: Signal, deployment: Deployment, *, price: Decimal) -> PolicyVerdict:
    """Pass-through: the signal's own size. The hard limits (limits.py) still follow."""
    quantity = target_quantity(signal.size_model, capital=deployment.capital, price=price)
    return PolicyVerdict(quantity=quantity, version=UNCHANGED)
