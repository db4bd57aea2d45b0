"""SW-16: each line by itself, green and red, bounded, and silent about secrets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import (
    BREAKERS,
    ORDER_INTENTS,
    OUTBOX,
    RISK_LIMITS,
    TRADING_STATE,
    V2,
    V3,
    VENUE_MARKETS,
)
from common.config import OPERATOR, Settings, SwarmSettings
from common.documents import create
from common.domain.agent import Deployment, DeploymentStatus, KeyCode, KeyStatus, VenueKey
from common.domain.instrument import InstrumentTable, Venue
from common.domain.market import MarketSnapshot
from common.domain.order import IntentStatus
from common.domain.scope import Scope, venue_scope
from common.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from common.how.limit_documents import default_limits
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord, state_ref
from common.outbox import outbox_write
from common.ports import Create, Ref, Venues
from common.reporting.preflight import needs_running, red_lines, run_preflight
from common.reporting.preflight_fleet import PAGE
from common.reporting.preflight_ports import PreflightLine, PreflightPorts, TimeTold, said
from common.where.breaker import BreakerStatus, closed
from infra.local.store.memory import MemoryStore
from tests.builders import (
    NOON,
    a_deployment,
    a_message,
    a_snapshot,
    an_instrument_table,
    an_intent,
)
from tests.fakes.clock import FakeClock
from tests.fakes.venue import ScriptedVenue

SOON_S = 0.05
PAPER = Settings(swarm=SwarmSettings(symbols=("ETH",)), api_token="a-token")
LIVE = replace(PAPER, mode="live", network="testnet", feed="live")
READY = VenueKey(
    agent_address="0x" + "33" * 20, secret_name="s", version="1", status=KeyStatus.READY
)
NAMES = [
    "mode",
    "prices",
    "store",
    "limits",
    "trading state",
    "unresolved orders",
    "keys",
    "venues",
    "telegram",
    "api token",
    "push authentication",
    "clock",
    "messages",
]


class Feed:
    label = "a feed of the tests"

    def __init__(self, answer: MarketSnapshot | Exception) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def snapshot(self, symbol: str, *, candles: int) -> MarketSnapshot:
        self.asked.append(symbol)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Listing(ScriptedVenue):
    """A venue whose table is the test's."""

    def __init__(self, venue: Venue, answer: InstrumentTable | Exception | None = None) -> None:
        super().__init__(venue)
        self.table = answer or an_instrument_table(venue, source="live")

    async def load_instruments(self) -> InstrumentTable:
        if isinstance(self.table, Exception):
            raise self.table
        return self.table


async def never(*_: object, **__: object) -> Any:
    await asyncio.Event().wait()


@dataclass
class Desk:
    """All that a preflight is given; everything is in order unless a test spoils it."""

    settings: Settings = LIVE
    running: bool = True
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)
    feed: Feed = field(default_factory=lambda: Feed(a_snapshot("ETH", observed_at=NOON)))
    venues: Venues = field(
        default_factory=lambda: {venue: Listing(venue) for venue in Venue if venue != "MULTI"}
    )
    refusals: dict[Venue, str] = field(default_factory=dict)
    hopeless: frozenset[Venue] = frozenset()
    messenger: str | Exception | None = "@bot writes to Ann"
    told: TimeTold | None = field(default_factory=lambda: time_told(0))
    dead: list[str] = field(default_factory=list)

    async def put(self, *records: tuple[Ref, object]) -> None:
        await self.store.commit([create(ref, value) for ref, value in records])

    async def set_up(self) -> None:
        """As a person leaves it who wants to trade live."""
        by_ann = replace(default_limits(self.settings.limits, NOON), changed_by="ann")
        await self.put(
            (Ref(RISK_LIMITS, "platform"), by_ann), (PLATFORM, a_state(TradingState.ACTIVE))
        )

    async def deploy(self, *deployments: Deployment) -> None:
        await self.put(*((Ref(V3.deployments, each.deployment_id), each) for each in deployments))

    def ports(self) -> PreflightPorts:
        async def check_messenger() -> str | None:
            if isinstance(self.messenger, Exception):
                raise self.messenger
            return self.messenger

        async def told_time() -> TimeTold | None:
            return self.told

        async def dead_letters(since: datetime) -> Sequence[str]:
            return self.dead

        return PreflightPorts(
            settings=self.settings,
            clock=self.clock,
            store=self.store,
            running=self.running,
            make_feed=lambda: self.feed,
            make_venues=lambda: self.venues,
            refusals=self.refusals,
            hopeless=self.hopeless,
            check_messenger=check_messenger,
            told_time=told_time,
            dead_letters=dead_letters,
        )

    async def lines(self) -> dict[str, PreflightLine]:
        return {line.name: line for line in await run_preflight(self.ports())}


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.set_up()
    return desk


