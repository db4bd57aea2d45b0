"""Paper and live: what was planned for one is never sent, nor asked, in the other."""

from dataclasses import replace

from tests.unit.functions.trading_desk import TradingDesk, two_venue_plan


async def test_execute_when_the_mode_was_changed_then_denied_and_nothing_is_sent() -> None:
    desk = await TradingDesk(mode="live").open()
    assert await desk.execute() == []
    assert desk.hyperliquid.sent == []
    assert desk.delivery().reason_code == "DEPLOYMENT_MODE_MISMATCH"


async def test_execute_when_live_and_planned_live_then_sent() -> None:
    desk = await TradingDesk(replace(two_venue_plan(), paper=False), mode="live").open()
    await desk.execute()
    assert len(desk.hyperliquid.sent) == 1


async def test_settle_when_the_mode_was_changed_then_the_other_venues_are_not_asked() -> None:
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [TimeoutError()]
    await desk.execute()
    desk.settings = replace(desk.settings, mode="live")
    await desk.settle(desk.plan.intent_id)
    assert desk.hyperliquid.asked == []
    assert desk.intent().status == "UNKNOWN"
