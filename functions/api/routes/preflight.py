"""Whether live trading may begin, line by line."""

from fastapi import APIRouter

from common.reporting.preflight import red_lines
from common.wire import JsonObject, to_document
from infra.preflight import preflight_of
from infra.web.requests import RuntimeOf, StrictRoute

router = APIRouter(tags=["operations"], route_class=StrictRoute)


@router.get("/api/ops/preflight")
async def preflight(runtime: RuntimeOf) -> JsonObject:
    """Every check of SW-16 with what was found and, where it failed, what to do.

    It writes a document of its own, asks each venue that a deployment names for its instruments,
    and Telegram for the bot and the chat; nothing is traded and nothing sent.
    """
    lines = await preflight_of(runtime)
    return {
        "ok": not red_lines(lines),
        "mode": runtime.settings.mode,
        "lines": [to_document(line) for line in lines],
    }