def a_state(state: TradingState, **changes: Any) -> TradingStateRecord:
    record = TradingStateRecord(
        state=state, epoch=1, reason="a start", changed_by="ann", changed_at=NOON
    )
    return replace(record, **changes)


def time_told(ahead_s: float, *, round_trip_s: float = 0.0) -> TimeTold:
    """Told by somebody whose second began half a second before the middle of our question."""
    asked_at = NOON - timedelta(seconds=round_trip_s / 2)
    return TimeTold(
        source="Telegram",
        moment=NOON - timedelta(seconds=ahead_s + 0.5),
        asked_at=asked_at,
        answered_at=asked_at + timedelta(seconds=round_trip_s),
    )


def live_deployment(name: str = "dep_1", **changes: Any) -> Deployment:
    usual = {
        "paper": False,
        "enabled_venues": (Venue.HYPERLIQUID,),
        "venue_keys": {"HYPERLIQUID": READY},
    }
    return a_deployment(name, **{**usual, **changes})


def assert_red(line: PreflightLine, *texts: str) -> None:
    assert not line.ok, line
    assert line.todo, line
    for text in texts:
        assert text in f"{line.detail} {line.todo}", line


def assert_green(line: PreflightLine, *texts: str) -> None:
    assert line.ok, line
    assert not line.todo, line
    for text in texts:
        assert text in line.detail, line


# ------------------------------------------------------------------------------------- the whole
async def test_preflight_when_all_is_in_order_then_every_line_is_green_in_its_order(
    desk: Desk,
) -> None:
    found = await run_preflight(desk.ports())

    assert [line.name for line in found] == NAMES
    assert red_lines(found) == ()
    for line in found:
        assert_green(line)


async def test_preflight_when_on_paper_then_the_same_lines_and_what_paper_does_not_need(
    desk: Desk,
) -> None:
    desk.settings = PAPER
    desk.messenger, desk.told = None, None

    lines = await desk.lines()

    assert list(lines) == NAMES
    for name in ("keys", "telegram", "clock"):
        assert_green(lines[name], "not needed on paper")
    assert_green(lines["mode"], "paper", "no order leaves this machine")
    assert all(line.ok for line in lines.values())


async def test_preflight_when_everything_hangs_then_each_line_says_so_in_time(desk: Desk) -> None:
    async def hang(operation: str, argument: object) -> None:
        await asyncio.Event().wait()

    desk.store.before = hang
    desk.feed.snapshot = never  # type: ignore[method-assign]
    ports = replace(desk.ports(), check_messenger=never, told_time=never, dead_letters=never)

    async with asyncio.timeout(5):
        found = await run_preflight(ports, timeout_s=SOON_S)

    still = {"mode", "api token", "push authentication"}
    assert {line.name for line in found if line.ok} == still
    for line in red_lines(found):
        longer = "0.15" if line.name == "keys" else "0.05"
        assert_red(line, f"no answer within {longer} s")


@pytest.mark.parametrize(
    ("port", "spoiled"),
    [
        ("make_feed", {"prices"}),
        ("make_venues", {"venue Hyperliquid"}),
        ("check_messenger", {"telegram"}),
        ("told_time", {"clock"}),
        ("dead_letters", {"messages"}),
    ],
)
@pytest.mark.parametrize("error", [RuntimeError("key 0xdeadbeef"), asyncio.CancelledError()])
async def test_preflight_when_a_port_breaks_then_its_own_line_is_red_and_no_other(
    desk: Desk, port: str, spoiled: set[str], error: BaseException
) -> None:
    await desk.deploy(live_deployment())

    def broken(*_: object) -> Any:
        raise error

    spoilt: dict[str, Any] = {port: broken}
    found = await run_preflight(replace(desk.ports(), **spoilt))

    assert {line.name for line in red_lines(found)} == spoiled
    assert "deadbeef" not in str(found)


