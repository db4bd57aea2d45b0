"""What is proven about one order, however it was learned: the venue's answer, a query, or time.

A venue's own words are kept and told to people, so what looks like a key is taken out of them.
"""

from dataclasses import dataclass

from common.domain.money import ZERO, Money
from common.domain.order import Fill, OrderReport, OrderStatus
from common.how.limits import Refusal
from common.redaction import redact

NOT_FILLED_WITHIN_BOUND = "NOT_FILLED_WITHIN_BOUND"
"""Of what had to fill at once; what rested and was canceled is CANCELED (`code_of_canceled`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    status: OrderStatus
    code: str
    reason: str
    fills: tuple[Fill, ...] = ()
    filled_qty: Money = ZERO  # what the venue says has filled; its fills may be told later
    venue_order_id: str | None = None
    of_one_sending: bool = False  # proves nothing where the same bytes were sent another time
    by: str = ""  # the person who said so; empty: the venue, or time


def from_report(report: OrderReport) -> Outcome:
    """The venue's evidence. An order that ended unfilled within its bound says so.

    A fill without a quantity or a price is no evidence: what became of the order is unknown.
    """
    if any(fill.last_qty <= 0 or fill.last_px <= 0 for fill in report.fills):
        return unknown("The venue told a fill without a quantity or a price")
    code: str = report.status
    if report.status is OrderStatus.CANCELED and report.filled_qty == 0:
        code = NOT_FILLED_WITHIN_BOUND
    return Outcome(
        status=report.status,
        code=code,
        reason=redact(report.reason),
        fills=report.fills,
        filled_qty=report.filled_qty,
        venue_order_id=report.venue_order_id,
    )


def code_of_canceled(outcome: Outcome) -> str:
    """Why an order has ended that might have rested for ever: it met no bound, it was canceled."""
    if outcome.code == NOT_FILLED_WITHIN_BOUND:
        return OrderStatus.CANCELED.value
    return outcome.code


def rejected(code: str, reason: str) -> Outcome:
    return Outcome(
        status=OrderStatus.REJECTED, code=redact(code), reason=redact(reason), of_one_sending=True
    )


def never_sent(reason: str) -> Outcome:
    """Proven not to have reached the wire: as dead as a refusal, and no fault of the order."""
    return rejected("NOT_SENT", reason)


def denied(refusal: Refusal) -> Outcome:
    return Outcome(
        status=OrderStatus.DENIED, code=refusal.code, reason=refusal.reason, of_one_sending=True
    )


def unknown(reason: str) -> Outcome:
    return Outcome(status=OrderStatus.UNKNOWN, code="OUTCOME_UNKNOWN", reason=redact(reason))


def absent(reason: str) -> Outcome:
    """The venue does not have it, and can no longer come to have it."""
    return Outcome(status=OrderStatus.EXPIRED, code="NOT_ACCEPTED_BEFORE_EXPIRY", reason=reason)
