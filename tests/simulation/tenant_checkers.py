"""I13, I15, I16, I17, I20: what reaches people and records, and whose money it was."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, localcontext

from common.books import (
    ACCOUNTS,
    BOOKS,
    FILLS,
    FUNDING_PAYMENTS,
    ORDER_INTENTS,
    ORDERS,
)
from common.domain.account import Account
from common.domain.agent import Deployment
from common.domain.money import ZERO
from common.domain.order import FillRecord, Order, OrderIntent, OrderPurpose, OrderSide
from common.domain.position import EXACT
from common.domain.signal import PositionSide, SignalRecord
from common.wire import JsonObject, from_document
from functions.notify.handler import TAKEN_FOR
from tests.simulation.run import Run
from tests.simulation.stage import LISTED
from tests.simulation.venue import CANARY

Contents = dict[str, dict[str, JsonObject]]


def tenant_violations(run: Run) -> Iterator[str]:
    """Every broken rule, each starting with its number."""
    contents = run.store.contents()
    yield from _no_canary(run, contents)
    yield from _text_moves_nothing(contents)
    yield from _own_money(run, contents)
    yield from _told_once(run)
    yield from _repeats_change_nothing(run)


def _no_canary(run: Run, contents: Contents) -> Iterator[str]:
    """I13: what looks like a key, in a venue's own words, is kept nowhere and told nobody."""
    for name, documents in contents.items():
        for key, data in documents.items():
            if CANARY[2:] in json.dumps(data):
                yield f"I13: {name}/{key} holds what looks like a private key"
    if any(CANARY[2:] in text for text in run.messenger.texts):
        yield "I13: a person was told what looks like a private key"


def _text_moves_nothing(contents: Contents) -> Iterator[str]:
    """I15, I17: an entry is its signal's, at a venue and for an account of its deployment alone."""
    for key, data in contents.get(ORDERS, {}).items():
        order = from_document(Order, data)
        plan = from_document(OrderIntent, contents[ORDER_INTENTS][order.intent_id]).plan
        book = BOOKS[plan.book]
        deployment = from_document(Deployment, contents[book.deployments][plan.deployment_id])
        if order.account_id != plan.deployment_id:
            yield f"I17: {key} of {plan.deployment_id} is sent for {order.account_id}"
        if order.venue not in deployment.enabled_venues:
            yield f"I15: {key} is sent to {order.venue}, which {plan.deployment_id} never enabled"
        if order.symbol not in LISTED[order.venue]:
            yield f"I15: {key} is in {order.symbol}"
        if plan.purpose is not OrderPurpose.ENTRY:
            continue
        signal = from_document(SignalRecord, contents[book.signals][plan.signal_id]).signal
        buys = signal.side is PositionSide.LONG
        wanted = (signal.symbol, OrderSide.BUY if buys else OrderSide.SELL, signal.agent_id)
        if (order.symbol, order.side, plan.agent_id) != wanted:
            yield f"I15: {key} is not what {signal.signal_id} asked for"


def _own_money(run: Run, contents: Contents) -> Iterator[str]:
    """I05, I17: each account is what was paid in, and what its own fills and funding came to."""
    flows: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for data in contents.get(FILLS, {}).values():
        record = from_document(FillRecord, data)
        fill = record.fill
        with localcontext(EXACT):
            spent = fill.last_qty * fill.side.sign * fill.last_px + fill.commission
            flows[record.deployment_id] -= spent
        if fill.account_id != record.deployment_id:
            yield f"I17: a fill of {fill.account_id} is booked to {record.deployment_id}"
    funding: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for data in contents.get(FUNDING_PAYMENTS, {}).values():
        funding[data["account_id"]] += Decimal(data["amount"])
    for key, data in contents.get(ACCOUNTS, {}).items():
        account = from_document(Account, data)
        with localcontext(EXACT):
            due = account.starting + flows[key] + funding[key]
        if account.cash != due:
            yield f"I05: the account {key} holds {account.cash}, its own fills make {due}"
    paid = {
        (payment.venue.value, payment.account_id, payment.payment_id)
        for venue in run.venues.values()
        for payment in venue.books.funding
    }
    booked = [
        (data["venue"], data["account_id"], data["payment_id"])
        for data in contents.get(FUNDING_PAYMENTS, {}).values()
    ]
    if len(booked) != len(set(booked)) or set(booked) - paid:
        yield "I03: funding was booked that no venue paid"


def _told_once(run: Run) -> Iterator[str]:
    """I20: nobody is told twice by two who tell at once; again only by who takes over from one that
    seems to be dead, which a paused one only seems.
    """
    if run.world.fired["pause"]:
        return
    for name, times in run.messenger.visible.items():
        for first, second in itertools.pairwise(times):
            if second - first < TAKEN_FOR / 2:
                yield f"I20: {name} was told again after {second - first}"


def _repeats_change_nothing(run: Run) -> Iterator[str]:
    """I16: what has had its effect has none when it comes again."""
    if run.before_replay is None or run.after_replay is None:
        return
    for name in {*run.before_replay, *run.after_replay}:
        before, after = run.before_replay.get(name, {}), run.after_replay.get(name, {})
        for key in {*before, *after}:
            if before.get(key) != after.get(key):
                yield f"I16: {name}/{key} is another after its messages came again"
