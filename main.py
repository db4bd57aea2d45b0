"""Entry points, in pipeline order. Cloud Run loads this file and calls one of them."""

from importlib import import_module
from types import FunctionType

ENTRY_POINTS = (
    "fetch_market",
    "decide",
    "fan_out",
    "route",
    "execute",
    "advance",
    "settle",
    "monitor",
    "notify",
    "relay",
    "api",
)


def __getattr__(name: str) -> FunctionType:
    """Import one function's module only, so that each cold start pays for itself alone."""
    if name not in ENTRY_POINTS:
        raise AttributeError(name)
    entry_point: FunctionType = getattr(import_module(f"functions.{name}.main"), name)
    return entry_point
