"""Live trading resumes only where the preflight is all green."""

from common.errors import DeniedError
from common.reporting.preflight import red_lines
from infra.bootstrap import Runtime
from infra.preflight import preflight_of


async def require_preflight(runtime: Runtime) -> None:
    """On paper nothing is asked.

    Raises:
        DeniedError: PREFLIGHT_FAILED, naming what is red.
    """
    if runtime.settings.mode != "live":
        return
    found = red_lines(await preflight_of(runtime))
    if found:
        named = "; ".join(f"{line.name}: {line.detail}" for line in found)
        raise DeniedError("PREFLIGHT_FAILED", named)
