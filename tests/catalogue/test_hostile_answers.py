"""Hostile servers: other chains, other keys, other typed data, floods, bombs, redirects, no TLS.

What is judged field by field has its mutation tests beside the code that judges: GMX's typed data
in tests/unit/infra/venues/gmx/test_gmx_typed_data.py, Permit2 and quotes in
tests/unit/infra/venues/spot/test_spot_quote.py, calls in test_spot_calldata.py, token lists in
test_spot_tokens.py. Here the whole chain meets them: the order dies, the next venue gets it.
"""

import ast
import asyncio
import gzip
import json
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account

from common.domain.instrument import Venue
from common.domain.order import OrderStatus
from common.errors import (
    ConfigurationError,
    DeniedError,
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    SapphireError,
    TransientError,
)
from infra.feeds.hyperliquid import HyperliquidFeed
from infra.local.exchanges import transport as wire
from infra.local.exchanges.exchange import ApiRequest
from infra.local.exchanges.faults import Fault, FaultFunction, FaultKind
from infra.local.exchanges.gmx.hostile import Hostility as GmxHostility
from infra.local.exchanges.server import NoAnswer, Reply
from infra.local.exchanges.transport import ExchangeTransport
from infra.local.exchanges.uniswap.hostile import Hostility as SpotHostility
from infra.venues.accounts import VenueAccount
from infra.venues.http import ANSWER_BYTES_MAX, VenueHttp
from infra.venues.hyperliquid.meta import load_meta
from infra.venues.hyperliquid.venue import HyperliquidVenue
from infra.venues.parts import VenueParts
from infra.venues.spot.token_list import LIST_BYTES_MAX, read_token_list
from tests.builders import NOON
from tests.catalogue.answers import (
    LIVE,
    SENDS,
    an_order_at,
    pipeline,
    prepared,
    rewrite_bodies,
    sent,
)
from tests.fakes.accounts import FakeSigner
from tests.fakes.clock import FakeClock
from tests.faults.rows import ROWS
from tests.faults.stand import Stand
from tests.integration.hyperliquid_floor import Floor
from tests.shared_data import REPOSITORY
from tests.unit.infra.venues.symphony import desk as symphony

Ask = Callable[[], Awaitable[object]]


def operations(stand: Stand) -> list[str]:
    assert stand.server is not None
    return [operation.name for operation, _ in stand.server.requests]


# ------------------------------------------------------------------------------- wrong signatures
WRONG_KEY = {
    "Hyperliquid perps": ("SIGNER_UNKNOWN", "SIGNER_UNKNOWN"),
    "Hyperliquid spot": ("SIGNER_UNKNOWN", "SIGNER_UNKNOWN"),
    "Aster": ("NOT_AUTHORIZED", "NOT_AUTHORIZED"),
    "Ostium": ("NOT_A_DELEGATE", "INSUFFICIENT_GAS_FUNDS"),
    "GMX": ("SIGNATURE_REFUSED", "SIGNATURE_REFUSED"),
    "Spot (Uniswap)": ("ALLOWANCE_INSUFFICIENT", "REVERTED"),
}
"""Another address with its own key, and our address with another's signature."""


@pytest.mark.parametrize("kind", ["another signer", "another's signature"])
@pytest.mark.parametrize("venue", WRONG_KEY)
async def test_signature_when_it_is_of_another_key_then_refused_clearly_and_nothing_trades(
    venue: str, kind: str
) -> None:
    stand = await ROWS[venue]()
    assert stand.accounts is not None
    other = Account.from_key("0x" + "77" * 32)
    forged = kind != "another signer"
    address = stand.accounts.fake_signer.address if forged else other.address.lower()
    stand.accounts.fake_signer = FakeSigner(address=address, account=other)
    with pytest.raises(RejectedError) as refused:
        await stand.venue.submit(*(await prepared(stand)))
    assert refused.value.code == WRONG_KEY[venue][forged]
    assert stand.fills() == []


