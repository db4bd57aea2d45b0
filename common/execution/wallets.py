"""Deployments that trade from one wallet: a venue nets what they hold and knows no shares of it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from common.books import BOOKS, EXPOSURES
from common.documents import every, load_many
from common.domain.agent import Deployment
from common.domain.exposure import Exposure
from common.domain.instrument import Venue
from common.domain.money import ZERO, plain
from common.ports import DocumentStore, Ref, VenuePosition, Where
from common.wire import from_document


async def neighbours(store: DocumentStore, deployment: Deployment) -> tuple[Exposure, ...]:
    """What the other live deployments of its wallet hold and have under way; none on paper."""
    if deployment.paper:
        return ()
    wallet = Where("user_wallet", "==", deployment.user_wallet)
    refs: list[Ref] = []
    for book in BOOKS.values():
        async for document in every(store, book.deployments, wallet):
            other = from_document(Deployment, document.data)
            if not other.paper and other.deployment_id != deployment.deployment_id:
                refs.append(Ref(EXPOSURES, other.deployment_id))
    found = await load_many(store, Exposure, refs) if refs else []
    return tuple(each.value for each in found if each is not None)


def share_of(
    told: Mapping[str, VenuePosition], own: Exposure, others: Sequence[Exposure], venue: Venue
) -> dict[str, VenuePosition]:
    """The venue's word on the wallet, less what the others' fills explain.

    What nobody's fills explain is one deployment's alone, or it would be booked as often as there
    are deployments: that of the lowest id among those that hold the symbol. To the rest, and while
    another has an order of the symbol under way, the venue agrees.
    """
    if not others:
        return dict(told)
    busy = {symbol for each in others for symbol in each.symbols_under_way(venue)}
    held = {symbol for each in (own, *others) for symbol in each.holdings_at(venue)}
    shares: dict[str, VenuePosition] = {}
    for symbol in {*told, *held}:
        quantity, average = own.held(venue, symbol), None
        if symbol not in busy and _answers_for(symbol, own, others, venue):
            foreign = sum((each.held(venue, symbol) for each in others), ZERO)
            word = told.get(symbol)
            quantity = (Decimal(word.signed_qty) if word is not None else ZERO) - foreign
            average = word.avg_px if word is not None and not foreign else None
        if quantity:
            shares[symbol] = VenuePosition(
                symbol=symbol, signed_qty=plain(quantity), avg_px=average
            )
    return shares


def _answers_for(symbol: str, own: Exposure, others: Sequence[Exposure], venue: Venue) -> bool:
    everybody = (own, *others)
    holders = [each.deployment_id for each in everybody if each.held(venue, symbol)]
    return own.deployment_id == min(holders or [each.deployment_id for each in everybody])
