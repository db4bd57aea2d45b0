"""What a fresh database in the cloud starts with: the swarm, and on paper its deployment.

    python -m tools.first_start

For the project of GOOGLE_CLOUD_PROJECT, with your own credentials, which need
roles/datastore.user. Trading begins HALTED, until an admin resumes it. What is there is left as it
is, and a second call changes nothing.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import datetime

from common.config import Settings, load_settings
from common.errors import ConfigurationError, ConflictError, SapphireError, TransientError
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord, record_of
from common.ports import Create, Document, DocumentStore, Ref
from common.wire import to_document
from infra.bootstrap import build
from infra.local.stack.seed_agents import seed_agents


async def first_start(environ: Mapping[str, str]) -> str:
    """The trading state that stands now.

    Raises:
        ConfigurationError: the environment names no project, or another store than Firestore.
        SapphireError: the store does not answer, or refuses.
    """
    settings = load_settings({"SAPPHIRE_STORE": "firestore", **environ})
    if settings.store != "firestore" or not environ.get("GOOGLE_CLOUD_PROJECT"):
        raise ConfigurationError("set GOOGLE_CLOUD_PROJECT, and SAPPHIRE_STORE to nothing else")
    runtime = build(settings)
    return (await seeded(runtime.store, settings, runtime.clock.now())).state.value


async def seeded(store: DocumentStore, settings: Settings, now: datetime) -> TradingStateRecord:
    """Creates what is missing; the trading state that stands."""
    halted = TradingStateRecord(
        state=TradingState.HALTED,
        epoch=1,
        reason="first start: nobody has resumed trading yet",
        changed_by="first start",
        changed_at=now,
    )
    try:
        await store.commit([Create(PLATFORM, to_document(halted))])
        found = halted
    except ConflictError:
        found = record_of(await existing(store, PLATFORM))
    await seed_agents(store, settings, now=now)
    return found


async def existing(store: DocumentStore, ref: Ref) -> Document:
    document = await store.get(ref)
    if document is None:
        raise TransientError(f"{ref.collection}/{ref.id} vanished while it was read")
    return document


def main() -> int:
    try:
        state = asyncio.run(first_start(os.environ))
    except SapphireError as error:
        print(f"first_start: {error}", file=sys.stderr)
        return 2
    project = os.environ["GOOGLE_CLOUD_PROJECT"]
    print(f"{project}: the swarm is there; trading is {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