async def test_preflight_when_it_is_given_up_then_its_checks_are_too(desk: Desk) -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def hang() -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.create_task(run_preflight(replace(desk.ports(), told_time=hang)))
    await begun.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(5):
        await ended.wait()


async def test_preflight_when_a_check_fails_after_it_was_given_up_then_nobody_hears_of_it(
    desk: Desk,
) -> None:
    async def stubborn() -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("too late") from None

    heard: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context))

    found = await run_preflight(replace(desk.ports(), told_time=stubborn), timeout_s=SOON_S)
    await asyncio.sleep(0)

    assert [line.name for line in red_lines(found)] == ["clock"]
    assert heard == []


@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("keys", True),
        ("venue Hyperliquid", True),
        ("unresolved orders", True),
        ("messages", True),
        ("limits", False),
        ("telegram", False),
    ],
)
def test_needs_running_when_asked_then_what_no_setting_mends(name: str, only: bool) -> None:
    assert needs_running(PreflightLine(name=name, ok=False, detail="", todo="")) is only


@given(st.text(max_size=600))
def test_said_when_anything_is_told_then_one_bounded_line_that_a_terminal_may_show(
    text: str,
) -> None:
    shown = said(text)
    assert shown.isprintable()
    assert len(shown) <= 300


def test_said_when_it_holds_secrets_then_they_are_gone() -> None:
    token = "123456789:" + "A" * 35
    key = "0x" + "ab" * 32
    shown = said(f"POST /bot{token}/getMe\x1b[31m with {key} and ?token=abc123&x=1")
    assert token not in shown
    assert key not in shown
    assert "abc123" not in shown
    assert "\x1b" not in shown


# ---------------------------------------------------------------------------------------- outside
@pytest.mark.parametrize(
    "changes", [{"network": ""}, {"network": "moon"}, {"feed": "simulated"}], ids=str
)
async def test_mode_when_live_without_its_own_network_or_prices_then_red(
    desk: Desk, changes: dict[str, Any]
) -> None:
    desk.settings = replace(LIVE, **changes)
    assert_red((await desk.lines())["mode"], "SAPPHIRE_NETWORK", "SAPPHIRE_FEED=live")


async def test_prices_when_they_are_old_then_red_and_the_first_symbol_was_asked_for(
    desk: Desk,
) -> None:
    desk.settings = replace(LIVE, swarm=SwarmSettings(symbols=("SOL", "BTC")))
    desk.clock.advance(3600)

    assert_red((await desk.lines())["prices"], "3600 s old")
    assert desk.feed.asked == ["SOL"]


@pytest.mark.parametrize(
    "error",
    [TransientError("no answer"), NotFoundError("lists no 'ETH'"), InvalidInputError("NaN")],
)
async def test_prices_when_the_feed_fails_then_red_with_its_reason(
    desk: Desk, error: Exception
) -> None:
    desk.feed.answer = error
    assert_red((await desk.lines())["prices"], str(error))


async def test_prices_when_the_feed_is_a_recording_then_none_is_asked_for(desk: Desk) -> None:
    desk.settings = replace(PAPER, feed="replay")
    assert_green((await desk.lines())["prices"], "a recording")
    assert desk.feed.asked == []


async def test_telegram_when_live_and_not_set_then_red(desk: Desk) -> None:
    desk.messenger = None
    assert_red((await desk.lines())["telegram"], "TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID")


@pytest.mark.parametrize("settings", [PAPER, LIVE], ids=["paper", "live"])
@pytest.mark.parametrize(
    "error",
    [RejectedError("TELEGRAM_401", "Unauthorized"), ConfigurationError("is not a bot's token")],
)
async def test_telegram_when_it_refuses_then_red_on_paper_too(
    desk: Desk, settings: Settings, error: Exception
) -> None:
    desk.settings = settings
    desk.messenger = error
    assert_red((await desk.lines())["telegram"], str(error))


async def test_api_token_when_the_first_start_makes_one_then_green(desk: Desk) -> None:
    desk.settings = replace(LIVE, api_token=None)
    assert_green((await desk.lines())["api token"], "the first start makes one")


