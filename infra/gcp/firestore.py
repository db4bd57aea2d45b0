"""The document store on Firestore, in the cloud or in its emulator (FIRESTORE_EMULATOR_HOST).

A document's version is its update time. Firestore keeps the update time when a write changes
nothing, so two equal compare-and-sets at one version would both win; every update therefore also
writes a fresh value into a field of the store's own, which reads leave out.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from common.errors import ConflictError, TransientError
from common.ports import Create, Document, Increment, Page, Query, Ref, Update, Write
from common.wire import JsonObject
from infra.document_rules import (
    EXPIRY_FIELD,
    NONCE_FIELD,
    check_query,
    check_ref,
    check_writes,
    decode_cursor,
    encode_cursor,
    place,
    value_at,
)
from infra.gcp.firestore_errors import conditional_refs, conflict_named, is_conflict, translated

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient
    from google.cloud.firestore_v1._helpers import LastUpdateOption
    from google.cloud.firestore_v1.async_batch import AsyncWriteBatch
    from google.cloud.firestore_v1.async_document import AsyncDocumentReference
    from google.cloud.firestore_v1.async_query import AsyncQuery
    from google.cloud.firestore_v1.base_document import DocumentSnapshot

    Snapshot = DocumentSnapshot[AsyncDocumentReference]

_TIMEOUT_S = 10.0  # of one call, a read's retries included; a function's own limit is longer


class FirestoreStore:
    """Fits `DocumentStore`. Google's client is imported and built at the first use.

    An AsyncClient belongs to the event loop it was first used on, so each loop gets its own unless
    `client` is given. Reads are tried again within 10 s; commits never are, because a commit that
    was applied without an answer would then look like a conflict, or add an increment twice.
    """

    def __init__(
        self,
        *,
        project: str,
        database: str = "(default)",
        client: "AsyncClient | None" = None,
    ) -> None:
        self._project = project
        self._database = database
        self._given = client
        self._clients: dict[asyncio.AbstractEventLoop, AsyncClient] = {}

    async def close(self) -> None:
        """Close this event loop's connection; a later call opens a new one."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client._firestore_api.transport.close()  # the client itself has no close()

    async def get(self, ref: Ref) -> Document | None:
        return (await self.get_many([ref]))[0]

    async def get_many(self, refs: Sequence[Ref]) -> list[Document | None]:
        for ref in refs:
            check_ref(ref)
        if not refs:
            return []
        with translated("read"):
            client = self._client()
            names = [client.document(ref.collection, ref.id) for ref in dict.fromkeys(refs)]
            found: dict[str, Snapshot] = {}
            async for snapshot in client.get_all(names, **_patience()):
                found[snapshot.reference.path] = snapshot
        return [_document(ref, found[f"{ref.collection}/{ref.id}"]) for ref in refs]

    async def commit(self, writes: Sequence[Write]) -> None:
        check_writes(writes)
        if not writes:
            return
        refusal = await self._commit(writes)
        if refusal is not None:
            raise conflict_named(refusal, writes, await self._versions(writes)) from refusal

    async def query(self, query: Query) -> Page:
        check_query(query)
        start = decode_cursor(query)
        with translated(f"query of {query.collection}"):
            selected = self._select(query).limit(query.limit + 1)
            if start is not None:
                edge = list(start) if query.order_by is not None else [start[1]]
                selected = selected.start_after(edge)
            found = [snapshot async for snapshot in selected.stream(**_patience())]
        documents = tuple(
            Document(Ref(query.collection, snapshot.id), _data(snapshot), _version(snapshot))
            for snapshot in found[: query.limit]
        )
        if len(found) <= query.limit:
            return Page(documents)
        last = documents[-1]
        value: object = None
        if query.order_by is not None:
            _, value = value_at(last.data, query.order_by.split("."))
        return Page(documents, encode_cursor(query, value, last.ref.id))

    async def count(self, query: Query) -> int:
        check_query(query)
        with translated(f"count of {query.collection}"):
            counting: Any = self._select(query).count()  # annotated as a class by the client
            rows = await counting.get(**_patience())
        return int(rows[0][0].value)

    async def _commit(self, writes: Sequence[Write]) -> Exception | None:
        """Firestore's refusal when a document is not as the writes expect, None when it is done."""
        from google.api_core.exceptions import GoogleAPICallError

        with translated("commit"):
            client = self._client()
            batch = client.batch()
            for write in writes:
                _add(client, batch, write)
            try:
                await batch.commit(retry=None, timeout=_TIMEOUT_S)
            except GoogleAPICallError as error:
                if not is_conflict(error):
                    raise
                return error
        return None

    async def _versions(self, writes: Sequence[Write]) -> dict[Ref, str | None]:
        """What the documents that a refused commit depended on are at; empty when unreadable."""
        refs = conditional_refs(writes)
        try:
            documents = await self.get_many(refs)
        except TransientError:  # the conflict is certain, only its document stays a guess
            return {}
        return {
            ref: None if document is None else document.version
            for ref, document in zip(refs, documents, strict=True)
        }

    def _client(self) -> "AsyncClient":
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            from google.cloud.firestore import AsyncClient

            for other in [other for other in self._clients if other.is_closed()]:
                del self._clients[other]
            client = AsyncClient(project=self._project, database=self._database)
            self._clients[loop] = client
        return client

    def _select(self, query: Query) -> "AsyncQuery":
        """Ties go by id in the direction of the order, which Firestore's own indexes serve."""
        from google.cloud.firestore import FieldFilter
        from google.cloud.firestore import Query as Firestore

        direction = Firestore.DESCENDING if query.descending else Firestore.ASCENDING
        orders = ["__name__"] if query.order_by is None else [_path(query.order_by), "__name__"]
        selected = (
            self._client().collection(query.collection).order_by(orders[0], direction=direction)
        )
        for order in orders[1:]:
            selected = selected.order_by(order, direction=direction)
        for where in query.where:
            selected = selected.where(filter=FieldFilter(_path(where.path), where.op, where.value))
        return selected


