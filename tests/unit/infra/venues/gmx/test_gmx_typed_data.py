"""Whatever the server changes in what we are to sign, nothing is signed."""

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.domain.order import OrderSide
from common.errors import RejectedError, TransientError
from infra.local.exchanges.gmx.hostile import THIEF, Hostility
from infra.local.exchanges.gmx.markets import USDC
from infra.local.exchanges.gmx.signatures import relay_digest
from infra.venues.gmx.contracts import TYPES, network_named
from infra.venues.gmx.typed_data import (
    CODE,
    EXECUTION_FEE_MAX,
    RELAY_FEE_MAX,
    Prepared,
    Setting,
    read_cancel,
    read_order,
)
from infra.venues.gmx.wanted import Wanted, plan
from tests.builders import NOON
from tests.unit.infra.venues.gmx.gmx_desk import Desk

KEY = "0x" + "ab" * 32
Path = tuple[str | int, ...]


class Case:
    """One order with the good answer to it."""

    def __init__(self, payload: dict[str, Any], wanted: Wanted, setting: Setting) -> None:
        self.payload = payload
        self.wanted = wanted
        self.setting = setting

    def read(self, payload: dict[str, Any] | None = None) -> Prepared:
        return read_order(payload or self.payload, self.wanted, self.setting)


async def case(
    side: OrderSide = OrderSide.BUY, *, own_key: bool = False, held: bool = False
) -> Case:
    desk = await Desk(own_key=own_key).open()
    if held:
        await desk.trade(desk.order(OrderSide.SELL if side is OrderSide.BUY else OrderSide.BUY))
    order = desk.order(side, quantity=Decimal("0.1"))
    signatory = await desk.venue._signatory(order)
    wanted = plan(order, await desk.venue._ground(order), signatory)
    _, payload = desk.exchange.drafting.order(wanted.request(), desk.clock.now())
    catalogue = await desk.venue._client.catalogue()
    setting = Setting(network_named("mainnet"), catalogue, desk.clock.now())
    return Case(json.loads(json.dumps(payload)), wanted, setting)


def leaves(value: object, path: Path = ()) -> Iterator[Path]:
    """Every scalar, every list and every object of what is signed or sent along."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))


def another(value: object) -> object:
    """The same kind of value, but a different one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value, value[0] if value else THIEF]
    if isinstance(value, dict):
        return {**value, "gift": "1"}
    text = str(value)
    if text.isdigit():
        return str(int(text) + 1)
    if text.startswith("0x"):
        return text[:-1] + ("1" if text[-1] == "0" else "0")
    return f"{text}x"


def changed(payload: dict[str, Any], path: Path, to: object) -> dict[str, Any]:
    whole: dict[str, Any] = copy.deepcopy(payload)
    target: Any = whole["payload"]
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = to
    return whole


def at(payload: dict[str, Any], path: Path) -> object:
    target: Any = payload["payload"]
    for step in path:
        target = target[step]
    return target


def rehashed(payload: dict[str, Any]) -> dict[str, Any]:
    """What is shown beside the message is what the message holds as a hash."""
    message = payload["payload"]["typedData"]["message"]
    message["relayParams"] = relay_digest(payload["payload"]["relayParams"])
    return payload


def refusal(one: Case, payload: dict[str, Any]) -> RejectedError | None:
    try:
        one.read(payload)
    except RejectedError as error:
        return error
    return None


WRONG: list[object] = [None, "NaN", 1.5, "-1", "0x", [], {}]
SIGNED_FIELDS = [
    f"{struct}.{field}"
    for struct, fields in TYPES.items()
    if struct != "UpdateOrderParams"
    for field, _ in fields
]
CASES = [
    pytest.param({"side": OrderSide.BUY}, id="open-long"),
    pytest.param({"side": OrderSide.SELL}, id="open-short"),
    pytest.param({"side": OrderSide.SELL, "held": True}, id="close-long"),
    pytest.param({"side": OrderSide.BUY, "own_key": True}, id="own-key"),
]


