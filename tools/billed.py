"""What Google would bill for, counted at the ports while the real functions run in one process.

Firestore bills a read for each document that a call returns, and one where it returns none; a write
or a delete for each document of a commit. https://cloud.google.com/firestore/pricing
"""

import io
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from common.domain.events import OutboxMessage
from common.ports import Create, Delete, Document, Page, Query, Ref, Write
from common.wire import JsonObject
from infra.bootstrap import Runtime
from infra.gcp.envelope import message_attributes, message_data
from infra.local.stack.asgi_call import Answer
from infra.local.stack.functions import Functions
from infra.local.store.memory import MemoryStore

OUTSIDE = "outside"
"""Who calls when no function does: the harness, which seeds and publishes."""
PAPER = "paper_"
"""The collections of the paper venues: they stand for the world outside, so live has none."""
_PER_COUNT = 1000  # index entries that one read counts
_function: ContextVar[str] = ContextVar("billed_function", default=OUTSIDE)


class Counts:
    """Counters by function and by topic. What happens on `paper_*` is counted apart."""

    def __init__(self) -> None:
        self.functions: dict[str, Counter[str]] = {}
        self.topics: dict[str, Counter[str]] = {}
        self.expiring: set[Ref] = set()  # documents that the store drops by itself
        self.counting = False

    def add(self, what: str, number: int = 1) -> None:
        if self.counting:
            self.functions.setdefault(_function.get(), Counter())[what] += number

    def bill(self, what: str, collection: str, number: int = 1) -> None:
        self.add(f"paper_{what}" if collection.startswith(PAPER) else what, number)

    @contextmanager
    def within(self, function: str) -> Iterator[None]:
        token = _function.set(function)
        try:
            yield
        finally:
            _function.reset(token)


class BilledStore:
    """Fits `DocumentStore`: another store's answers, and what Firestore would bill for them."""

    def __init__(self, store: MemoryStore, counts: Counts) -> None:
        self._store = store
        self._counts = counts

    async def get(self, ref: Ref) -> Document | None:
        return (await self.get_many([ref]))[0]

    async def get_many(self, refs: Sequence[Ref]) -> list[Document | None]:
        self._call(refs)
        for ref in dict.fromkeys(refs):
            self._counts.bill("reads", ref.collection)
        return await self._store.get_many(refs)

    async def query(self, query: Query) -> Page:
        """The adapter asks for one document more than the limit, to know whether there is more."""
        page = await self._store.query(query)
        found = len(page.documents) + (page.next_cursor is not None)
        self._call([query])
        self._counts.bill("reads", query.collection, max(1, found))
        return page

    async def count(self, query: Query) -> int:
        number = await self._store.count(query)
        self._call([query])
        self._counts.bill("reads", query.collection, max(1, -(-number // _PER_COUNT)))
        return number

    async def commit(self, writes: Sequence[Write]) -> None:
        await self._store.commit(writes)
        self._call([write.ref for write in writes])
        for write in writes:
            deleted = isinstance(write, Delete)
            self._counts.bill("deletes" if deleted else "writes", write.ref.collection)
            written = self._store.peek(write.ref)
            if written is not None:
                self._counts.add("written_bytes", document_bytes(write.ref, written.data))
            if isinstance(write, Create) and write.expires_at is not None:
                self._counts.add("expiring")
                self._counts.expiring.add(write.ref)

    def _call(self, about: Sequence[Ref | Query]) -> None:
        """One round trip, unless there was nothing to ask or only the paper venues asked."""
        if any(not each.collection.startswith(PAPER) for each in about):
            self._counts.add("calls")


class BilledBus:
    """Publishes through a bus, and counts; everything else is the bus's own."""

    def __init__(self, bus: Any, counts: Counts) -> None:
        self._bus = bus
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        await self._bus.publish(messages)
        for message in messages if self._counts.counting else ():
            topic = self._counts.topics.setdefault(message.topic, Counter())
            later = message.deliver_at is not None
            topic["later" if later else "messages"] += 1
            topic["bytes"] += 0 if later else max(1000, message_bytes(message))
            self._counts.add("tasks" if later else "published")


class BilledFunctions(Functions):
    """Calls functions as the bus and the scheduler do; counts calls, CPU time and log bytes."""

    def __init__(self, runtime: Runtime, token: str, counts: Counts, log: io.StringIO) -> None:
        super().__init__(runtime, token)
        self._counts = counts
        self._log = log

    async def post(self, name: str, body: JsonObject) -> Answer:
        with self._counts.within(name):
            written, started = self._log.tell(), time.process_time_ns()
            answer = await super().post(name, body)
            self._counts.add("cpu_us", (time.process_time_ns() - started) // 1000)
            self._counts.add("log_bytes", self._log.tell() - written)
            self._counts.add("invocations")
            if not 200 <= answer.status < 300:
                self._counts.add("refused")
        return answer


def message_bytes(message: OutboxMessage) -> int:
    """Data, attributes, 20 bytes of time and about 16 of the bus's own id, as Pub/Sub counts."""
    attributes = message_attributes(message).items()
    return len(message_data(message)) + sum(len(k) + len(v) for k, v in attributes) + 36


def document_bytes(ref: Ref, data: JsonObject) -> int:
    """About what Firestore stores for one document, without its indexes.

    https://cloud.google.com/firestore/docs/storage-size: names and texts are their bytes and one,
    numbers 8, true and false 1, a document 32 more.
    """
    return _name_bytes(ref) + _value_bytes(data) + 32


def index_bytes(ref: Ref, data: JsonObject) -> int:
    """About what its automatic single-field indexes take: every field ascending and descending,
    a list by member. A value is cut at 1,500 bytes there.
    """
    fixed = _name_bytes(ref) + len(ref.collection) + 17 + 32
    total = 0
    for path, value in _leaves(data, ""):
        ways = 1 if isinstance(value, list) else 2
        members = value if isinstance(value, list) else [value]
        for member in members:
            total += ways * (fixed + len(path) + 1 + min(1500, _value_bytes(member)))
    return total


def _leaves(value: JsonObject, path: str) -> Iterator[tuple[str, object]]:
    for key, member in value.items():
        inner = f"{path}.{key}" if path else key
        if isinstance(member, dict):
            yield from _leaves(member, inner)
        else:
            yield inner, member


def _name_bytes(ref: Ref) -> int:
    return len(ref.collection) + 1 + len(ref.id) + 1 + 16


def _value_bytes(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(key) + 1 + _value_bytes(member) for key, member in value.items())
    if isinstance(value, list):
        return sum(_value_bytes(member) for member in value)
    if isinstance(value, str):
        return len(value.encode()) + 1
    return 1 if value is None or isinstance(value, bool) else 8
