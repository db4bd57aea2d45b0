"""An agent's round trips over all its deployments, in documents of integers; paper and live apart.

Every fill that ends a trip adds its exact difference with `Increment`, in its own commit
(common/execution/track_records.py), so the agent's deployments never wait for each other. A commit
may increment each document once, so each figure has one of its own.
"""

from collections.abc import Sequence
from decimal import Decimal

from common.books import AGENT_RECORDS
from common.how.kelly import TrackRecord
from common.ports import Document, Ref

WON = "won"
LOST = "lost"
GAINS = "gains_millionths"
LOSSES = "losses_millionths"  # <= 0
FIGURES = (WON, LOST, GAINS, LOSSES)
SCALE = 6
"""Amounts are whole millionths of the quote currency: a small account's trip may be of cents."""


def record_refs(book: str, agent_id: str, *, paper: bool) -> tuple[Ref, ...]:
    """What `read_record` reads, in the order of `FIGURES`."""
    kind = "paper" if paper else "live"
    return tuple(Ref(AGENT_RECORDS, f"{book}:{agent_id}:{kind}:{figure}") for figure in FIGURES)


def read_record(documents: Sequence[Document | None]) -> TrackRecord:
    """Of `record_refs`, in order; what is not there yet is 0. What cannot be read has no edge."""
    found = [
        document.data.get(figure) if document is not None else 0
        for figure, document in zip(FIGURES, documents, strict=True)
    ]
    whole = [figure for figure in found if type(figure) is int]
    if len(whole) < len(found):
        return TrackRecord(problem="it cannot be read")
    won, lost, gains, losses = whole
    return TrackRecord(
        trips=won + lost,
        won=won,
        gains=Decimal(gains).scaleb(-SCALE),
        losses=Decimal(losses).scaleb(-SCALE),
    )
