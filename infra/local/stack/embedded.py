"""The embedded backend: documents and messages in two local files or in memory."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from common.ports import Clock, DocumentStore
from common.wire import JsonObject
from infra.local.bus.delivery import DeliveryPolicy, Reply
from infra.local.bus.embedded import BUS_FILE, EmbeddedBus
from infra.local.bus.faults import BusFaults
from infra.local.stack.asgi_call import Answer
from infra.local.stack.functions import Functions
from infra.local.store.memory import MemoryStore
from infra.local.store.sqlite import STORE_FILE, SqliteStore
from infra.pipeline import Pipeline, load_pipeline

_CONCURRENCY_MAX = 4  # calls of one function at once: they share this process


class EmbeddedBackend:
    """With `data_dir` None nothing is written to disk.

    `in_order` handles one message at a time, so that a replay is the same from run to run.
    """

    def __init__(
        self,
        data_dir: Path | None,
        *,
        clock: Clock,
        in_order: bool,
        faults: BusFaults | None = None,
    ) -> None:
        self._pipeline: Pipeline = load_pipeline()
        self._clock = clock
        self.store: DocumentStore = _store(data_dir)
        delivery = self._pipeline.delivery
        self.publisher = EmbeddedBus(
            None if data_dir is None else data_dir / BUS_FILE,
            clock=clock,
            delivery=DeliveryPolicy(
                ack_deadline_s=delivery.ack_deadline_s,
                max_attempts=delivery.max_attempts,
                backoff_min_s=delivery.backoff_min_s,
                backoff_max_s=delivery.backoff_max_s,
                dead_letter_retention_d=delivery.dead_letter_retention_d,
            ),
            in_flight_max=1 if in_order else None,
            faults=faults,
        )
        self._functions: Functions | None = None

    async def start(self, functions: Functions) -> None:
        """Drops what has expired first, as Firestore does by itself within a day."""
        if isinstance(self.store, SqliteStore):
            self.store.drop_expired(self._clock.now())
        self._functions = functions
        for name, spec in self._pipeline.functions.items():
            concurrency = spec.concurrency or min(spec.max_instances, _CONCURRENCY_MAX)
            for topic in spec.topics:
                self.publisher.subscribe(
                    topic,
                    f"{name}-{topic}",
                    _delivery(functions, name),
                    concurrency=concurrency if spec.max_instances > 1 else 1,
                )
        await self.publisher.start()

    async def call(self, function: str, body: JsonObject) -> int:
        assert self._functions is not None, "start comes first"  # noqa: S101 - a programming error
        return (await self._functions.post(function, body)).status

    async def idle(self) -> None:
        await self.publisher.idle()

    async def dead_letters(self) -> int:
        return len(self.publisher.dead_letters())

    async def stop(self) -> None:
        await self.publisher.stop(grace_s=3.0)
        if isinstance(self.store, SqliteStore):
            self.store.close()


def _store(data_dir: Path | None) -> DocumentStore:
    return MemoryStore() if data_dir is None else SqliteStore(data_dir / STORE_FILE)


def _delivery(functions: Functions, name: str) -> Callable[[JsonObject, int], Awaitable[Reply]]:
    async def deliver(envelope: JsonObject, _attempt: int) -> Reply:
        answer = await functions.post(name, envelope)
        return Reply(answer.status, retry_after_s=_retry_after(answer), reason=_reason(answer))

    return deliver


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None


def _reason(answer: Answer) -> str:
    if 200 <= answer.status < 300:
        return ""
    return f"HTTP {answer.status}: {answer.body[:400].decode(errors='replace')}"