def _patience() -> dict[str, Any]:
    """For reads; the client's own retries would go on for five minutes."""
    from google.api_core import exceptions as google
    from google.api_core.retry import AsyncRetry, if_exception_type

    worth_it = if_exception_type(
        google.DeadlineExceeded, google.InternalServerError, google.ServiceUnavailable
    )
    retry = AsyncRetry(predicate=worth_it, initial=0.1, maximum=1.0, timeout=_TIMEOUT_S)
    return {"retry": retry, "timeout": _TIMEOUT_S}


def _add(client: "AsyncClient", batch: "AsyncWriteBatch", write: Write) -> None:
    reference = client.document(write.ref.collection, write.ref.id)
    if isinstance(write, Create):
        expiry = {} if write.expires_at is None else {EXPIRY_FIELD: write.expires_at}
        batch.create(reference, {**write.data, **expiry})
    elif isinstance(write, Update):
        # Keys are field paths to the client; document_rules made sure that ours are plain names.
        data = {**write.data, NONCE_FIELD: secrets.token_hex(8)}
        batch.update(reference, data, option=_unchanged(write.ref, write.version))
    elif isinstance(write, Increment):
        from google.cloud.firestore import Increment as Sum

        batch.update(reference, {_path(write.path): Sum(write.by)})
    else:
        option = None if write.version is None else _unchanged(write.ref, write.version)
        batch.delete(reference, option=option)


def _unchanged(ref: Ref, version: str) -> "LastUpdateOption":
    from google.cloud.firestore_v1._helpers import LastUpdateOption
    from google.protobuf.timestamp_pb2 import (  # type: ignore[import-untyped]  # ships no stubs
        Timestamp,
    )

    moment = Timestamp()
    try:
        moment.FromJsonString(version)
    except ValueError:  # another store's version: no document here is ever at it
        raise ConflictError(
            f"{place(ref)} is not at version {version[:40]}",
            collection=ref.collection,
            document_id=ref.id,
        ) from None
    return LastUpdateOption(moment)


def _path(path: str) -> str:
    """Names with signs other than letters, digits and _ go in backticks."""
    from google.cloud.firestore_v1.field_path import FieldPath

    return FieldPath(*path.split(".")).to_api_repr()


def _document(ref: Ref, snapshot: "Snapshot") -> Document | None:
    return Document(ref, _data(snapshot), _version(snapshot)) if snapshot.exists else None


def _version(snapshot: "Snapshot") -> str:
    return str(snapshot.update_time.rfc3339())


def _data(snapshot: "Snapshot") -> JsonObject:
    fields = snapshot.to_dict() or {}
    return {
        key: _sorted(fields[key])
        for key in sorted(fields)
        if key not in {EXPIRY_FIELD, NONCE_FIELD}
    }


def _sorted(value: object) -> object:
    """Firestore keeps no order of names; ours is sorted in every store."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(member) for member in value]
    return value