@pytest.mark.parametrize("kind", CASES)
async def test_read_order_when_as_asked_then_it_is_what_will_be_signed(
    kind: dict[str, Any],
) -> None:
    one = await case(**kind)

    prepared = one.read()

    assert prepared.message["createOrderParamsList"][0]["numbers"]["sizeDeltaUsd"] == (
        one.wanted.size_usd
    )
    assert prepared.domain["chainId"] == 42161
    assert prepared.expires_at == one.setting.now + timedelta(seconds=60)


@pytest.mark.parametrize("kind", CASES)
async def test_read_order_when_any_one_field_differs_then_refused_by_name(
    kind: dict[str, Any],
) -> None:
    one = await case(**kind)
    paths = [path for path in leaves(one.payload["payload"]) if len(path) > 1]
    assert len(paths) > 150

    survived = []
    for path in paths:
        spoiled = changed(one.payload, path, another(at(one.payload, path)))
        refused = refusal(one, spoiled)
        if refused is None or refused.code != CODE or ":" not in refused.message:
            survived.append(path)

    assert survived == []


@pytest.mark.parametrize("kind", CASES)
async def test_read_order_when_any_one_field_is_gone_or_null_then_refused(
    kind: dict[str, Any],
) -> None:
    one = await case(**kind)
    for path in leaves(one.payload["payload"]):
        for value in WRONG:
            if value == at(one.payload, path):
                continue
            with pytest.raises(RejectedError, match=CODE):
                one.read(changed(one.payload, path, value))


@pytest.mark.parametrize(
    "field",
    [
        f"{name}.{field}"
        for name in TYPES
        if name != "UpdateOrderParams"
        for field, _ in TYPES[name]
    ],
)
async def test_read_order_when_a_signed_field_differs_then_that_field_is_named(field: str) -> None:
    one = await case()
    struct, _, name = field.partition(".")
    path: Path = {
        "Batch": ("typedData", "message"),
        "CreateOrderParams": ("typedData", "message", "createOrderParamsList", 0),
        "CreateOrderAddresses": ("typedData", "message", "createOrderParamsList", 0, "addresses"),
        "CreateOrderNumbers": ("typedData", "message", "createOrderParamsList", 0, "numbers"),
    }[struct]
    path = (*path, name)

    with pytest.raises(RejectedError) as refused:
        one.read(changed(one.payload, path, another(at(one.payload, path))))

    assert refused.value.code == CODE
    assert name in refused.value.message


ORDER_FIELDS: list[Path] = [
    *((field,) for field, kind in TYPES["CreateOrderParams"] if kind not in TYPES),
    *(("addresses", field) for field, _ in TYPES["CreateOrderAddresses"]),
    *(("numbers", field) for field, _ in TYPES["CreateOrderNumbers"]),
]
BEYOND: dict[str, dict[bool, object]] = {
    "executionFee": dict.fromkeys((True, False), str(EXECUTION_FEE_MAX + 1)),
    "acceptablePrice": {True: str(10**40), False: "1"},
    "uiFeeReceiver": dict.fromkeys((True, False), THIEF),
    "dataList": {True: [KEY], False: [KEY]},
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("field", ORDER_FIELDS, ids=".".join)
async def test_read_order_when_a_field_differs_signed_and_shown_alike_then_refused_by_name(
    field: Path, kind: dict[str, Any]
) -> None:
    """Nothing contradicts anything: only what was asked for does."""
    one = await case(**kind)
    signed: Path = ("typedData", "message", "createOrderParamsList", 0, *field)
    shown: Path = ("batchParams", "createOrderParams", 0, "orderPayload", *field)
    name = str(field[-1])
    to = BEYOND.get(name, {}).get(one.wanted.buys) or another(at(one.payload, signed))

    refused = refusal(one, changed(changed(one.payload, signed, to), shown, to))

    assert refused is not None
    assert ".".join(map(str, field)) in refused.message
    assert "batchParams" not in refused.message


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("typedData", "message", "cancelOrderKeys"), [KEY]),
        (("batchParams", "cancelOrderParams"), [{"orderKey": KEY}]),
    ],
)
async def test_read_order_when_an_order_would_be_cancelled_as_well_then_refused(
    path: Path, to: object
) -> None:
    one = await case()
    with pytest.raises(RejectedError, match="cancelOrder"):
        one.read(changed(one.payload, path, to))