async def test_signature_when_symphonys_key_is_another_then_nothing_trades() -> None:
    """Its orders are not signed: the platform's key goes with each request."""
    desk = await symphony.Desk().load()
    order, request = await desk.prepared(desk.order())
    desk.key = "sk_live_of_somebody_else"
    with pytest.raises(RejectedError) as refused:
        await desk.venue.submit(order, request)
    assert refused.value.code == "NOT_AUTHORIZED"
    with pytest.raises(TransientError):
        await desk.venue.prepare(desk.order(2))
    assert desk.exchange.fills() == []


async def test_signature_when_the_key_is_not_the_accounts_then_nothing_is_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GMX and SPOT can see it themselves: the account names the address that trades."""
    for name, error in (("GMX", DeniedError), ("Spot (Uniswap)", RejectedError)):
        stand = await ROWS[name]()
        accounts = stand.accounts
        assert accounts is not None
        ours = await accounts.account("dep_1", stand.name)

        async def account(*_: object, ours: VenueAccount = ours) -> VenueAccount:
            return ours

        monkeypatch.setattr(accounts, "account", account)
        accounts.fake_signer = unusable("0x" + "ee" * 20)
        with pytest.raises(error):
            await stand.venue.prepare(an_order_at(stand))


class NeverSigns:
    """In place of a key: whoever would sign with it fails the test."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the key was used: {name}")


def unusable(address: str) -> FakeSigner:
    account: Any = NeverSigns()
    return FakeSigner(address=address, account=account)


