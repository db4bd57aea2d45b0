"""What makes one paper venue differ from another: data, and where its instruments come from."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.domain.instrument import Capabilities, InstrumentTable


@dataclass(frozen=True, kw_only=True)
class PaperProfile:
    """`listed` is our own list of its instruments; `load`, where given, asks the real venue."""

    capabilities: Capabilities
    latency: timedelta  # from sending an order to the venue's decision on it
    listed: Callable[[datetime], InstrumentTable]
    load: Callable[[datetime], Awaitable[InstrumentTable]] | None = None
    snapshot_age_max: timedelta = timedelta(minutes=3)  # beyond the snapshot's own interval
    flat_cancels_reduce_only: bool = False  # does the venue cancel stops with their position?