@pytest.mark.parametrize(
    ("path", "to", "named"),
    [
        (("relayParams", "fee", "feeAmount"), str(RELAY_FEE_MAX + 1), "feeAmount"),
        (("relayParams", "fee", "feeToken"), THIEF, "feeToken"),
        (("relayParams", "fee", "feeSwapPath"), [THIEF], "feeSwapPath"),
        (("relayParams", "deadline"), str(int(NOON.timestamp()) - 1), "deadline"),
        (("relayParams", "deadline"), str(int(NOON.timestamp()) + 7201), "deadline"),
        (("relayParams", "desChainId"), "1", "desChainId"),
        (("relayParams", "userNonce"), str(2**53 + 1), "userNonce"),
        (("relayParams", "externalCalls", "sendTokens"), [THIEF], "sendTokens"),
        (("relayParams", "oracleParams", "providers"), [THIEF], "providers"),
    ],
)
async def test_read_order_when_the_relay_takes_more_and_hashes_it_then_refused_by_name(
    path: Path, to: object, named: str
) -> None:
    one = await case()
    spoiled = rehashed(changed(one.payload, path, to))

    with pytest.raises(RejectedError, match=named):
        one.read(spoiled)


PROVIDER = "0x38b8dB61b724b51e42A88Cb8eC564CD685a0f53B"
ORACLES: list[tuple[list[str], list[str], list[str], str | None]] = [
    ([USDC], [PROVIDER], ["0x"], None),
    ([USDC], [THIEF], ["0x"], "providers"),
    ([THIEF], [PROVIDER], ["0x"], "tokens"),
    ([USDC], [PROVIDER], ["0x12"], "data"),
    ([USDC], [PROVIDER, PROVIDER], ["0x"], "providers"),
    ([USDC], [PROVIDER], ["0x", "0x"], "data"),
]


@pytest.mark.parametrize(("tokens", "providers", "data", "named"), ORACLES)
async def test_read_order_when_the_fee_is_swapped_at_oracle_prices_then_only_at_known_ones(
    tokens: list[str], providers: list[str], data: list[str], named: str | None
) -> None:
    one = await case()
    oracle = {"tokens": tokens, "providers": providers, "data": data}
    spoiled = rehashed(changed(one.payload, ("relayParams", "oracleParams"), oracle))

    refused = refusal(one, spoiled)

    assert (refused is None) is (named is None)
    assert refused is None or f"oracleParams.{named}" in refused.message


@pytest.mark.parametrize(("hops", "is_taken"), [(1, True), (2, True), (3, False)])
async def test_read_order_when_the_fee_goes_through_listed_markets_then_two_at_most(
    hops: int, is_taken: bool
) -> None:
    one = await case()
    path = [one.wanted.market.address] * hops
    spoiled = rehashed(changed(one.payload, ("relayParams", "fee", "feeSwapPath"), path))

    assert (refusal(one, spoiled) is None) is is_taken


async def test_read_order_when_a_token_permit_is_slipped_in_then_refused() -> None:
    one = await case()
    permit = {"owner": THIEF, "spender": THIEF, "value": "1", "deadline": "1", "v": "27"}
    permit |= {"r": KEY, "s": KEY, "token": THIEF}

    with pytest.raises(RejectedError, match="tokenPermits"):
        one.read(changed(one.payload, ("relayParams", "tokenPermits"), [permit]))


@pytest.mark.parametrize(
    ("field", "to"),
    [
        ("mode", "classic"),
        ("payloadType", "transaction"),
        ("requestId", None),
        ("requestId", ""),
        ("expiresAt", "soon"),
        ("expiresAt", -1),
        ("payload", None),
    ],
)
async def test_read_order_when_the_envelope_is_another_then_refused(field: str, to: object) -> None:
    one = await case()
    with pytest.raises(RejectedError, match=CODE):
        one.read({**one.payload, field: to})


