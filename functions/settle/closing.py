"""One account of a flatten: what its venues say is there, and the orders that close it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from common.books import BOOKS, ORDER_INTENTS, PLAN_APPROVALS
from common.documents import load_many
from common.domain.agent import Deployment
from common.domain.events import OutboxMessage
from common.domain.exposure import Exposure
from common.domain.flatten import Flatten
from common.domain.identifiers import intent_id
from common.domain.instrument import Instrument, OrderType, TimeInForce, Venue, price_bound
from common.domain.money import ZERO, plain
from common.domain.order import OrderIntent, OrderPlan, OrderPurpose, OrderSide, VenueCandidate
from common.domain.rounding import round_price, round_quantity
from common.domain.scope import Scope, ScopeKind
from common.errors import InvalidInputError, SapphireError, TransientError
from common.execution.approval import approval_write
from common.execution.reconciliation import quantities
from common.execution.wallets import neighbours, share_of
from common.how.exit_draft import closing_quantity
from common.messages import attempt_message
from common.outbox import outbox_write
from common.ports import Document, Ref, VenueAccountState, VenuePosition, Write
from functions.settle.asking import side_by_side
from functions.settle.markets import Markets
from functions.settle.reading import raise_first, read, readable_many
from functions.settle.resolving import Desk
from functions.settle.within import scope_around

PLAN_LIFE = timedelta(minutes=2)
SLIPPAGE = (Decimal("0.01"), Decimal("0.02"), Decimal("0.05"), Decimal("0.10"))
"""Of the mark, round by round: being out counts for more than the price."""

TOLD_MAX = 200  # characters of a trouble


@dataclass(frozen=True, slots=True)
class Step:
    """What is the same for all accounts of one step of a flatten."""

    desk: Desk
    flatten: Flatten
    scope: Scope
    now: datetime
    markets: Markets
    halted: Collection[Scope]  # within them the gate lets nothing through, so nothing is planned


@dataclass(slots=True)
class Found:
    """What is to be written of accounts, and what keeps them from being flat."""

    remaining: list[str] = field(default_factory=list)
    dust: list[str] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)  # a plan's approval, then its message
    messages: list[OutboxMessage] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        self.remaining += other.remaining
        self.dust += other.dust
        self.writes += other.writes
        self.messages += other.messages
        self.troubles += other.troubles


@dataclass(frozen=True, slots=True)
class _Account:
    step: Step
    deployment: Deployment
    exposure: Exposure
    found: Found

    @property
    def name(self) -> str:
        return self.deployment.deployment_id


async def close_account(step: Step, document: Document) -> Found:
    """`document` is its exposure. Its trouble is told, and keeps nothing open elsewhere."""
    found = Found()
    try:
        exposure = read(Exposure, document).value
        deployment = await _deployment(step, exposure)
        if deployment is not None:
            await _close(_Account(step, deployment, exposure, found))
    except SapphireError as error:
        found.remaining.append(f"{document.ref.id}: {error}"[:TOLD_MAX])
        found.troubles.append(error)
    return found


async def _deployment(step: Step, exposure: Exposure) -> Deployment | None:
    """None: it is of the other mode, not within the scope, or gone with all that it held.

    Raises InvalidInputError: it cannot be read; or is gone, and its venues cannot be asked.
    """
    scope, desk, deployment_id = step.scope, step.desk, exposure.deployment_id
    if scope.kind is ScopeKind.DEPLOYMENT and scope.name != deployment_id:
        return None
    troubles: list[Exception] = []
    refs = [Ref(book.deployments, deployment_id) for book in BOOKS.values()]
    found = await readable_many(desk.store, Deployment, refs, troubles=troubles)
    deployment = next((each.value for each in found if each is not None), None)
    if deployment is None:
        raise_first(troubles)
        if exposure.holdings or exposure.reservations:
            raise InvalidInputError("its deployment is gone", where=deployment_id)
        return None
    agent = f"{deployment.book}:{deployment.agent_id}"
    is_named = scope.kind is not ScopeKind.AGENT or scope.name == agent
    return deployment if is_named and deployment.paper == (desk.settings.mode == "paper") else None


async def _close(account: _Account) -> None:
    step, exposure = account.step, account.exposure
    wanted = {*account.deployment.enabled_venues, *map(Venue, exposure.venues())}
    if step.scope.kind is ScopeKind.VENUE:
        wanted = {venue for venue in wanted if venue == step.scope.name}
    asked = [venue for venue in step.desk.venues if venue in wanted]
    answers = await side_by_side(_asked(account, venue) for venue in asked)
    others = await neighbours(step.desk.store, account.deployment)
    for venue, answer in zip(asked, answers, strict=True):
        if isinstance(answer, TransientError):  # no answer is not flat: what we hold remains
            account.found.remaining.append(f"{account.name} {venue}: {answer}"[:TOLD_MAX])
            continue
        told = share_of(quantities(answer), exposure, others, venue)
        await _at_venue(account, venue, told)
    for venue in sorted(wanted.difference(asked)):
        if exposure.holdings_at(venue):
            account.found.remaining.append(f"{account.name} {venue}: it is not connected here")


async def _asked(account: _Account, venue: Venue) -> VenueAccountState | TransientError:
    desk = account.step.desk
    adapter = desk.venues[venue]
    try:
        return await desk.lines.ask(adapter, lambda: adapter.query_account(account_id=account.name))
    except TransientError as error:
        return error


async def _at_venue(account: _Account, venue: Venue, told: Mapping[str, VenuePosition]) -> None:
    scope, exposure = account.step.scope, account.exposure
    under_way = exposure.symbols_under_way(venue)
    for symbol in sorted({*told, *exposure.holdings_at(venue), *under_way}):
        if scope.kind is ScopeKind.SYMBOL and scope.name != symbol:
            continue
        if symbol in under_way:  # it counts as filled: what is flat now may not stay so
            name = f"{account.name} {venue} {symbol}"
            account.found.remaining.append(f"{name}: an order may still fill")
        await _position(account, (venue, symbol, told.get(symbol)))


async def _position(account: _Account, place: tuple[Venue, str, VenuePosition | None]) -> None:
    venue, symbol, told = place
    step, found = account.step, account.found
    theirs = Decimal(told.signed_qty) if told else ZERO
    ours = account.exposure.held(venue, symbol)
    if theirs == 0 and ours == 0:
        return
    name = f"{account.name} {venue} {symbol} {plain(theirs)}"
    instrument = await step.markets.instrument(venue, symbol)
    mark = await step.markets.mark(symbol)
    # Where both sides do not agree yet, reconciliation comes first, and the next round sees it.
    agreed = min(abs(theirs), abs(ours)) if theirs * ours > 0 else ZERO
    quantity = _quantity(instrument, agreed, mark)
    if instrument is not None and agreed and quantity < instrument.min_quantity:
        found.dust.append(name)
        return
    if instrument is None or mark is None or quantity == 0:
        found.remaining.append(name)
        return
    side = OrderSide.SELL if theirs > 0 else OrderSide.BUY
    plan = _plan(step, account.deployment, instrument, (side, quantity, mark))
    halted = scope_around(plan, (venue,), step.halted)
    found.remaining.append(f"{name}: trading is halted for {halted.label}" if halted else name)
    if halted is None and not await _is_under_way(step, plan):
        message = attempt_message(plan, 1, now=step.now)
        found.writes += [approval_write(plan, "settle", now=step.now), outbox_write(message)]
        found.messages.append(message)


def _quantity(instrument: Instrument | None, agreed: Decimal, mark: Decimal | None) -> Decimal:
    if instrument is None:
        return ZERO
    if mark is None:
        return round_quantity(instrument, agreed)
    return closing_quantity(instrument, agreed, mark)


def _plan(
    step: Step,
    deployment: Deployment,
    instrument: Instrument,
    wanted: tuple[OrderSide, Decimal, Decimal],
) -> OrderPlan:
    side, quantity, mark = wanted
    buy = side is OrderSide.BUY
    round_no = step.flatten.rounds
    slippage = SLIPPAGE[min(round_no, len(SLIPPAGE) - 1)]
    price = round_price(instrument, price_bound(mark, buy=buy, slippage=slippage), buy=buy)
    cause = f"{step.flatten.flatten_id}:{instrument.venue}:{instrument.symbol}"
    return OrderPlan(
        intent_id=intent_id(deployment.agent_id, deployment.deployment_id, cause, 0, round_no + 1),
        book=deployment.book,
        agent_id=deployment.agent_id,
        deployment_id=deployment.deployment_id,
        delivery_id="",
        signal_id=step.flatten.flatten_id,
        symbol=instrument.symbol,
        side=side,
        order_type=OrderType.MARKET,
        candidates=(
            VenueCandidate(
                venue=instrument.venue,
                instrument_id=instrument.instrument_id,
                quantity=quantity,
                price=price,
            ),
        ),
        reference_price=mark,
        slippage_max=slippage,
        policy_version="flatten",
        created_at=step.now,
        expires_at=step.now + PLAN_LIFE,
        paper=deployment.paper,
        time_in_force=TimeInForce.IOC,
        reduce_only=True,
        purpose=OrderPurpose.FLATTEN,
    )


async def _is_under_way(step: Step, plan: OrderPlan) -> bool:
    """Whether this round's order is planned already, or that of the round before may still fill."""
    cause = f"{step.flatten.flatten_id}:{plan.candidates[0].venue}:{plan.symbol}"
    ids = [
        intent_id(plan.agent_id, plan.deployment_id, cause, 0, number)
        for number in (step.flatten.rounds, step.flatten.rounds + 1)
        if number > 0
    ]
    store = step.desk.store
    if await store.get(Ref(PLAN_APPROVALS, plan.intent_id)) is not None:
        return True
    intents = await load_many(store, OrderIntent, [Ref(ORDER_INTENTS, each) for each in ids])
    return any(each is not None and not each.value.status.is_terminal for each in intents)
