"""What a deployment has at risk: reservations and positions, in one document."""

from dataclasses import dataclass, replace
from decimal import Decimal

from common.domain.money import ZERO, Money
from common.domain.order import OrderSide


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Notional held for an intent until its outcome is proven. UNKNOWN keeps it: it counts as
    filled.
    """

    venue: str
    symbol: str
    side: OrderSide
    quantity: Money
    price: Money
    at_venue: bool = True  # False: a parent order's rest, which nothing was sent for yet
    protective: bool = False  # a resting stop: reduce-only, so it never adds to what is closed
    exits: bool = False  # an order that closes at once: the next one finds what it leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    signed_qty: Money
    price: Money  # the last fill's, the basis of its notional


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The document under `exposures`, id = deployment id."""

    deployment_id: str
    reservations: dict[str, Reservation]  # by intent id
    holdings: dict[str, Holding]  # by "VENUE|SYMBOL"

    @staticmethod
    def empty(deployment_id: str) -> "Exposure":
        return Exposure(deployment_id=deployment_id, reservations={}, holdings={})

    def held(self, venue: str, symbol: str) -> Decimal:
        """Signed base quantity at one venue."""
        holding = self.holdings.get(_key(venue, symbol))
        return holding.signed_qty if holding else ZERO

    def holdings_at(self, venue: str) -> dict[str, Decimal]:
        """Signed base quantities at one venue, by symbol."""
        return {
            symbol: holding.signed_qty
            for place, symbol, holding in self._places()
            if place == venue
        }

    def symbols_under_way(self, venue: str) -> set[str]:
        """Whose quantity may change there at any moment by an order of ours that was sent.

        A resting stop is not among them: it may rest for weeks, and `settle` asks for it first.
        """
        return {
            each.symbol
            for each in self.reservations.values()
            if each.venue == venue and each.at_venue and not each.protective
        }

    def venues(self) -> set[str]:
        held = {place for place, _, _ in self._places()}
        return held | {each.venue for each in self.reservations.values()}

    def _places(self) -> list[tuple[str, str, Holding]]:
        return [(*key.split("|", 1), holding) for key, holding in self.holdings.items()]  # type: ignore[misc]  # every key has one bar: `_key`

    def left_to_reduce(self, intent_id: str, venue: str, symbol: str, side: OrderSide) -> Decimal:
        """Signed base quantity at one venue once every other reservation of `side` has filled.

        What is under way counts as filled, so that two orders cannot both close the same holding.
        A resting stop does not: the venue itself cuts it to what is held.
        """
        under_way = sum(
            (
                reservation.quantity
                for key, reservation in self.reservations.items()
                if key != intent_id
                and (reservation.venue, reservation.symbol) == (venue, symbol)
                and reservation.side is side
                and not reservation.protective
            ),
            ZERO,
        )
        return self.held(venue, symbol) + under_way * side.sign

    def left_after_exits(self, intent_id: str, venue: str, symbol: str) -> Decimal:
        """Signed base quantity at one venue once every other exit that is under way has filled."""
        return self.held(venue, symbol) + sum(
            (
                each.quantity * each.side.sign
                for key, each in self.reservations.items()
                if key != intent_id and each.exits and (each.venue, each.symbol) == (venue, symbol)
            ),
            ZERO,
        )

    def reserve(self, intent_id: str, reservation: Reservation) -> "Exposure":
        return replace(self, reservations={**self.reservations, intent_id: reservation})

    def release(self, intent_id: str) -> "Exposure":
        kept = {key: value for key, value in self.reservations.items() if key != intent_id}
        return replace(self, reservations=kept)

    def hold(self, *, venue: str, symbol: str, signed_qty: Decimal, price: Decimal) -> "Exposure":
        holdings = dict(self.holdings)
        if signed_qty == 0:
            holdings.pop(_key(venue, symbol), None)
        else:
            holdings[_key(venue, symbol)] = Holding(signed_qty=signed_qty, price=price)
        return replace(self, holdings=holdings)


def _key(venue: str, symbol: str) -> str:
    return f"{venue}|{symbol}"