async def test_api_token_when_nothing_would_make_one_then_red(desk: Desk) -> None:
    desk.settings = replace(LIVE, store="firestore", api_token=None)
    assert_red((await desk.lines())["api token"], "SAPPHIRE_API_TOKEN")


@pytest.mark.parametrize(
    ("audience", "account", "missing"),
    [
        (None, None, "SAPPHIRE_PUSH_AUDIENCE and SAPPHIRE_PUSH_SERVICE_ACCOUNT are not set"),
        ("https://f", None, "SAPPHIRE_PUSH_SERVICE_ACCOUNT is not set"),
        (None, "a@b", "SAPPHIRE_PUSH_AUDIENCE is not set"),
        ("https://f", "a@b", ""),
    ],
)
async def test_push_when_in_the_cloud_then_both_of_its_settings_are_wanted(
    desk: Desk, audience: str | None, account: str | None, missing: str
) -> None:
    desk.settings = replace(
        LIVE, store="firestore", push_audience=audience, push_service_account=account
    )
    line = (await desk.lines())["push authentication"]
    if missing:
        assert_red(line, missing)
    else:
        assert_green(line, "a@b")


@pytest.mark.parametrize(
    ("ahead_s", "ok", "words"),
    [
        (0, True, "0.0 s behind Telegram"),
        (2, True, "2.0 s ahead of Telegram"),
        (-2, True, "2.0 s behind Telegram"),
        (2.1, False, "2.1 s ahead of Telegram"),
        (-90, False, "90.0 s behind Telegram"),
    ],
)
async def test_clock_when_it_differs_then_red_beyond_two_seconds(
    desk: Desk, ahead_s: float, ok: bool, words: str
) -> None:
    desk.told = time_told(ahead_s, round_trip_s=3)
    line = (await desk.lines())["clock"]
    if ok:
        assert_green(line, words)
    else:
        assert_red(line, words, "NTP")


async def test_clock_when_nobody_tells_the_time_then_it_proves_nothing(desk: Desk) -> None:
    desk.told = None
    assert_green((await desk.lines())["clock"], "nobody outside")


# ---------------------------------------------------------------------------------------- records
async def test_store_when_probed_twice_then_one_document_and_no_other(desk: Desk) -> None:
    before = desk.store.contents()
    await desk.lines()
    desk.clock.advance(1)
    await desk.lines()
    after = desk.store.contents()

    probes = after.pop("preflight_probes")
    assert set(probes) == {"store"}
    assert probes["store"]["at"] == "2026-01-15T12:00:01.000000Z"
    assert after == before


async def test_store_when_another_probe_wins_the_race_then_it_tries_again(desk: Desk) -> None:
    raced = False

    async def race(operation: str, argument: object) -> None:
        nonlocal raced
        if operation == "commit" and not raced:
            raced = True
            await desk.store.commit([Create(Ref("preflight_probes", "store"), {"at": "earlier"})])

    desk.store.before = race
    assert_green((await desk.lines())["store"])


async def test_store_when_it_takes_a_stale_write_then_red(desk: Desk) -> None:
    commit = desk.store.commit

    async def careless(writes: Any) -> None:
        try:
            await commit(writes)
        except ConflictError:
            return

    desk.store.commit = careless  # type: ignore[method-assign]
    assert_red((await desk.lines())["store"], "had been replaced", "trade nothing")


async def test_store_when_it_does_not_answer_then_its_lines_are_red(desk: Desk) -> None:
    async def fail(operation: str, argument: object) -> None:
        raise TransientError("no store")

    desk.store.before = fail
    red = {line.name for line in red_lines(tuple((await desk.lines()).values()))}
    assert red == {"store", "limits", "trading state", "unresolved orders", "keys", "messages"}


async def test_limits_when_none_are_set_then_red() -> None:
    assert_red((await Desk().lines())["limits"], "nothing trades", "sapphire limits set")


@pytest.mark.parametrize(("settings", "ok"), [(PAPER, True), (LIVE, False)], ids=["paper", "live"])
async def test_limits_when_no_person_has_set_them_then_enough_for_paper_alone(
    settings: Settings, ok: bool
) -> None:
    desk = Desk(settings)
    await desk.put((Ref(RISK_LIMITS, "platform"), default_limits(settings.limits, NOON)))
    line = (await desk.lines())["limits"]
    assert line.ok is ok
    assert ok or "sapphire limits set" in line.todo


