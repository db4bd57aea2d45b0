"""Cases 71 to 75: the scheduler's calls, through the functions' own entry points."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from common.books import REJECTED_EVENTS, TICK_CLAIMS
from common.domain.events import OrderUnknown, OutboxMessage, Tick
from common.domain.moment import iso
from common.errors import TransientError
from common.ports import Ref
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function
from infra.gcp.oidc import OidcVerifier
from infra.gcp.ticks import AGE_MAX, Claim, Skip, TickClaims
from infra.local.issuer import LocalIssuer
from infra.local.store.memory import MemoryStore
from infra.pipeline import load_pipeline
from tests.builders import NOON, a_tick
from tests.fakes.clock import FakeClock
from tests.functions.harness import Bench, app_of, body_of, framework_app
from tests.functions.probes import Seen, settle_app
from tests.functions.town import SCHEDULED, Town

AUDIENCE = "https://settle-123.europe-west1.run.app"
PUSH = "sapphire-push@a-project.iam.gserviceaccount.com"
BODY = {"job": "settle"}
HEADERS = {
    "X-CloudScheduler": "true",
    "X-CloudScheduler-JobName": "settle",
    "X-CloudScheduler-ScheduleTime": iso(NOON),
}


def guarded(clock: FakeClock) -> tuple[Bench, LocalIssuer]:
    """A bench that asks for tokens as the cloud does."""
    issuer = LocalIssuer("https://accounts.google.com", clock)
    return Bench(clock=clock, verifier=OidcVerifier(AUDIENCE, PUSH, clock, issuer.certs)), issuer


# -------------------------------------------------------------------------------------------- 71
CALLERS: dict[str, tuple[dict[str, Any] | None, int]] = {
    "nobody": (None, 401),
    "expired": ({"exp": 1}, 401),
    "another audience": ({"aud": "https://api-123.europe-west1.run.app"}, 401),
    "another issuer": ({"iss": "https://issuer.example"}, 401),
    "another account": ({"email": "else@a-project.iam.gserviceaccount.com"}, 403),
    "an account that is not verified": ({"email_verified": False}, 401),
}


@pytest.mark.parametrize("caller", CALLERS)
async def test_case_071_when_the_headers_are_right_and_the_caller_is_not_then_refused(
    caller: str,
) -> None:
    bench, issuer = guarded(FakeClock())
    changes, status = CALLERS[caller]
    token = {} if changes is None else {"Authorization": f"Bearer {issuer.mint(AUDIENCE, PUSH)}"}
    if changes:
        token["Authorization"] = f"Bearer {issuer.mint(AUDIENCE, PUSH, **changes)}"
    seen = Seen()

    response = await bench.post(settle_app(seen), BODY, headers=HEADERS | token)

    assert response.status_code == status
    assert seen.events == []
    assert bench.store.contents() == {}


async def test_case_071_when_the_caller_proves_itself_then_the_header_is_the_ticks_time() -> None:
    bench, issuer = guarded(FakeClock())
    seen = Seen()
    token = {"Authorization": f"Bearer {issuer.token(AUDIENCE, PUSH)}"}

    response = await bench.post(settle_app(seen), BODY, headers=HEADERS | token)

    assert response.status_code == 204
    assert seen.events == [Tick(job="settle", scheduled_at=NOON)]


# -------------------------------------------------------------------------------------------- 72
@pytest.mark.parametrize("name", SCHEDULED)
async def test_case_072_when_a_tick_comes_again_then_204_and_nothing_is_done(name: str) -> None:
    town = await Town().open()
    await town.send_signal()
    await town.settle_down()
    town.bench.clock.advance(60)
    tick = body_of(a_tick(name, scheduled_at=town.bench.clock.now()))

    assert (await post(town, name, tick)).status_code == 204
    before, sent = town.bench.store.contents(), len(town.bench.publisher.messages)
    town.bench.clock.advance(5)
    assert (await post(town, name, tick)).status_code == 204

    assert town.bench.store.contents() == before
    assert len(town.bench.publisher.messages) == sent


async def post(town: Town, name: str, body: dict[str, Any]) -> Any:
    return await town.bench.post(framework_app(name), body, runtime=town.runtime)


async def test_case_072_when_the_first_call_failed_then_its_repetition_runs() -> None:
    bench, seen = Bench(), Seen(error=TransientError("no answer"))
    app, tick = settle_app(seen), body_of(a_tick("settle"))

    assert (await bench.post(app, tick)).status_code == 503
    seen.error = None
    assert (await bench.post(app, tick)).status_code == 204
    assert (await bench.post(app, tick)).status_code == 204

    assert len(seen.events) == 2


async def test_case_072_when_ticks_come_out_of_order_then_each_runs_once() -> None:
    bench, seen = Bench(), Seen()
    app = settle_app(seen)
    times = [NOON + timedelta(minutes=minute) for minute in (0, 2, 1, 2, 0, 1)]
    bench.clock.advance(120)

    for moment in times:
        await bench.post(app, body_of(a_tick("settle", scheduled_at=moment)))

    assert [event.scheduled_at for event in seen.events if isinstance(event, Tick)] == times[:3]


# -------------------------------------------------------------------------------------------- 73
async def test_case_073_when_the_time_is_in_the_body_then_that_is_the_tick() -> None:
    bench, seen = Bench(), Seen()

    response = await bench.post(settle_app(seen), body_of(a_tick("settle")))

    assert response.status_code == 204
    assert seen.events == [a_tick("settle")]


async def test_case_073_when_there_is_no_time_then_recorded_and_never_again() -> None:
    """The catalogue's 400 is for people: to the scheduler it would be a call to make again."""
    bench, seen = Bench(), Seen()

    response = await bench.post(settle_app(seen), BODY)

    assert response.status_code == 204
    assert seen.events == []
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == "INVALID_TICK"


