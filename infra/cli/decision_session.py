"""One `sapphire replay`: a stored decision, made again from its stored inputs."""

import argparse
import asyncio
from pathlib import Path

from common.books import DECISIONS
from common.domain.decision import Decision
from common.domain.identifiers import ID_PATTERN
from common.errors import InvalidInputError, NotFoundError
from common.ports import Ref
from common.text import price
from common.what.replay import differences, redecide
from common.wire import from_document
from infra.cli.data_dirs import candidate_dirs
from infra.cli.text import full_time
from infra.local.store.sqlite import STORE_FILE, SqliteStore


def run_decision_replay(arguments: argparse.Namespace) -> int:
    """0 identical, 1 not. Raises NotFoundError when no local store has the decision."""
    if not ID_PATTERN.match(arguments.decision_id):
        raise InvalidInputError("not an id", where="DECISION_ID")
    decision = asyncio.run(_find(arguments.decision_id, candidate_dirs(arguments)))
    print(_told(decision))
    different = differences(decision, redecide(decision))
    if not different:
        print("identical: the same inputs give the same decision, byte for byte")
        return 0
    print(f"NOT identical, {len(different)} values differ; the first:")
    print(f"  {different[0]}")
    return 1


async def _find(decision_id: str, data_dirs: list[Path]) -> Decision:
    for data_dir in data_dirs:
        if not (data_dir / STORE_FILE).exists():
            continue
        store = SqliteStore(data_dir / STORE_FILE)
        try:
            document = await store.get(Ref(DECISIONS, decision_id))
        finally:
            store.close()
        if document is not None:
            return from_document(Decision, document.data)
    searched = ", ".join(str(path) for path in data_dirs)
    raise NotFoundError(f"no decision {decision_id} in {searched}: name its --data-dir")


def _told(decision: Decision) -> str:
    consensus = decision.consensus
    snapshot = decision.inputs.snapshot
    return (
        f"{decision.decision_id}  {decision.symbol} at {price(snapshot.mark)}  "
        f"{full_time(decision.decided_at)}  {consensus.verdict.value} {consensus.action.value} "
        f"{consensus.score:+.4f}"
    )