@pytest.mark.parametrize(
    "part", ["order.max_notional", "order.price_collar", "deployment.max_exposure"]
)
async def test_limits_when_a_core_one_is_missing_then_red_and_named(part: str) -> None:
    desk = Desk()
    limits = replace(default_limits(LIVE.limits, NOON), changed_by="ann")
    block, name = part.split(".")
    spoiled = replace(limits, **{block: replace(getattr(limits, block), **{name: None})})
    await desk.put((Ref(RISK_LIMITS, "platform"), spoiled))
    assert_red((await desk.lines())["limits"], part)


async def test_limits_when_they_cannot_be_read_then_red() -> None:
    desk = Desk()
    await desk.store.commit([Create(Ref(RISK_LIMITS, "platform"), {"scope": "platform"})])
    assert_red((await desk.lines())["limits"], "cannot be obeyed")


async def test_state_when_set_then_who_and_why_and_what_is_narrower(desk: Desk) -> None:
    gmx = a_state(TradingState.HALTED)
    over = a_state(TradingState.HALTED, until=NOON)
    await desk.put(
        (state_ref(venue_scope("GMX")), gmx),
        (state_ref(venue_scope("OSTIUM")), a_state(TradingState.ACTIVE)),
        (state_ref(venue_scope("ASTER")), over),
    )
    line = (await desk.lines())["trading state"]
    assert_green(line, "ACTIVE since 2026-01-15 12:00:00 UTC by ann: a start; venue GMX HALTED")
    assert "OSTIUM" not in line.detail
    assert "ASTER" not in line.detail


async def test_state_when_many_parts_are_halted_then_the_first_are_named(desk: Desk) -> None:
    names = [f"symbol:S{number}" for number in range(5)]
    await desk.put(*((state_ref(Scope.parse(n)), a_state(TradingState.HALTED)) for n in names))
    await desk.put((Ref(TRADING_STATE, "zebra"), a_state(TradingState.HALTED)))
    assert_green((await desk.lines())["trading state"], "symbol S0 HALTED", "and 3 more")


async def test_state_when_its_scope_is_none_then_its_key_is_shown(desk: Desk) -> None:
    await desk.put((Ref(TRADING_STATE, "zebra"), a_state(TradingState.HALTED)))
    assert_green((await desk.lines())["trading state"], "zebra HALTED")


async def test_state_when_none_was_ever_set_then_halted_and_readable() -> None:
    assert_green((await Desk().lines())["trading state"], "HALTED: none was ever set")


async def test_state_when_no_reason_is_kept_then_none_is_shown() -> None:
    desk = Desk()
    await desk.put((PLATFORM, a_state(TradingState.REDUCING, reason="")))
    line = (await desk.lines())["trading state"]
    assert_green(line, "REDUCING since")
    assert line.detail.endswith("by ann")


@pytest.mark.parametrize("key", ["platform", "venue:GMX"])
async def test_state_when_one_cannot_be_read_then_red(key: str) -> None:
    desk = Desk()
    await desk.store.commit([Create(Ref(TRADING_STATE, key), {"state": "ODD"})])
    assert_red((await desk.lines())["trading state"], key, "HALTED", "backup")


async def test_unresolved_when_there_is_one_then_red_on_paper_too(desk: Desk) -> None:
    desk.settings = PAPER
    intent = an_intent(status=IntentStatus.UNRESOLVED)
    await desk.put((Ref(ORDER_INTENTS, intent.plan.intent_id), intent))
    assert_red((await desk.lines())["unresolved orders"], "1:", "/api/ops/unresolved")


@pytest.mark.parametrize(
    ("age_s", "deliver_in_s", "ok"),
    [(119, None, True), (121, None, False), (121, 0, True), (600, -119, True), (600, -121, False)],
)
async def test_messages_when_one_waits_too_long_after_it_was_due_then_red(
    desk: Desk, age_s: int, deliver_in_s: int | None, ok: bool
) -> None:
    message = replace(
        a_message(occurred_at=NOON - timedelta(seconds=age_s)),
        deliver_at=None if deliver_in_s is None else NOON + timedelta(seconds=deliver_in_s),
    )
    await desk.store.commit([outbox_write(message)])
    line = (await desk.lines())["messages"]
    if ok:
        assert_green(line)
    else:
        assert_red(line, "the outbox holds one since 2026-01-15 11:")


