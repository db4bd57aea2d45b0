"""What a person reads when the server says no: the code, why, and what to do."""

import json
import sys

from common.errors import RejectedError
from infra.cli.lines import block, width_of

_TODO = {
    "PREFLIGHT_FAILED": "`sapphire preflight` says what to do about each",
    "UNRESOLVED_ORDERS": "GET /api/ops/unresolved lists them; look at the venue, then"
    " POST /api/ops/orders/INTENT_ID/settle",
    "FOUR_EYES": "somebody else resumes, and says so with --by NAME",
    "TRADING_HALTED": "flatten or reduce the platform as a whole",
    "CONFLICT": "somebody else changed it at the same moment: ask again",
}


def tell_refusal(error: RejectedError, *, as_json: bool) -> int:
    """1, the exit code of a refusal."""
    todo = _TODO.get(error.code, "")
    if as_json:
        print(json.dumps({"refused": error.code, "detail": error.message, "todo": todo}))
        return 1
    width = width_of(sys.stderr)
    lines = [f"refused: {error.code}", *block(error.message, indent=2, width=width)]
    if todo:
        lines += block(f"-> {todo}", indent=2, width=width)
    print("\n".join(lines), file=sys.stderr)
    return 1