# -------------------------------------------------------------------------------------------- 74
@pytest.mark.parametrize("late", [AGE_MAX + timedelta(seconds=1), timedelta(hours=2)])
async def test_case_074_when_a_tick_is_late_then_skipped_with_a_record(late: timedelta) -> None:
    bench, seen = Bench(), Seen()
    bench.clock.advance(late.total_seconds())

    for _ in range(2):
        response = await bench.post(settle_app(seen), body_of(a_tick("settle")))
        assert response.status_code == 204

    assert seen.events == []
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == "STALE_TICK"
    assert await bench.documents(TICK_CLAIMS) == []


async def test_case_074_when_a_tick_is_ten_minutes_late_then_it_still_runs() -> None:
    bench, seen = Bench(), Seen()
    bench.clock.advance(AGE_MAX.total_seconds())

    await bench.post(settle_app(seen), body_of(a_tick("settle")))

    assert seen.events == [a_tick("settle")]


async def test_case_074_when_a_tick_is_far_from_the_future_then_recorded() -> None:
    bench, seen = Bench(), Seen()
    far = a_tick("settle", scheduled_at=NOON + timedelta(minutes=11))

    assert (await bench.post(settle_app(seen), body_of(far))).status_code == 204

    assert seen.events == []
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == "FUTURE_TICK"