async def test_messages_when_some_are_dead_then_red_with_the_last(desk: Desk) -> None:
    desk.dead = ["execute-order-planned: HTTP 500", "notify-notifications: HTTP 503"]
    assert_red((await desk.lines())["messages"], "2 dead", "notify-notifications: HTTP 503")


async def test_messages_when_it_does_not_run_yet_then_the_start_publishes_them(
    desk: Desk,
) -> None:
    desk.running = False
    desk.dead = ["execute-order-planned: HTTP 500"]
    await desk.store.commit([outbox_write(a_message(occurred_at=NOON - timedelta(hours=1)))])
    assert_green((await desk.lines())["messages"], "1 dead", "published once it runs")


async def test_messages_when_a_row_cannot_be_read_then_red(desk: Desk) -> None:
    row = {"occurred_at": "2026-01-15T11:00:00.000000Z", "deliver_at": "never"}
    await desk.store.commit([Create(Ref(OUTBOX, "odd"), row)])
    assert not (await desk.lines())["messages"].ok


# ------------------------------------------------------------------------------------------ fleet
async def test_keys_when_all_are_ready_then_counted_over_both_books(desk: Desk) -> None:
    await desk.deploy(live_deployment("dep_1"), live_deployment("dep_2"))
    other = live_deployment("dep_3", book="v2")
    await desk.put((Ref(V2.deployments, "dep_3"), other))
    lines = await desk.lines()
    assert_green(lines["keys"], "3 keys of 3 deployments READY")
    assert_green(lines["venue Hyperliquid"], "2 pairs (live)", "CLOSED", "named by 3 deployments")


async def test_keys_when_some_are_not_ready_then_green_with_the_first_named(desk: Desk) -> None:
    """One user's bad key stops nobody else's trading."""
    pending = replace(READY, status=KeyStatus.PENDING)
    wrong = replace(READY, status=KeyStatus.KEY_INVALID, code=KeyCode.ADDRESS_MISMATCH.value)
    await desk.deploy(
        live_deployment("dep_a"),
        live_deployment("dep_b", venue_keys={"HYPERLIQUID": pending}),
        live_deployment("dep_c", venue_keys={"HYPERLIQUID": wrong}),
        live_deployment("dep_d", venue_keys={}),
        live_deployment("dep_e", venue_keys={}),
    )
    assert_green(
        (await desk.lines())["keys"],
        "1 key of 5 deployments READY; 4 of 5 keys not READY: dep_b HYPERLIQUID PENDING, "
        "dep_c HYPERLIQUID KEY_INVALID (KEY_ADDRESS_MISMATCH), dep_d HYPERLIQUID none and 1 more",
        "whether the venue knows them shows with the first order",
    )


@pytest.mark.parametrize("running", [True, False])
async def test_keys_when_none_is_ready_then_red_and_the_first_are_named(
    desk: Desk, running: bool
) -> None:
    desk.running = running
    wrong = replace(READY, status=KeyStatus.KEY_INVALID, code=KeyCode.ADDRESS_MISMATCH.value)
    await desk.deploy(
        live_deployment("dep_c", venue_keys={"HYPERLIQUID": wrong}),
        live_deployment("dep_d", venue_keys={}),
    )
    assert_red(
        (await desk.lines())["keys"],
        "2 of 2 keys not READY: dep_c HYPERLIQUID KEY_INVALID (KEY_ADDRESS_MISMATCH), "
        "dep_d HYPERLIQUID none",
        "rotate",
    )


async def test_keys_when_it_does_not_run_yet_and_one_is_pending_then_a_bad_one_stops_no_start(
    desk: Desk,
) -> None:
    desk.running = False
    pending = replace(READY, status=KeyStatus.PENDING)
    wrong = replace(READY, status=KeyStatus.KEY_INVALID, code=KeyCode.MALFORMED.value)
    await desk.deploy(
        live_deployment("dep_a", venue_keys={"HYPERLIQUID": pending}),
        live_deployment("dep_b", venue_keys={"HYPERLIQUID": wrong}),
    )
    line = (await desk.lines())["keys"]
    assert_green(line, "1 to be checked once it runs; 1 of 2 keys not READY")
    assert "whether the venue knows them" not in line.detail  # none is READY yet


