"""Where spans go in a test."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from infra.gcp.tracing import Span


@dataclass
class RecordingSink:
    """Fits `SpanSink`."""

    spans: list[Span] = field(default_factory=list)

    async def send(self, spans: Sequence[Span]) -> None:
        self.spans += spans
