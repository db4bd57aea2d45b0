"""A signal's way through the functions, stopped where a case wants to step in."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx

from common.domain.events import OrderPlanned, OutboxMessage
from infra.pipeline import load_pipeline
from tests.functions.harness import framework_app
from tests.functions.town import Town


async def post(town: Town, name: str, body: dict[str, Any]) -> httpx.Response:
    return await town.bench.post(framework_app(name), body, runtime=town.runtime)


async def until(town: Town, topic: str, seen: list[OutboxMessage] | None = None) -> OutboxMessage:
    """Deliver in the order of publishing until one of `topic` is next; that one is not delivered.

    What was delivered is added to `seen`.
    """
    while True:
        message = town.bench.publisher.messages.pop(0)
        if message.topic == topic:
            return message
        if seen is not None:
            seen.append(message)
        for name in load_pipeline().subscribers(message.topic):
            await town.push(name, message)


async def done_town() -> tuple[Town, list[OutboxMessage]]:
    """A town in which one signal has been traded and is over, and the messages that did it."""
    town = await Town().open()
    messages: list[OutboxMessage] = []
    await town.send_signal()
    while town.bench.publisher.messages:
        message = await until(town, town.bench.publisher.messages[0].topic)
        messages.append(message)
        for name in load_pipeline().subscribers(message.topic):
            await town.push(name, message)
    await town.tick("settle")
    await town.settle_down()
    return town, messages


def altered(message: OutboxMessage, *, quantity: Decimal) -> OutboxMessage:
    """The same order, and another size, under the same ids."""
    event = message.event
    assert isinstance(event, OrderPlanned)
    candidates = tuple(replace(each, quantity=quantity) for each in event.plan.candidates)
    return replace(message, event=replace(event, plan=replace(event.plan, candidates=candidates)))