async def test_keys_when_the_operator_has_none_then_nobody_waits_for_them(desk: Desk) -> None:
    await desk.deploy(live_deployment(OPERATOR, venue_keys={}))
    lines = await desk.lines()
    assert_green(lines["keys"], "no deployment yet")
    assert "venue Hyperliquid" not in lines


async def test_keys_when_the_operator_has_a_bad_one_then_it_counts(desk: Desk) -> None:
    wrong = replace(READY, status=KeyStatus.KEY_INVALID, code=KeyCode.MALFORMED.value)
    await desk.deploy(live_deployment(OPERATOR, venue_keys={"HYPERLIQUID": wrong}))
    assert_red((await desk.lines())["keys"], "operator HYPERLIQUID KEY_INVALID")


async def test_keys_when_revoked_by_the_user_then_that_is_meant(desk: Desk) -> None:
    gone = replace(READY, status=KeyStatus.KEY_INVALID, code=KeyCode.REVOKED.value)
    await desk.deploy(live_deployment("dep_a", venue_keys={"HYPERLIQUID": gone}))
    assert_green((await desk.lines())["keys"], "1 revoked by their users")


@pytest.mark.parametrize("running", [True, False])
async def test_keys_when_one_is_pending_then_red_only_while_somebody_checks_keys(
    desk: Desk, running: bool
) -> None:
    desk.running = running
    pending = replace(READY, status=KeyStatus.PENDING)
    await desk.deploy(live_deployment(venue_keys={"HYPERLIQUID": pending}))
    line = (await desk.lines())["keys"]
    assert line.ok is not running
    assert running or "1 to be checked once it runs" in line.detail


@pytest.mark.parametrize(
    "changes",
    [{"paper": True}, {"status": DeploymentStatus.PAUSED}],
    ids=["on paper", "paused"],
)
async def test_fleet_when_a_deployment_is_of_another_mode_or_paused_then_it_does_not_count(
    desk: Desk, changes: dict[str, Any]
) -> None:
    await desk.deploy(live_deployment(venue_keys={}, **changes))
    lines = await desk.lines()
    assert_green(lines["keys"], "no deployment yet")
    assert_green(lines["venues"], "no deployment")


async def test_fleet_when_there_are_more_than_a_page_then_all_are_counted(desk: Desk) -> None:
    many = [live_deployment(f"dep_{number}") for number in range(PAGE + 1)]
    for start in range(0, len(many), 400):
        await desk.deploy(*many[start : start + 400])
    found = await run_preflight(desk.ports())
    [keys] = [line for line in found if line.name == "keys"]
    assert_green(keys, f"{PAGE + 1} keys of {PAGE + 1} deployments READY")


async def test_venue_when_it_is_not_set_up_then_red_where_a_setting_would_help(desk: Desk) -> None:
    venues = (Venue.OSTIUM, Venue.DRIFT)
    await desk.deploy(live_deployment(enabled_venues=venues, venue_keys={"OSTIUM": READY}))
    desk.refusals = {Venue.OSTIUM: "ARBITRUM_RPC_URL is missing", Venue.DRIFT: "paused since April"}
    desk.hopeless = frozenset({Venue.DRIFT})
    lines = await desk.lines()
    assert_red(lines["venue Ostium"], "ARBITRUM_RPC_URL is missing", "named by 1 deployment")
    assert_green(lines["venue Drift"], "left out: paused since April")
    assert "venue Hyperliquid" not in lines


async def test_venue_when_it_is_not_among_ours_then_red(desk: Desk) -> None:
    desk.venues = {}
    await desk.deploy(live_deployment())
    assert_red((await desk.lines())["venue Hyperliquid"], "not connected here")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (TransientError("Hyperliquid: HTTP 503"), "HTTP 503"),
        (an_instrument_table(symbols=()), "lists nothing"),
    ],
)
async def test_venue_when_it_lists_nothing_then_red_and_no_other_line(
    desk: Desk, answer: InstrumentTable | Exception, says: str
) -> None:
    venues = (Venue.HYPERLIQUID, Venue.GMX)
    keys = {"HYPERLIQUID": READY, "GMX": READY}
    await desk.deploy(live_deployment(enabled_venues=venues, venue_keys=keys))
    desk.venues = {
        Venue.HYPERLIQUID: Listing(Venue.HYPERLIQUID, answer),
        Venue.GMX: Listing(Venue.GMX),
    }
    lines = await desk.lines()
    assert_red(lines["venue Hyperliquid"], says, "HYPERLIQUID_API_URL")
    assert [line.name for line in lines.values() if not line.ok] == ["venue Hyperliquid"]


