"""Funding that a venue has paid or taken: each payment booked once, in the account's cash."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.audit import audit_write
from common.books import ACCOUNTS, FUNDING_PAYMENTS
from common.contention import retry_on_conflict
from common.documents import create, load, put
from common.domain.account import Account
from common.domain.agent import Deployment
from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO, plain
from common.errors import TransientError
from common.execution.accounts import after_funding, open_account
from common.execution.sender import answer_of
from common.ports import ExecutionVenue, FundingPayment, Ref, Write
from functions.settle.resolving import Desk

EVERY = timedelta(minutes=15)
LOOK_BACK = timedelta(hours=2)
"""Asked for again each time: a venue may tell a payment late, and known ones change nothing."""

WRITES_MAX = 100
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Funded:
    """Up to when an account's payments at a venue are booked; None: never asked."""

    until: datetime | None
    while_flat: bool = False  # nothing was held there any more: nothing is to come


async def funded_now(
    desk: Desk, deployment: Deployment, venue: ExecutionVenue, before: Funded, *, holds: bool
) -> Funded:
    """How far it is after this look. What is held again later is asked for from there on.

    Without an answer it stays as it was, and is asked for again.
    """
    if not is_due(before, desk.clock.now(), holds=holds):
        return before
    try:
        until = await take_funding(desk, deployment, venue, before.until)
    except TransientError as error:
        _log.warning("no funding of %s: %s", deployment.deployment_id, error)
        return before
    return Funded(until, while_flat=not holds)


def is_due(before: Funded, now: datetime, *, holds: bool) -> bool:
    """While something is held there, every so often; and once more when nothing is any longer."""
    if not holds:
        return before.until is not None and not before.while_flat
    return before.until is None or now - before.until >= EVERY


async def take_funding(
    desk: Desk, deployment: Deployment, venue: ExecutionVenue, before: datetime | None
) -> datetime:
    """Book what is new since then; the moment up to which everything is booked.

    Raises TransientError: the venue does not answer.
    """
    now = desk.clock.now()
    since = max(deployment.created_at, (before or deployment.created_at) - LOOK_BACK)
    asked = venue.query_funding(account_id=deployment.deployment_id, since=since)
    told = await answer_of(venue, asked)
    for start in range(0, len(told), WRITES_MAX):
        part = told[start : start + WRITES_MAX]
        await retry_on_conflict(
            lambda part=part: _book(desk, deployment, part),  # type: ignore[misc]  # bound now
            what=f"the account of {deployment.deployment_id}",
        )
    return now


async def _book(desk: Desk, deployment: Deployment, payments: tuple[FundingPayment, ...]) -> None:
    store, now = desk.store, desk.clock.now()
    refs = {_ref(payment): payment for payment in payments}
    known = await store.get_many(list(refs))
    fresh = {
        ref: payment
        for (ref, payment), found in zip(refs.items(), known, strict=True)
        if found is None
    }
    if not fresh:
        return
    place = Ref(ACCOUNTS, deployment.deployment_id)
    stored = await load(store, Account, place)
    account = stored.value if stored else open_account(deployment, now)
    for payment in fresh.values():
        account = after_funding(account, payment.amount, now)
    total = sum((payment.amount for payment in fresh.values()), ZERO)
    writes: list[Write] = [put(stored, place, account)]
    writes += [create(ref, payment) for ref, payment in fresh.items()]
    writes.append(
        audit_write(
            "funding-booked",
            deployment.deployment_id,
            at=now,
            step=min(ref.id for ref in fresh),
            facts={"payments": len(fresh), "amount": plain(total)},
        )
    )
    await store.commit(writes)


def _ref(payment: FundingPayment) -> Ref:
    return Ref(
        FUNDING_PAYMENTS,
        prefixed_id("fnd", payment.venue, payment.account_id, payment.payment_id),
    )
