"""A position as a machine: whatever is bought and sold, it agrees with a model that only counts."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.domain.money import CASH_INCREMENT, round_to
from common.domain.order import Fill, OrderSide
from common.domain.position import apply_fill
from common.domain.signal import PositionSide
from common.wire import from_document, to_document
from tests.builders import NOON, a_fill, a_position


def amount(places: int, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal(1).scaleb(-places), max_value=Decimal(most), places=places)


sides = st.sampled_from(OrderSide)
quantities = st.one_of(st.sampled_from([Decimal(1), Decimal(2)]), amount(6, "50"))
prices = st.one_of(amount(2, "90000"), amount(12, "0.01"))
fees = amount(6, "10")


class PositionMachine(RuleBasedStateMachine):
    """The model has exact fractions: cash, quantity, and the average cost without any rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.position = a_position()
        self.now = NOON
        self.fills = 0
        self.reductions = 0  # each may round its share of the cost by half a CASH_INCREMENT
        self.cash = Fraction(0)
        self.quantity = Fraction(0)
        self.cost = Fraction(0)
        self.fees = Fraction(0)
        self.before_trip = Fraction(0)  # realised less fees when it was last flat, or crossed
        self.opened_at = NOON

    @rule(side=sides, quantity=quantities, price=prices, fee=fees)
    def trades(self, side: OrderSide, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        self._apply(side, quantity, price, fee)

    @rule(quantity=quantities, price=prices, kept_ppm=st.integers(min_value=0, max_value=999_999))
    def buys_and_the_venue_keeps_some(
        self, quantity: Decimal, price: Decimal, kept_ppm: int
    ) -> None:
        kept = quantity * kept_ppm / 1_000_000
        self._apply(OrderSide.BUY, quantity, price, kept * price, kept)

    @precondition(lambda self: self.quantity != 0)
    @rule(price=prices, fee=fees, share=st.integers(min_value=1, max_value=4))
    def reduces(self, price: Decimal, fee: Decimal, share: int) -> None:
        part = round_to(abs(self.position.signed_qty) * share / 4, CASH_INCREMENT)
        self._apply(self._closing, part, price, fee)

    @precondition(lambda self: self.quantity != 0)
    @rule(price=prices, fee=fees, beyond=quantities)
    def reverses(self, price: Decimal, fee: Decimal, beyond: Decimal) -> None:
        self._apply(self._closing, abs(self.position.signed_qty) + beyond, price, fee)

    @property
    def _closing(self) -> OrderSide:
        return OrderSide.SELL if self.quantity > 0 else OrderSide.BUY

    def _apply(
        self,
        side: OrderSide,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
        kept: Decimal = Decimal(0),
    ) -> None:
        self.now += timedelta(seconds=1)
        fill = a_fill(
            f"trade-{self.fills}",
            side=side,
            last_qty=quantity,
            last_px=price,
            commission=fee,
            base_withheld=kept,
        )
        self.position = apply_fill(self.position, fill, now=self.now)
        self.fills += 1
        self._count(fill)

    def _count(self, fill: Fill) -> None:
        price, sign = Fraction(fill.last_px), fill.side.sign
        traded = Fraction(fill.last_qty) - Fraction(fill.base_withheld)
        before, after = self.quantity, self.quantity + sign * traded
        self.cash -= sign * traded * price
        self.fees += Fraction(fill.commission)
        if before * sign < 0:
            closed = min(abs(before), traded)
            self.cost -= self.cost * closed / abs(before)
            self.cost += (traded - closed) * price
            self.reductions += 1
        else:
            self.cost += traded * price
        if before == 0 or before * after < 0:
            self.opened_at = self.now
        self.quantity = after
        if after == 0 or before * after < 0:
            self.before_trip = self._result

    @invariant()
    def quantity_and_fees_are_the_sums_of_the_fills(self) -> None:
        assert Fraction(self.position.signed_qty) == self.quantity
        assert Fraction(self.position.commissions) == self.fees
        assert self.position.fill_count == self.fills

    @invariant()
    def cash_is_conserved_to_the_last_digit(self) -> None:
        """I05: what was realised is the cash that moved and the cost of what is still open."""
        cost = Fraction(self.position.open_cost) * (1 if self.quantity > 0 else -1)
        assert Fraction(self.position.realized_pnl) == self.cash + cost

    @invariant()
    def the_average_price_is_the_weighted_one(self) -> None:
        off = abs(Fraction(self.position.open_cost) - self.cost)
        assert off <= self.reductions * Fraction(CASH_INCREMENT)
        assert self.position.open_cost >= 0

    @invariant()
    def the_side_is_the_sign_of_the_quantity(self) -> None:
        expected = PositionSide.FLAT
        if self.quantity:
            expected = PositionSide.LONG if self.quantity > 0 else PositionSide.SHORT
        assert self.position.side is expected

    @invariant()
    def flat_has_no_cost_no_trip_and_nothing_unrealised(self) -> None:
        if self.quantity == 0:
            assert (self.position.open_cost, self.position.trip_pnl) == (Decimal(0), Decimal(0))
            assert self.position.unrealized_pnl(Decimal(7)) == 0

    @invariant()
    def a_trip_is_what_came_of_it_since_flat(self) -> None:
        assert Fraction(self.position.trip_pnl) == self._result - self.before_trip

    @property
    def _result(self) -> Fraction:
        """Realised less fees, from cash and cost: `cash_is_conserved` holds them together."""
        cost = Fraction(self.position.open_cost) * (1 if self.quantity > 0 else -1)
        return self.cash + cost - self.fees

    @invariant()
    def it_was_opened_when_it_last_left_flat_or_crossed_it(self) -> None:
        if self.fills:
            assert self.position.opened_at == self.opened_at
            assert self.position.updated_at == self.now

    @invariant()
    def it_survives_being_stored(self) -> None:
        assert from_document(type(self.position), to_document(self.position)) == self.position


PositionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPositionMachine = PositionMachine.TestCase