def of_table(listed: Listing, age: timedelta) -> tuple[Ref, InstrumentTable]:
    assert isinstance(listed.table, InstrumentTable)
    stored = replace(listed.table, refreshed_at=NOON - age, source="stored")
    return Ref(VENUE_MARKETS, listed.venue), stored


@pytest.mark.parametrize(("age_s", "source"), [(59, "stored"), (60, "live"), (600, "live")])
async def test_venue_when_its_table_is_younger_than_a_minute_then_it_is_not_asked_again(
    desk: Desk, age_s: int, source: str
) -> None:
    """Every question counts against our own budget at the venue."""
    await desk.deploy(live_deployment())
    await desk.put(of_table(Listing(Venue.HYPERLIQUID), timedelta(seconds=age_s)))
    assert_green((await desk.lines())["venue Hyperliquid"], f"2 pairs ({source})")


@pytest.mark.parametrize(
    ("age", "ok"), [(timedelta(minutes=20), True), (timedelta(minutes=20, seconds=1), False)]
)
async def test_venue_when_our_budget_is_used_up_then_the_stored_table_counts_for_twenty_minutes(
    desk: Desk, age: timedelta, ok: bool
) -> None:
    await desk.deploy(live_deployment())
    await desk.put(of_table(Listing(Venue.HYPERLIQUID), age))
    waits = RateLimitedError("Hyperliquid: our budget is used up", retry_after_s=7.2)
    desk.venues = {Venue.HYPERLIQUID: Listing(Venue.HYPERLIQUID, waits)}
    line = (await desk.lines())["venue Hyperliquid"]
    if ok:
        assert_green(line, "2 pairs (stored)")
    else:
        assert_red(line, "our budget is used up; named by 1 deployment", "wait 8 s")


async def test_venue_when_our_budget_is_used_up_and_nothing_is_stored_then_how_long_to_wait(
    desk: Desk,
) -> None:
    await desk.deploy(live_deployment())
    waits = RateLimitedError("Hyperliquid: our budget is used up")
    desk.venues = {Venue.HYPERLIQUID: Listing(Venue.HYPERLIQUID, waits)}
    assert_red((await desk.lines())["venue Hyperliquid"], "wait 10 s, and ask again")


async def test_limits_when_set_then_those_of_all_together_are_named_too(desk: Desk) -> None:
    assert_green((await desk.lines())["limits"], "a deployment, $2,000,000,000 in all")
    limits = replace(default_limits(LIVE.limits, NOON), changed_by="ann")
    other = Desk()
    none = replace(limits, total=replace(limits.total, max_exposure=None))
    await other.put((Ref(RISK_LIMITS, "platform"), none))
    assert_green((await other.lines())["limits"], "a deployment, no limit in all")


@pytest.mark.parametrize(
    ("opened_ago_s", "reason", "ok", "says"),
    [
        (59, "timeout", False, "breaker OPEN (timeout)"),
        (59, "", False, "breaker OPEN;"),
        (60, "timeout", True, "breaker OPEN (timeout), the next order tries it"),
    ],
)
async def test_venue_when_its_breaker_is_open_then_red_until_it_lets_an_order_try(
    desk: Desk, opened_ago_s: int, reason: str, ok: bool, says: str
) -> None:
    await desk.deploy(live_deployment())
    breaker = replace(
        closed("HYPERLIQUID", now=NOON),
        status=BreakerStatus.OPEN,
        opened_at=NOON - timedelta(seconds=opened_ago_s),
        reason=reason,
    )
    await desk.put((Ref(BREAKERS, "HYPERLIQUID"), breaker))
    line = (await desk.lines())["venue Hyperliquid"]
    assert line.ok is ok
    assert says in line.detail
    assert ok or "within 60 s" in line.todo
