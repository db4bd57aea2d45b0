"""The embedded bus's bad weather."""

import pytest

from infra.local.bus.delivery import DeliveryPolicy
from infra.local.bus.faults import BusFaults, FaultRates
from tests.fakes.push_endpoint import Endpoint, delivered, messages, replayed

NO_FAULTS = {"duplicate": 0.0, "delay": 0.0, "reorder": 0.0, "lost_ack": 0.0}


def test_bus_faults_when_drawn_again_then_the_same_seed_gives_the_same_fates() -> None:
    def drawn(seed: int) -> list[object]:
        faults = BusFaults(seed, FaultRates(duplicate=0.3, delay=0.3, reorder=0.3, lost_ack=0.3))
        return [
            (faults.fate(f"m{n}", "reader"), faults.loses_ack(f"m{n}", "reader", 1))
            for n in range(50)
        ]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_bus_faults_when_drawn_often_then_each_comes_about_as_often_as_its_rate() -> None:
    rates = FaultRates(duplicate=0.1, delay=0.2, reorder=0.3, lost_ack=0.4, delay_max_s=5)
    faults = BusFaults(1, rates)
    fates = [faults.fate(f"m{n}", "reader") for n in range(2000)]
    assert sum(fate.copies for fate in fates) / 2000 == pytest.approx(0.1, abs=0.03)
    assert sum(fate.delay_s > 0 for fate in fates) / 2000 == pytest.approx(0.2, abs=0.03)
    assert max(fate.delay_s for fate in fates) <= 5
    assert sum(fate.overtakes > 0 for fate in fates) / 2000 == pytest.approx(0.3, abs=0.04)
    lost = sum(faults.loses_ack(f"m{n}", "reader", 1) for n in range(2000))
    assert lost / 2000 == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_fault_rates_when_no_probability_then_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        FaultRates(lost_ack=rate)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"duplicate": 1.0}, ["a", "a", "b", "b", "c", "c"]),
        ({"lost_ack": 1.0}, ["a", "b", "c", "a", "b", "c"]),
    ],
)
async def test_bus_when_a_fault_is_certain_then_every_message_comes_twice(
    rates: dict[str, float], expected: list[str]
) -> None:
    bus = replayed(
        faults=BusFaults(1, FaultRates(**(NO_FAULTS | rates))),
        delivery=DeliveryPolicy(max_attempts=2),
    )
    endpoint = Endpoint()
    await delivered(bus, messages("a", "b", "c"), endpoint)
    assert endpoint.ids == expected
    assert bus.counts.dead == (3 if "lost_ack" in rates else 0)


@pytest.mark.parametrize("fault", ["delay", "reorder"])
async def test_bus_when_a_fault_disturbs_the_order_then_nothing_is_lost_and_it_repeats(
    fault: str,
) -> None:
    async def run() -> list[str]:
        rates = FaultRates(**(NO_FAULTS | {fault: 0.5}))
        endpoint = Endpoint()
        await delivered(replayed(faults=BusFaults(3, rates)), messages(*names), endpoint)
        return endpoint.ids

    names = [f"m{number:02}" for number in range(30)]
    first = await run()
    assert first != names
    assert sorted(first) == names
    assert await run() == first


async def test_bus_when_a_duplicate_fails_then_only_the_original_is_retried() -> None:
    endpoint = Endpoint({"a": [500, 500]})
    bus = replayed(faults=BusFaults(1, FaultRates(**(NO_FAULTS | {"duplicate": 1.0}))))
    await delivered(bus, messages("a"), endpoint)
    assert endpoint.seen == [("a", 1), ("a", 1), ("a", 2)]
    assert bus.counts.acknowledged == 1
