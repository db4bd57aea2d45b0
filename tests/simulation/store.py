"""The memory store with the faults of a real one at each call."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from common.errors import ConflictError, TransientError
from common.ports import Write
from infra.local.store.memory import MemoryStore
from tests.simulation.world import Crash, World


def make_store(world: World, on_commit: Callable[[Sequence[Write]], None]) -> MemoryStore:
    """Each call is a step before it happens; a crash or a lost answer may follow it.

    `on_commit` sees the writes right before they are applied, if they do not conflict.
    """

    async def before(operation: str, argument: object) -> None:
        if world.undisturbed:
            return
        await world.step(operation)
        if world.chance("crash_before"):
            raise Crash
        if world.chance("store_down"):
            raise TransientError("the store is not reachable")
        if operation == "commit":
            aborted(world)
            on_commit(cast("Sequence[Any]", argument))

    async def after(operation: str, _: object) -> None:
        if world.undisturbed:
            return
        if world.chance("crash_after"):
            raise Crash
        if operation == "commit" and world.chance("commit_answer_lost"):
            raise TransientError("the commit was applied and its answer lost")

    return MemoryStore(before=before, after=after)


def aborted(world: World) -> None:
    """Firestore's ABORTED: a race is lost that nobody can be seen to have won."""
    if world.chance("conflict"):
        raise ConflictError("aborted", collection="any", document_id="any")
