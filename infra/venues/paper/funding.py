"""Funding on paper: each full UTC hour that a perpetual is held, at the rate of the market.

    amount = -signed quantity x mark x rate of 8 h / 8      (positive: received)

as Hyperliquid pays it (hyperliquid.gitbook.io, Trading > Funding). Nobody is there at the full
hour: what is due is worked out before the position next changes, or when somebody asks, with the
mark and the rate of the snapshot in the store then. The payments of one position and day are one
document, written with the position's new `updated_at` by compare-and-set on both: each hour once.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from common.books import MARKET_SNAPSHOTS
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Instrument, Venue
from common.domain.market import MarketSnapshot
from common.domain.moment import iso, to_ms
from common.domain.money import ZERO
from common.domain.position import EXACT
from common.errors import ConflictError
from common.ports import (
    Create,
    Document,
    DocumentStore,
    FundingPayment,
    Ref,
    Update,
    Write,
)
from common.wire import JsonObject, from_document, to_document
from infra.venues.paper.ledger import accounted_until, held
from infra.venues.paper.matching import read_market

PAPER_FUNDING = "paper_funding"
_HOUR = timedelta(hours=1)
_HOURS_OF_RATE = Decimal(8)
_SMALLEST = Decimal("1e-50")  # far below what any mark and rate come to; a document holds 60
_HOURS_TOGETHER = 24 * 100  # in one commit; the rest of them next time
_READ_TOGETHER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingDay:
    """What one position was paid on one UTC day, oldest first."""

    payments: tuple[FundingPayment, ...]


class Funding:
    """Of one paper venue. Every method raises TransientError when the store does not answer."""

    def __init__(self, venue: Venue, store: DocumentStore) -> None:
        self._venue = venue
        self._store = store

    async def accrue(
        self, position: Document | None, instrument: Instrument | None, *, until: datetime
    ) -> bool:
        """Record what is due on the position by `until`; a token that cannot be shorted pays none.

        Whether the position's document is another one now, by us or by somebody else.
        """
        if position is None or instrument is None or not instrument.shortable:
            return False
        hours = hours_due(position, until)[:_HOURS_TOGETHER]
        if not hours:
            return False
        symbol = position.data["symbol"]
        market = read_market(await self._store.get(Ref(MARKET_SNAPSHOTS, symbol)))
        if market is None:
            return False
        payments = [] if market.funding_rate_8h is None else self._due(position, market, hours)
        change: JsonObject = {"updated_at": iso(hours[-1])}
        if payments and "funding_from" not in position.data:
            change["funding_from"] = payments[0].ts_event.date().isoformat()
        writes = await self._day_writes(position, payments)
        with suppress(ConflictError):
            await self._store.commit([*writes, Update(position.ref, change, position.version)])
        return True

    async def payments(
        self, positions: Sequence[Document], *, since: datetime, now: datetime
    ) -> tuple[FundingPayment, ...]:
        """What was recorded for these positions from `since` on, oldest first."""
        refs: list[Ref] = []
        for position in positions:
            start = position.data.get("funding_from")
            if start is not None:
                first = max(date.fromisoformat(start), since.astimezone(UTC).date())
                days = (now.date() - first).days + 1
                refs += [_ref(position, first + timedelta(days=day)) for day in range(days)]
        found: list[FundingPayment] = []
        for at in range(0, len(refs), _READ_TOGETHER):
            for document in await self._store.get_many(refs[at : at + _READ_TOGETHER]):
                found += _payments(document)
        told = (each for each in found if each.ts_event >= since)
        return tuple(sorted(told, key=lambda each: (each.ts_event, each.symbol)))

    def _due(
        self, position: Document, market: MarketSnapshot, hours: Sequence[datetime]
    ) -> list[FundingPayment]:
        account_id, symbol = position.data["account_id"], position.data["symbol"]
        rate = EXACT.divide(market.funding_rate_8h or ZERO, _HOURS_OF_RATE)
        exact = EXACT.multiply(EXACT.multiply(held(position).copy_negate(), market.mark), rate)
        amount = EXACT.quantize(exact, _SMALLEST)
        return [
            FundingPayment(
                payment_id=prefixed_id("fnd", self._venue, account_id, symbol, to_ms(hour)),
                venue=self._venue,
                account_id=account_id,
                symbol=symbol,
                amount=amount,
                ts_event=hour,
            )
            for hour in hours
        ]

    async def _day_writes(
        self, position: Document, payments: Sequence[FundingPayment]
    ) -> list[Write]:
        days = {
            day: tuple(due) for day, due in groupby(payments, lambda each: each.ts_event.date())
        }
        refs = [_ref(position, day) for day in days]
        writes: list[Write] = []
        for ref, document, due in zip(
            refs, await self._store.get_many(refs), days.values(), strict=True
        ):
            data = to_document(FundingDay(payments=(*_payments(document), *due)))
            writes.append(
                Create(ref, data) if document is None else Update(ref, data, document.version)
            )
        return writes


def hours_due(position: Document, until: datetime) -> list[datetime]:
    """The full hours, up to and with `until`, that the position was held and is not paid for."""
    if not held(position):
        return []
    since = accounted_until(position)
    first = since.replace(minute=0, second=0, microsecond=0) + _HOUR
    count = (until - first) // _HOUR + 1
    return [first + number * _HOUR for number in range(count)]


def _ref(position: Document, day: date) -> Ref:
    return Ref(PAPER_FUNDING, f"{position.ref.id}:{day.isoformat()}")


def _payments(document: Document | None) -> tuple[FundingPayment, ...]:
    return () if document is None else from_document(FundingDay, document.data).payments
