"""The lock of every internal function against tokens that are almost right: catalogue 1-5, 71, 76.

The functions are the framework's own apps, the verifier is the cloud's, the tokens are signed.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from common.books import FILLS, ORDERS, REJECTED_EVENTS
from common.domain.events import OutboxMessage
from common.errors import UnauthenticatedError
from infra.bootstrap import Runtime
from infra.gcp.oidc import ISSUERS, OidcVerifier
from infra.local.issuer import LocalIssuer
from infra.pipeline import load_pipeline
from tests.builders import a_tick
from tests.builders.forgeries import FORGERIES, Forger, bearer
from tests.fakes.clock import FakeClock
from tests.functions.harness import Bench, body_of, framework_app, push_of
from tests.functions.town import Town

INTERNAL = [
    name
    for name, spec in load_pipeline().functions.items()
    if not any(trigger.http for trigger in spec.triggers)
]
EMAIL = "sapphire-push@a-project.iam.gserviceaccount.com"
CLOCK = FakeClock()
REFUSED = {401, 403}


@cache
def issuer() -> LocalIssuer:
    return LocalIssuer(min(ISSUERS), CLOCK)


def url_of(function: str) -> str:
    return f"https://{function.replace('_', '-')}-123456789012.europe-west1.run.app"


def locked(function: str) -> OidcVerifier:
    return OidcVerifier(url_of(function), EMAIL, CLOCK, issuer().certs)


def forger(function: str) -> Forger:
    elsewhere = next(name for name in INTERNAL if name != function)
    return Forger(
        issuer=issuer(),
        clock=CLOCK,
        audience=url_of(function),
        elsewhere=url_of(elsewhere),
        email=EMAIL,
    )


def strange_tick(function: str) -> dict[str, object]:
    """What a function keeps as rejected, once it lets it in."""
    return body_of(a_tick("fetch_market" if function != "fetch_market" else "settle"))


async def post(
    bench: Bench,
    function: str,
    body: dict[str, Any],
    headers: Mapping[str, str],
    runtime: Runtime | None = None,
) -> int:
    runtime = replace(runtime or bench.runtime(), verifier=locked(function))
    app = framework_app(function)
    return (await bench.post(app, body, headers=headers, runtime=runtime)).status_code


@pytest.mark.parametrize("function", INTERNAL)
async def test_function_when_the_token_is_right_then_what_it_reads_changes_the_store(
    function: str,
) -> None:
    bench = Bench()

    assert (
        await post(bench, function, strange_tick(function), bearer(forger(function).good())) == 204
    )
    assert len(await bench.documents(REJECTED_EVENTS)) == 1


@pytest.mark.parametrize("wrong", FORGERIES)
@pytest.mark.parametrize("function", INTERNAL)
async def test_function_when_the_token_is_wrong_then_refused_and_nothing_changes(
    function: str, wrong: str
) -> None:
    bench = Bench()
    headers = FORGERIES[wrong](forger(function))

    assert await post(bench, function, strange_tick(function), headers) in REFUSED
    assert bench.store.contents() == {}
    assert bench.publisher.messages == []


async def planned(town: Town) -> OutboxMessage:
    """An order that `execute` is to send next, from a signal of the swarm."""
    await town.send_signal()
    for function in ("fan_out", "route"):
        await town.push(function, town.bench.publisher.messages.pop(0))
    (message,) = [m for m in town.bench.publisher.messages if m.topic == "order-planned"]
    return message


async def test_order_when_every_forgery_asks_for_it_then_only_the_right_token_has_it_filled() -> (
    None
):
    town = await Town().open()
    order = push_of(await planned(town))
    bench, before = town.bench, town.bench.store.contents()
    published = list(bench.publisher.messages)

    answers = {
        wrong: await post(bench, "execute", order, forge(forger("execute")), town.runtime)
        for wrong, forge in FORGERIES.items()
    }

    assert set(answers.values()) <= REFUSED, answers
    assert bench.store.contents() == before
    assert bench.publisher.messages == published

    good = bearer(forger("execute").good())
    assert await post(bench, "execute", order, good, town.runtime) == 204
    assert len(await bench.documents(ORDERS)) == 1
    assert len(await bench.documents(FILLS)) >= 1


async def test_function_when_a_good_token_stands_in_the_address_alone_then_refused() -> None:
    """Addresses are written to logs."""
    with pytest.raises(UnauthenticatedError):
        await locked("decide").verify(headers={}, query={"token": forger("decide").good()})