# -------------------------------------------------------------------------------------------- 75
class Slow:
    """A handler that runs until it is let go."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    def app(self) -> Any:
        @event_function
        async def settle(event: OrderUnknown | Tick, runtime: Runtime) -> Sequence[OutboxMessage]:
            self.events.append(event)
            self.begun.set()
            await self.go_on.wait()
            return ()

        return app_of(settle)


async def test_case_075_when_a_tick_overlaps_then_204_and_only_the_first_runs() -> None:
    bench, slow = Bench(), Slow()
    app = slow.app()
    first = asyncio.create_task(bench.post(app, body_of(a_tick("settle"))))
    await slow.begun.wait()
    bench.clock.advance(60)
    second = a_tick("settle", scheduled_at=bench.clock.now())

    assert (await bench.post(app, body_of(second))).status_code == 204
    assert slow.events == [a_tick("settle")]

    slow.go_on.set()
    assert (await first).status_code == 204
    bench.clock.advance(60)
    third = a_tick("settle", scheduled_at=bench.clock.now())
    assert (await bench.post(app, body_of(third))).status_code == 204
    assert slow.events == [a_tick("settle"), third]


async def test_case_075_when_the_running_one_is_of_another_job_or_an_event_then_both_run() -> None:
    bench, slow = Bench(), Slow()
    first = asyncio.create_task(bench.post(slow.app(), body_of(a_tick("settle"))))
    await slow.begun.wait()

    relayed = await bench.post(framework_app("relay"), body_of(a_tick("relay")))

    assert relayed.status_code == 204
    slow.go_on.set()
    assert (await first).status_code == 204
    done = [document.data["done"] for document in await bench.documents(TICK_CLAIMS)]
    assert done == [[a_tick("relay").tick_id], [a_tick("settle").tick_id]]


class Claims:
    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), FakeClock()
        longest = timedelta(seconds=load_pipeline().functions["settle"].timeout_s)
        self.claims = TickClaims(self.store, self.clock, longest=longest)
        self.longest_s = longest.total_seconds()

    async def take(self, minute: int) -> Claim | Skip:
        moment = NOON + timedelta(minutes=minute)
        return await self.claims.take(a_tick("settle", scheduled_at=moment))


async def test_case_075_when_the_running_one_has_died_then_its_claim_ends_by_itself() -> None:
    job = Claims()
    assert isinstance(await job.take(0), Claim)

    job.clock.advance(job.longest_s - 1)
    assert await job.take(1) is Skip.OVERLAPS
    job.clock.advance(1)
    assert isinstance(await job.take(2), Claim)


async def test_case_075_when_the_one_that_died_comes_again_then_it_runs_at_once() -> None:
    """The scheduler repeats what had no answer; to wait for the claim would lose that tick."""
    job = Claims()
    died = await job.take(0)
    job.clock.advance(1)

    again = await job.take(0)

    assert isinstance(died, Claim)
    assert isinstance(again, Claim)
    await job.claims.give_back(died, done=False)  # no longer its own
    assert await job.take(1) is Skip.OVERLAPS
    await job.claims.give_back(again, done=True)
    assert await job.take(0) is Skip.REPEATED


async def test_case_075_when_the_clock_was_set_back_then_an_old_claim_holds_nothing_up() -> None:
    job = Claims()
    job.clock.advance(3600)
    assert isinstance(await job.take(60), Claim)

    job.clock.advance(-3600)
    assert isinstance(await job.take(0), Claim)


async def test_case_075_when_a_claim_was_lost_meanwhile_then_giving_it_back_changes_nothing() -> (
    None
):
    job = Claims()
    lost = await job.take(0)
    job.clock.advance(job.longest_s)
    assert isinstance(await job.take(1), Claim)
    before = job.store.contents()

    assert isinstance(lost, Claim)
    await job.claims.give_back(lost, done=True)

    assert job.store.contents() == before


async def test_case_075_when_two_claim_at_once_then_one_of_them_runs() -> None:
    job = Claims()

    class Late(MemoryStore):
        """Another call claims between this one's reading and its writing."""

        async def commit(self, writes: Any) -> None:
            await job.claims.take(a_tick("settle"))
            await job.store.commit(writes)

        async def get(self, ref: Ref) -> Any:
            return await job.store.get(ref)

    late = TickClaims(Late(), job.clock, longest=timedelta(seconds=60))
    assert await late.take(a_tick("settle", scheduled_at=NOON)) is Skip.OVERLAPS
