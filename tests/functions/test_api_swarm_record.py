"""The swarm's record, looked at again: what cannot have changed is not read again."""

from collections.abc import Sequence
from typing import Any, cast

from common.books import DECISIONS, V3
from common.domain.order import OrderSide
from common.ports import Ref
from tests.builders import a_signal, a_signal_record, a_vote
from tests.functions.api_client import Api
from tests.functions.test_api_portfolio import a_trade, put_fills
from tests.functions.test_api_views import a_decision, put_decisions


async def a_signal_is_decided(api: Api, number: int) -> None:
    signal_id = f"sig_{number}"
    await put_decisions(api, a_decision(number, (a_vote("quant_alpha"),), signal_id))
    signal = a_signal(signal_id, decision_id=f"dcn_{number}")
    await api.put_records((Ref(V3.signals, signal_id), a_signal_record(signal)))


async def quant(api: Api) -> tuple[int, float]:
    """Its trades and what they brought."""
    agents: list[dict[str, Any]] = (await api.get("/api/agents/performance")).json()["agents"]
    (found,) = [agent for agent in agents if agent["agent_id"] == "quant_alpha"]
    return found["trades"], found["pnl"]


def note_decisions(api: Api) -> list[str]:
    """The ids of the decisions that are read one by one from now on."""
    read: list[str] = []

    async def note(operation: str, argument: object) -> None:
        if operation == "get_many":
            refs = cast("Sequence[Ref]", argument)
            read.extend(ref.id for ref in refs if ref.collection == DECISIONS)

    api.store.before = note
    return read


async def test_performance_when_looked_at_again_then_the_same_and_no_decision_is_read(
    api: Api,
) -> None:
    await a_signal_is_decided(api, 0)
    await put_fills(api, a_trade(0, OrderSide.BUY, "3000"))
    before = await quant(api)
    read = note_decisions(api)
    after = await quant(api)

    assert (before, after, read) == ((1, 0), (1, 0), [])


async def test_performance_when_a_fill_came_then_counted_and_only_its_decision_is_read(
    api: Api,
) -> None:
    await a_signal_is_decided(api, 0)
    await put_fills(api, a_trade(0, OrderSide.BUY, "3000"))
    assert await quant(api) == (1, 0)
    await a_signal_is_decided(api, 1)
    await put_fills(api, a_trade(1, OrderSide.SELL, "3010", "10"))
    read = note_decisions(api)

    assert await quant(api) == (2, 10)
    assert read == ["dcn_1"]


async def test_performance_when_another_store_has_the_same_ids_then_each_has_its_own(
    api: Api,
) -> None:
    await a_signal_is_decided(api, 0)
    await put_fills(api, a_trade(0, OrderSide.BUY, "3000"))
    other = Api(api.data_dir)

    assert await quant(api) == (1, 0)
    assert await quant(other) == (0, 0)
    assert await quant(api) == (1, 0)