async def test_read_order_when_another_order_would_be_changed_as_well_then_refused() -> None:
    one = await case()
    update: dict[str, Any] = {field: "0" for field, _ in TYPES["UpdateOrderParams"]}
    update |= {"key": KEY, "autoCancel": False}

    with pytest.raises(RejectedError, match=r"message\.updateOrderParamsList"):
        one.read(changed(one.payload, ("typedData", "message", "updateOrderParamsList"), [update]))
    with pytest.raises(RejectedError, match=r"batchParams\.updateOrderParams"):
        one.read(changed(one.payload, ("batchParams", "updateOrderParams"), [update]))


async def test_read_order_when_the_primary_type_is_named_then_it_must_be_the_batch() -> None:
    one = await case()
    path: Path = ("typedData", "primaryType")

    assert one.read(changed(one.payload, path, "Batch")) == one.read()
    with pytest.raises(RejectedError, match="primaryType"):
        one.read(changed(one.payload, path, "CreateOrderParams"))


async def test_read_order_when_numbers_come_as_json_numbers_then_the_same() -> None:
    one = await case()
    path: Path = ("typedData", "message", "createOrderParamsList", 0, "numbers", "sizeDeltaUsd")

    assert one.read(changed(one.payload, path, one.wanted.size_usd)) == one.read()


async def test_read_order_when_the_execution_fee_is_at_its_cap_then_taken() -> None:
    one = await case()
    signed: Path = ("typedData", "message", "createOrderParamsList", 0, "numbers", "executionFee")
    shown: Path = ("batchParams", "createOrderParams", 0, "orderPayload", "numbers", "executionFee")
    for fee, is_taken in ((EXECUTION_FEE_MAX, True), (EXECUTION_FEE_MAX + 1, False)):
        payload = changed(changed(one.payload, signed, str(fee)), shown, str(fee))
        if is_taken:
            assert one.read(payload).nonce == one.read().nonce
        else:
            with pytest.raises(RejectedError, match="executionFee"):
                one.read(payload)


@pytest.mark.parametrize("hostility", list(Hostility))
@pytest.mark.parametrize("side", list(OrderSide))
async def test_prepare_when_the_server_is_hostile_then_no_key_is_asked_for(
    hostility: Hostility, side: OrderSide
) -> None:
    desk = await Desk().open()
    desk.exchange.hostility = hostility

    with pytest.raises(RejectedError) as refused:
        await desk.venue.prepare(desk.order(side))

    assert refused.value.code == CODE
    assert desk.accounts.asked == []


async def test_prepare_when_the_market_has_left_the_list_then_nothing_is_prepared() -> None:
    desk = await Desk().open()
    desk.exchange.listing.pools = [
        pool for pool in desk.exchange.listing.pools if pool.index.symbol != "ETH"
    ]
    desk.venue = desk.fresh_venue()

    with pytest.raises(TransientError, match="not in GMX's list"):
        await desk.venue.prepare(desk.order())


async def cancel_case() -> tuple[dict[str, Any], Wanted, Setting]:
    desk = await Desk().open()
    one = await case()
    body: dict[str, Any] = {"orderIds": [KEY], "from": one.wanted.signatory.wallet}
    body["subaccountAddress"] = one.wanted.signatory.subaccount
    _, payload = desk.exchange.drafting.cancel(body, NOON)
    return json.loads(json.dumps(payload)), one.wanted, one.setting


async def test_read_cancel_when_as_asked_then_only_that_order_ends() -> None:
    payload, wanted, setting = await cancel_case()

    prepared = read_cancel(payload, KEY, wanted.signatory, setting)

    assert prepared.message["cancelOrderKeys"] == [KEY]
    assert prepared.message["createOrderParamsList"] == []


async def test_read_cancel_when_any_field_differs_then_refused() -> None:
    payload, wanted, setting = await cancel_case()
    for path in [path for path in leaves(payload["payload"]) if len(path) > 1]:
        spoiled = changed(payload, path, another(at(payload, path)))
        with pytest.raises(RejectedError, match=CODE):
            read_cancel(spoiled, KEY, wanted.signatory, setting)


async def test_read_cancel_when_it_opens_an_order_then_refused() -> None:
    one = await case()
    with pytest.raises(RejectedError, match="createOrderParamsList"):
        read_cancel(one.payload, KEY, one.wanted.signatory, one.setting)
