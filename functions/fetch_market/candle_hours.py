"""The history of candles, an hour a document: for volume profiles, volatility and benchmarks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from common.books import CANDLE_HOURS
from common.documents import Stored, load_many
from common.domain.market import HOUR_MS, Candle, CandleHour, MarketSnapshot, candle_hour_id
from common.errors import ConflictError
from common.ports import Create, Document, DocumentStore, Ref, Write
from common.wire import to_document

KEPT = timedelta(days=14)
WRITES_AT_ONCE = 100


async def keep_candles(
    store: DocumentStore,
    snapshots: Iterable[MarketSnapshot],
    former: Mapping[str, Document | None],
    *,
    now: datetime,
) -> None:
    """Add the candles that are newer than each symbol's former snapshot to their hours.

    A lost race is left to the next candle, whose snapshot still carries what was left out.
    """
    hours: dict[Ref, CandleHour] = {}
    for snapshot in snapshots:
        for hour in _new_hours(snapshot, former.get(snapshot.symbol)):
            key = candle_hour_id(hour.symbol, hour.interval, hour.hour_ms)
            hours[Ref(CANDLE_HOURS, key)] = hour
    refs = list(hours)
    for start in range(0, len(refs), WRITES_AT_ONCE):
        part = refs[start : start + WRITES_AT_ONCE]
        known = await load_many(store, CandleHour, part)
        writes = [
            write
            for ref, stored in zip(part, known, strict=True)
            if (write := _write(ref, stored, hours[ref], now)) is not None
        ]
        try:
            if writes:
                await store.commit(writes)
        except ConflictError:
            continue


def _new_hours(snapshot: MarketSnapshot, former: Document | None) -> list[CandleHour]:
    """With the former snapshot's own candles, which a crash or a lost race may have left out."""
    known = _opens_ms(former, snapshot.interval)
    if known and all(candle.open_time_ms <= known[-1] for candle in snapshot.candles):
        return []
    grouped: dict[int, list[Candle]] = defaultdict(list)
    for candle in snapshot.candles:
        if not known or candle.open_time_ms >= known[0]:
            grouped[candle.open_time_ms // HOUR_MS * HOUR_MS].append(candle)
    return [
        CandleHour(
            symbol=snapshot.symbol,
            interval=snapshot.interval,
            hour_ms=hour_ms,
            candles=tuple(candles),
        )
        for hour_ms, candles in grouped.items()
    ]


def _opens_ms(former: Document | None, interval: str) -> list[int]:
    """Of the candles that are stored with it, oldest first."""
    if former is None or former.data["interval"] != interval:
        return []
    return [int(candle["open_time_ms"]) for candle in former.data["candles"]]


def _write(
    ref: Ref, stored: Stored[CandleHour] | None, hour: CandleHour, now: datetime
) -> Write | None:
    if stored is None:
        return Create(ref, to_document(hour), expires_at=now + KEPT)
    known = {candle.open_time_ms: candle for candle in stored.value.candles}
    merged = known | {candle.open_time_ms: candle for candle in hour.candles}
    if merged.keys() == known.keys():
        return None
    candles = tuple(merged[moment] for moment in sorted(merged))
    return stored.update(
        CandleHour(
            symbol=hour.symbol, interval=hour.interval, hour_ms=hour.hour_ms, candles=candles
        )
    )
