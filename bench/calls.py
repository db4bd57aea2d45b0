"""Functions called whole, as the bus calls them: ASGI request, token, push envelope, handler,
commit, publish, outbox rows cleared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from common.config import Settings
from common.domain.events import Event
from common.domain.moment import iso
from common.ports import Clock, DocumentStore
from common.wire import JsonObject
from infra.bootstrap import build
from infra.gcp.envelope import message_attributes, message_data, wrap_push
from infra.local.stack.functions import Functions
from infra.local.store.memory import MemoryStore
from infra.local.store.sqlite import SqliteStore
from infra.local.tokens import SharedTokenVerifier
from tests.builders import NOON, a_message
from tests.fakes.publisher import RecordingPublisher

TOKEN = "bench"  # noqa: S105 - opens a server of this benchmark, on this machine alone


@contextmanager
def sqlite_store() -> Iterator[SqliteStore]:
    """A store in a file of its own, gone at the end."""
    with TemporaryDirectory(prefix="sapphire-bench-") as folder:
        store = SqliteStore(Path(folder) / "sapphire.sqlite")
        try:
            yield store
        finally:
            store.close()


@contextmanager
def store_named(name: str) -> Iterator[DocumentStore]:
    """`memory` or `sqlite`."""
    if name == "memory":
        yield MemoryStore()
    else:
        with sqlite_store() as store:
            yield store


def functions_on(store: DocumentStore, clock: Clock) -> Functions:
    """The functions over `store`, with a publisher that takes every message at once."""
    runtime = build(
        Settings(),
        clock=clock,
        store=store,
        publisher=RecordingPublisher(),
        verifier=SharedTokenVerifier(TOKEN),
    )
    return Functions(runtime, TOKEN)


def push_of(event: Event, *, message_id: str) -> JsonObject:
    """The body that Pub/Sub POSTs for `event`."""
    message = a_message(event, message_id=message_id)
    return wrap_push(
        message_data(message),
        message_attributes(message),
        bus_message_id="7000001",
        subscription="projects/sapphire-local/subscriptions/bench",
        publish_time=iso(NOON),
        delivery_attempt=1,
    )