# --------------------------------------------------------------------------------- another chain
@pytest.mark.parametrize("venue", ["Ostium", "Spot (Uniswap)"])
@pytest.mark.parametrize("chain", ["0x1", "0x66eee", "0x0"])
async def test_chain_when_the_node_is_of_another_then_nothing_is_signed(
    venue: str, chain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = await ROWS[venue]()
    assert stand.accounts is not None
    monkeypatch.setattr(node_of(stand), "_checked", False)  # as another process has it
    stand.accounts.fake_signer = unusable(stand.accounts.fake_signer.address)
    rewrite_bodies(stand, {"eth_chainId": lambda body: {**body, "result": chain}})
    with pytest.raises(ConfigurationError, match="is of chain"):
        await stand.venue.prepare(an_order_at(stand))
    assert SENDS[venue] not in operations(stand)


@pytest.mark.parametrize("venue", ["Ostium", "Spot (Uniswap)"])
async def test_chain_when_the_node_is_of_another_then_not_found_proves_nothing(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = await ROWS[venue]()
    order = await sent(stand)
    monkeypatch.setattr(node_of(stand), "_checked", False)
    rewrite_bodies(stand, {"eth_chainId": lambda body: {**body, "result": "0x1"}})
    with pytest.raises(ConfigurationError):
        await stand.venue.query_order(order)


def node_of(stand: Stand) -> object:
    venue: Any = stand.venue
    node: object = venue._rpc
    return node


async def test_chain_when_hyperliquids_networks_are_mixed_up_then_refused_and_explained() -> None:
    """Its signatures name the network; the other one recovers a signer that nobody knows."""
    floor = await Floor().open()
    mainnet = HyperliquidVenue(
        VenueParts(
            accounts=floor.accounts,
            store=floor.store,
            clock=floor.clock,
            instruments=floor.instruments,
            network="mainnet",
            transport=ExchangeTransport(floor.server),
        )
    )
    order = floor.order()
    request = await mainnet.prepare(order)
    with pytest.raises(RejectedError, match="signed for the other network") as refused:
        await mainnet.submit(replace(order, nonce=request.nonce, signer=request.signer), request)
    assert refused.value.code == "SIGNER_UNKNOWN"
    assert floor.held() == 0


# ------------------------------------------------------------------------------ other typed data
HOSTILITIES = [
    *(("GMX", hostility) for hostility in GmxHostility),
    *(("Spot (Uniswap)", hostility) for hostility in SpotHostility),
]


@pytest.mark.parametrize(
    ("venue", "hostility"), HOSTILITIES, ids=[f"{name}-{what}" for name, what in HOSTILITIES]
)
async def test_typed_data_when_it_is_not_what_was_asked_then_unsigned_and_the_next_venue_trades(
    venue: str, hostility: Any
) -> None:
    stand = await ROWS[venue]()
    flow = await pipeline(stand)
    assert stand.server is not None
    exchange: Any = stand.server.exchange
    lever = "hostility" if stand.name is Venue.GMX else "hostile"
    assert getattr(exchange, lever) is None
    setattr(exchange, lever, hostility)
    await flow.run()
    first = flow.trading.order(1)
    assert (first.venue, first.status) == (stand.name, OrderStatus.REJECTED)
    assert first.reason
    assert first.payload_hash == ""
    assert f"{first.client_order_id}" not in flow.trading.rows("signed_requests")
    assert SENDS[venue] not in operations(stand)
    assert stand.fills() == []
    assert [order.quantity for order in flow.following.sent] == [stand.candidate.quantity]
    assert flow.trading.intent().status == "FILLED"


# ------------------------------------------------------------------------------------ token lists
LDO = "0x13Ad51ed4F1B7e9Dc168d8a00cB3f4dDD85EfA60"


def a_token(**changes: object) -> dict[str, object]:
    return {"chainId": 42161, "address": LDO, "decimals": 18, "symbol": "LDO"} | changes


TOKEN_LISTS: dict[str, bytes] = {
    "a curated name": json.dumps({"tokens": [a_token(symbol="WETH")]}).encode(),
    "a dollar": json.dumps({"tokens": [a_token(symbol="USDT")]}).encode(),
    "a look-alike": json.dumps({"tokens": [a_token(symbol="\u0415TH")]}).encode(),
    "right to left": json.dumps({"tokens": [a_token(symbol="\u202eODL")]}).encode(),
    "another chain": json.dumps({"tokens": [a_token(chainId=1)]}).encode(),
    "a wrong checksum": json.dumps({"tokens": [a_token(address=LDO.lower())]}).encode(),
    "decimals as text": json.dumps({"tokens": [a_token(decimals="18")]}).encode(),
    "a thousand decimals": json.dumps({"tokens": [a_token(decimals=1000)]}).encode(),
    "one good, one bad": json.dumps({"tokens": [a_token(), a_token(symbol="")]}).encode(),
    "twice": json.dumps({"tokens": [a_token(), a_token()]}).encode(),
    "too many": json.dumps({"tokens": [a_token()] * 501}).encode(),
    "too large": b'{"tokens":[' + b" " * LIST_BYTES_MAX + b"]}",
    "nested": b'{"tokens":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no list": b'{"tokens": {"0": {}}}',
    "no JSON": b"<html></html>",
    "NaN": b'{"tokens":[{"chainId":NaN}]}',
}


@pytest.mark.parametrize("raw", TOKEN_LISTS.values(), ids=TOKEN_LISTS)
def test_token_list_when_hostile_then_refused_whole(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(raw)
    with pytest.raises(InvalidInputError) as refused:
        read_token_list(path, chain_id=42161)
    assert refused.value.code == "TOKEN_LIST_REFUSED"


# ----------------------------------------------------------------------------- floods and bombs
@dataclass
class Wire:
    """What the adapter was sent and what it took of it."""

    most: int = 0  # bytes of one body
    seen: list[ApiRequest] = field(default_factory=list)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Counts what is taken of each body, and keeps every request."""
    record = Wire()
    body_of = wire._Body

    class Counted(body_of):  # type: ignore[misc, valid-type]  # as the transport makes it
        async def __aiter__(self) -> AsyncIterator[bytes]:
            taken = 0
            async for piece in super().__aiter__():
                taken += len(piece)
                record.most = max(record.most, taken)
                yield piece

    monkeypatch.setattr(wire, "_Body", Counted)
    return record


def listen(stand: Stand, record: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stand.server is not None
    respond = stand.server.respond

    def heard(request: ApiRequest) -> Reply | NoAnswer:
        record.seen.append(request)
        return respond(request)

    monkeypatch.setattr(stand.server, "respond", heard)


async def queries(stand: Stand) -> dict[str, Ask]:
    order = await sent(stand)
    account_id, venue = order.account_id, stand.venue
    return {
        "order": lambda: venue.query_order(order),
        "position": lambda: venue.query_position(account_id=account_id, symbol=order.symbol),
        "account": lambda: venue.query_account(account_id=account_id),
        "cancel": lambda: venue.cancel(order),
    }


def always(stand: Stand, fault: Fault) -> None:
    assert stand.server is not None
    stand.server.faults = FaultFunction(lambda operation, key: fault)


FLOODS = {
    "10 MB": Fault(FaultKind.HUGE, size=10_000_000),
    "100 MB": Fault(FaultKind.HUGE, size=100_000_000),
    "endless": Fault(FaultKind.ENDLESS),
}
TAKEN_MAX = ANSWER_BYTES_MAX + 65_536


@pytest.mark.parametrize("kind", ["10 MB", "endless"])
@pytest.mark.parametrize("venue", LIVE)
async def test_flood_when_a_query_is_answered_with_it_then_no_answer_and_little_is_taken(
    venue: str, kind: str, watched: Wire
) -> None:
    stand = await ROWS[venue]()
    asks = await queries(stand)
    always(stand, FLOODS[kind])
    async with asyncio.timeout(20):
        for ask in asks.values():
            with pytest.raises(TransientError):
                await ask()
    assert 0 < watched.most <= TAKEN_MAX


@pytest.mark.parametrize("kind", ["10 MB", "endless"])
@pytest.mark.parametrize("venue", LIVE)
async def test_flood_when_an_order_is_answered_with_it_then_unknown_and_little_is_taken(
    venue: str, kind: str, watched: Wire
) -> None:
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    watched.most = 0
    always(stand, FLOODS[kind])
    async with asyncio.timeout(20):
        with pytest.raises(OutcomeUnknownError):
            await stand.venue.submit(order, request)
    assert 0 < watched.most <= TAKEN_MAX


@pytest.mark.parametrize("venue", ["Hyperliquid perps", "Aster", "Ostium", "GMX"])
async def test_flood_when_the_listing_is_answered_with_it_then_no_table(
    venue: str, watched: Wire
) -> None:
    """SPOT's and Symphony's lists are our own."""
    stand = await ROWS[venue]()
    watched.most = 0
    always(stand, FLOODS["endless"])
    if venue == "GMX":
        stand.clock.advance(3600)  # past what it remembers of its lists
    async with asyncio.timeout(20):
        with pytest.raises(TransientError):
            await stand.venue.load_instruments()
    assert 0 < watched.most <= TAKEN_MAX


async def test_flood_when_it_is_endless_then_memory_stays_bounded() -> None:
    """The stand-in sends one piece again and again, so what is held is held by us."""
    stand = await ROWS["Aster"]()
    asks = await queries(stand)
    always(stand, FLOODS["endless"])
    tracemalloc.start()
    try:
        for ask in asks.values():
            with pytest.raises(TransientError):
                await ask()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 7_000_000


BOMB = gzip.compress(b" " * 200_000_000, 9, mtime=0)


def bombed(request: httpx.Request) -> httpx.Response:
    class Sent(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield BOMB

    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    return httpx.Response(200, headers=headers, stream=Sent(), request=request)


async def peak_of(ask: Ask, error: type[SapphireError]) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(error):
            await ask()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_bomb_when_a_small_body_unpacks_to_200_mb_then_it_is_not_unpacked() -> None:
    assert len(BOMB) < 250_000
    http = VenueHttp(
        "https://venue.test", label="Venue", timeout_s=5, transport=httpx.MockTransport(bombed)
    )
    assert await peak_of(lambda: http.read("GET", "/"), TransientError) < 12_000_000
    assert await peak_of(lambda: http.order("POST", "/"), OutcomeUnknownError) < 12_000_000
    await http.close()


async def test_bomb_when_the_feed_or_the_paper_list_gets_one_then_it_is_not_unpacked() -> None:
    transport = httpx.MockTransport(bombed)
    client = httpx.AsyncClient(transport=transport)
    feed = HyperliquidFeed("https://info.test", FakeClock(), "5m", client)
    assert await peak_of(lambda: feed.snapshot("ETH", candles=3), TransientError) < 12_000_000
    await feed.aclose()

    def listing() -> Awaitable[object]:
        return load_meta("https://info.test", NOON, transport=transport)

    assert await peak_of(listing, TransientError) < 12_000_000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"\x0b\x02\x80{}\x03"),
        ("zstd", b"{}"),
        ("deflate", b"{}"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
        ("gzip", b"not gzip at all"),
        ("gzip", gzip.compress(b'{"status":"ok"}', mtime=0)[:-9]),
    ],
)
async def test_packing_when_it_is_not_what_was_asked_for_then_no_answer(
    encoding: str, body: bytes
) -> None:
    http = packed(encoding, body)
    with pytest.raises(TransientError):
        await http.read("GET", "/")
    with pytest.raises(OutcomeUnknownError):
        await http.order("POST", "/")
    await http.close()


async def test_packing_when_it_is_gzip_then_read() -> None:
    http = packed("gzip", gzip.compress(b'{"status":"ok"}', mtime=0))
    assert (await http.read("GET", "/")).json() == {"status": "ok"}
    await http.close()


def packed(encoding: str, body: bytes) -> VenueHttp:
    class Sent(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield body

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "gzip"
        headers = {"content-encoding": encoding}
        return httpx.Response(200, headers=headers, stream=Sent(), request=request)

    transport = httpx.MockTransport(answer)
    return VenueHttp("https://venue.test", label="Venue", timeout_s=5, transport=transport)


# -------------------------------------------------------------------------------------- redirects
ELSEWHERE = "elsewhere.invalid"
REDIRECT = Fault(FaultKind.REDIRECT, lands=True, location=f"https://{ELSEWHERE}/v1/steal")


@pytest.mark.parametrize("venue", LIVE)
async def test_redirect_when_a_query_meets_it_then_no_answer_and_nobody_else_hears_of_it(
    venue: str, watched: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = await ROWS[venue]()
    asks = await queries(stand)
    listen(stand, watched, monkeypatch)
    always(stand, REDIRECT)
    for ask in asks.values():
        with pytest.raises(TransientError):
            await ask()
    assert watched.seen
    assert ELSEWHERE not in {request.host for request in watched.seen}


@pytest.mark.parametrize("venue", LIVE)
async def test_redirect_when_an_order_meets_it_then_unknown_and_nobody_else_hears_of_it(
    venue: str, watched: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    listen(stand, watched, monkeypatch)
    always(stand, REDIRECT)
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)
    assert ELSEWHERE not in {request.host for request in watched.seen}


@pytest.mark.parametrize("venue", LIVE)
async def test_redirect_when_preparing_meets_it_then_nothing_is_prepared_elsewhere(
    venue: str, watched: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hyperliquid and Aster ask nobody to prepare an order."""
    stand = await ROWS[venue]()
    listen(stand, watched, monkeypatch)
    always(stand, REDIRECT)
    asks_nobody = venue.startswith("Hyperliquid") or venue == "Aster"
    if asks_nobody:
        await stand.venue.prepare(an_order_at(stand))
        assert watched.seen == []
        return
    with pytest.raises(TransientError):
        await stand.venue.prepare(an_order_at(stand))
    assert ELSEWHERE not in {request.host for request in watched.seen}


@pytest.mark.parametrize(
    ("venue", "hosts"),
    [
        ("Spot (Uniswap)", {"trade-api.gateway.uniswap.org"}),
        ("Symphony", {"api.symphony.io"}),
        ("Hyperliquid perps", set()),
        ("Aster", set()),
        ("Ostium", set()),
        ("GMX", set()),
    ],
)
async def test_api_key_when_an_order_runs_its_course_then_only_its_own_host_sees_it(
    venue: str, hosts: set[str], watched: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SPOT also talks to a node, which is somebody else's."""
    stand = await ROWS[venue]()
    listen(stand, watched, monkeypatch)
    flow = await pipeline(stand)
    await flow.run()
    assert stand.fills()
    with_key = {request.host for request in watched.seen if "x-api-key" in request.headers}
    assert with_key == hosts
    assert all("authorization" not in request.headers for request in watched.seen)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
async def test_redirect_when_it_has_any_status_then_refused(status: int) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(status, headers={"location": f"https://{ELSEWHERE}/"})

    http = VenueHttp(
        "https://venue.test",
        label="Venue",
        timeout_s=5,
        headers={"x-api-key": "canary"},
        transport=httpx.MockTransport(answer),
    )
    with pytest.raises(TransientError):
        await http.read("GET", "/")
    with pytest.raises(OutcomeUnknownError):
        await http.order("POST", "/")
    assert asked == ["venue.test", "venue.test"]
    await http.close()


async def test_redirect_when_the_feed_or_the_paper_list_meets_it_then_refused() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"location": f"https://{ELSEWHERE}/info"})

    transport = httpx.MockTransport(answer)
    client = httpx.AsyncClient(transport=transport)
    feed = HyperliquidFeed("https://info.test", FakeClock(), "5m", client)
    with pytest.raises(TransientError):
        await feed.snapshot("ETH", candles=3)
    with pytest.raises(TransientError):
        await load_meta("https://info.test", NOON, transport=transport)
    assert asked == ["info.test", "info.test"]
    await feed.aclose()


# -------------------------------------------------------------------------------------------- TLS
SOURCES = ("common", "functions", "infra", "tools", "bench")
UNVERIFIED = {
    "verify": False,
    "verify_ssl": False,
    "ssl": False,
    "check_hostname": False,
    "trust_all": True,
}
NAMES = {"CERT_NONE", "_create_unverified_context", "disable_warnings"}
FOLLOWING = {"follow_redirects", "allow_redirects"}


def weaknesses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where TLS is not verified, or a redirect is followed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            if UNVERIFIED.get(str(node.arg), node) is node.value.value:
                yield node.value.lineno, f"{node.arg}={node.value.value!r}"
            if node.arg in FOLLOWING and node.value.value is not False:
                yield node.value.lineno, f"{node.arg}={node.value.value!r}"
        elif isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in NAMES:
                yield node.lineno, name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                name = target.attr if isinstance(target, ast.Attribute) else ""
                if UNVERIFIED.get(name, node) is node.value.value:
                    yield node.lineno, f"{name} = {node.value.value!r}"


@pytest.mark.parametrize(
    "source",
    [
        "httpx.AsyncClient(verify=False)",
        "requests.get(url, verify=False)",
        "context.check_hostname = False",
        "context.verify_mode = ssl.CERT_NONE",
        "from ssl import CERT_NONE\nx = CERT_NONE",
        "ssl._create_unverified_context()",
        "session.get(url, ssl=False)",
        "httpx.AsyncClient(follow_redirects=True)",
    ],
)
def test_weaknesses_when_there_is_one_then_found(source: str) -> None:
    assert list(weaknesses(ast.parse(source)))


def test_tls_when_the_tree_is_read_then_it_is_verified_everywhere() -> None:
    files = [path for folder in SOURCES for path in (REPOSITORY / folder).rglob("*.py")]
    assert len(files) > 200
    assert [
        f"{path.relative_to(REPOSITORY)}:{line} {what}"
        for path in files
        for line, what in weaknesses(ast.parse(path.read_text()))
    ] == []


def test_addresses_when_they_are_our_own_then_all_are_https() -> None:
    """Of venues, feeds and messengers; what a person sets may be a stand-in's http address."""
    folders = ("infra/venues", "infra/feeds", "infra/telegram", "infra/keys")
    found = [
        (str(path.relative_to(REPOSITORY)), node.value)
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.startswith(("http:", "https:", "ws:"))
    ]
    addresses = [value for _, value in found if len(value) > len("https://")]
    assert len(addresses) > 8
    assert [(path, value) for path, value in found if value[:7] == "http://" != value] == []


async def test_tls_when_a_certificate_is_nobodys_then_no_connection_and_nothing_is_sent(
    tmp_path: Path,
) -> None:
    """A real socket with a certificate of its own making."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    http = VenueHttp(
        f"https://127.0.0.1:{port}", label="Venue", timeout_s=5, headers={"x-api-key": "canary"}
    )
    with pytest.raises(TransientError, match="ConnectError"):
        await http.read("GET", "/")
    with pytest.raises(TransientError, match="ConnectError"):  # proven never sent
        await http.order("POST", "/", content="{}")
    await http.close()
    server.close()
    await server.wait_closed()
    assert b"canary" not in b"".join(heard)


def self_signed(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOON - timedelta(days=400))
        .not_valid_after(NOON + timedelta(days=4000))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
