"""`sapphire run --feed live` as a process, against a stand-in of Hyperliquid's public `/info`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.command import COMMAND, PATIENCE_S, environment, value_of
from tests.standins.hyperliquid_info import HyperliquidInfo
from tests.standins.serving import serving

LINE = ("run", "--feed", "live", "--ticks", "1", "--port", "0", "--symbols", "BTC,ETH,PEPE")


@pytest.mark.slow
async def test_run_when_prices_are_live_then_the_first_cycle_decides_on_warm_indicators(
    tmp_path: Path,
) -> None:
    venue = HyperliquidInfo(datetime.now(UTC))
    async with serving(venue) as url:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *LINE,
            cwd=tmp_path,
            env=environment(HYPERLIQUID_API_URL=url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    lines = output.decode().splitlines()

    assert process.returncode == 0, "\n".join(lines)
    assert "live prices of Hyperliquid" in lines[0]
    assert "paper" in lines[1]
    decisions = value_of(lines, "decisions")
    assert decisions.startswith("3 ")
    assert "NO_VOTES" not in decisions, "history from the venue has warmed the indicators up"
    assert {request["coin"] for request in venue.asked("l2Book")} == {"BTC", "ETH", "kPEPE"}
