"""Reads Hyperliquid's hourly funding payments. Pure, strict.

Sources: hyperliquid.gitbook.io, API > Info endpoint > Perpetuals, `userFunding`; the recorded
answers in data/hyperliquid/cassettes. The venue writes one hash of zeros for every payment, so a
payment is told apart by its account, coin and time.
"""

from dataclasses import dataclass

from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.moment import from_ms
from common.errors import InvalidInputError
from common.ports import FundingPayment
from infra.venues.fields import Answer, as_list, as_object, decimal, text, whole
from infra.venues.hyperliquid.parse import token_unit

FUNDING_PAGE = 500
"""Payments that one answer holds at most; a full one has a next page."""

_MS_MAX = 10**15


@dataclass(frozen=True, slots=True)
class FundingPage:
    """`next_from_ms` is where the next page begins, None after the last."""

    payments: tuple[FundingPayment, ...]
    count: int
    next_from_ms: int | None


def parse_funding(payload: object, account_id: str, symbols: dict[str, str]) -> FundingPage:
    """`{"type": "userFunding"}`: what the account received (positive) or paid, in USDC.

    `symbols` names our symbol of each of the venue's coins.

    Raises InvalidInputError: another shape, or a payment that is no funding.
    """
    rows = as_list(payload, "userFunding")
    payments: list[FundingPayment] = []
    latest = 0
    for number, item in enumerate(rows):
        where = f"userFunding[{number}]"
        row = as_object(item, where)
        time_ms = whole(row, "time", where, most=_MS_MAX)
        latest = max(latest, time_ms)
        payments.append(_payment(row, time_ms, account_id, symbols, where))
    return FundingPage(tuple(payments), len(rows), latest if len(rows) >= FUNDING_PAGE else None)


def _payment(
    row: Answer, time_ms: int, account_id: str, symbols: dict[str, str], where: str
) -> FundingPayment:
    delta = as_object(row.get("delta"), f"{where}.delta")
    if delta.get("type") != "funding":
        raise InvalidInputError("is no funding", where=f"{where}.delta.type")
    coin = text(delta, "coin", where)
    return FundingPayment(
        payment_id=prefixed_id("fnd", Venue.HYPERLIQUID, account_id, coin, time_ms),
        venue=Venue.HYPERLIQUID,
        account_id=account_id,
        symbol=symbols.get(coin, token_unit(coin)[0]),
        amount=decimal(delta, "usdc", where),
        ts_event=from_ms(time_ms),
    )
