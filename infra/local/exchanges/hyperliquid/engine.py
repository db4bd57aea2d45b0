"""Places, matches, triggers and cancels orders. Pure state: every call is given its moment."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from infra.local.exchanges.hyperliquid.accounts import Account, Fill, Margin
from infra.local.exchanges.hyperliquid.admission import Refusal, refusal
from infra.local.exchanges.hyperliquid.assets import Asset, Listing
from infra.local.exchanges.hyperliquid.book import Book, House
from infra.local.exchanges.hyperliquid.orders import Order, OrderRequest
from infra.local.exchanges.hyperliquid.positions import ZERO
from infra.local.exchanges.hyperliquid.settlement import Fees, Settlement

FIRST_OID = 77_738_308
ONE = Decimal(1)

NO_MATCH = Refusal(
    "Order could not immediately match against any resting orders.", "iocCancelRejected"
)

CloidScope = Literal["EVER", "OPEN"]


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that was taken, with what filled at once; or a refusal."""

    order: Order | None = None
    fills: tuple[Fill, ...] = ()
    refusal: Refusal | None = None


@dataclass(slots=True, eq=False)
class Engine:
    """`cloids` says when a cloid counts as used again: Hyperliquid does not document it, so tests
    can have the strict reading (ever) and the lax one (only among open orders).
    """

    listing: Listing
    house: House = field(default_factory=House)
    fees: Fees = field(default_factory=Fees)
    cloids: CloidScope = "EVER"
    accounts: dict[str, Account] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    _settlement: Settlement = field(init=False)
    _next_oid: int = FIRST_OID

    def __post_init__(self) -> None:
        self._settlement = Settlement(self.fees)
        self.books = {asset.coin: Book(asset, self.house) for asset in self.listing.by_id.values()}

    # ------------------------------------------------------------------------------- the market
    def set_mark(self, coin: str, mark: Decimal, now_ms: int) -> None:
        """Move the mark and the house with it; resting orders it crosses fill, triggers fire."""
        book = self.books[coin]
        book.set_mark(mark)
        for order in book.house_crossing():
            self._fill(order, order.price, order.left, self._settlement.next_trade(), now_ms)
        for account in list(self.accounts.values()):
            for order in account.live_orders:
                if self._may_fire(order, book):
                    self._fire(account, order, book, now_ms)

    def margin(self, account: Account) -> Margin:
        assets = {asset.coin: asset for asset in self.listing.perps}
        return Margin.of(account, assets, lambda asset: self.books[asset.coin].mark)

    # --------------------------------------------------------------------------------- an order
    def place(
        self,
        account: Account,
        request: OrderRequest,
        now_ms: int,
        *,
        share: Decimal = ONE,
        parent: Order | None = None,
        is_position_tpsl: bool = False,
        replaces: Order | None = None,
    ) -> Placed:
        """At most `share` of the size meets a counterparty now; `parent` arms this tp or sl."""
        asset = self.listing.by_id.get(request.asset_id)
        if asset is None:
            return Placed(refusal=Refusal("Order has invalid asset."))
        if self._is_used(account, request.cloid, replaces):
            return Placed(refusal=Refusal("Order has a duplicate cloid."))
        book = self.books[asset.coin]
        if self.house.replenish:
            book.replenish()
        wrong = refusal(request, account, book, self.margin(account))
        if wrong is not None and wrong.status is None:
            return Placed(refusal=wrong)
        order = self._new_order(account, request, asset, now_ms)
        order.is_position_tpsl = is_position_tpsl
        if wrong is not None and wrong.status is not None:
            order.end(wrong.status, now_ms)
            return Placed(order, refusal=wrong)
        if order.trigger is not None:
            order.parent = None if parent is None else parent.oid
            order.is_armed = parent is None or parent.status == "filled"
            return Placed(order)
        fills = self._match(account, order, book, now_ms, share)
        if not fills and order.status == "iocCancelRejected":
            return Placed(order, refusal=NO_MATCH)
        return Placed(order, tuple(fills))

    def find(self, account: Account, oid_or_cloid: int | str) -> Order | None:
        """The newest order of the account with that oid or cloid (in lower case)."""
        by_cloid = isinstance(oid_or_cloid, str)
        for order in reversed(account.orders):
            if oid_or_cloid == (order.cloid if by_cloid else order.oid):
                return order
        return None

    def cancel(self, order: Order, now_ms: int, status: str = "canceled") -> None:
        """The children of an order that never filled go with it."""
        self.books[order.asset.coin].remove(order)
        order.end(status, now_ms)
        for child in self.accounts[order.account].live_orders:
            if child.parent == order.oid and not child.is_armed:
                child.end(status, now_ms)

    def modify(
        self, account: Account, order: Order, request: OrderRequest, now_ms: int, share: Decimal
    ) -> Placed:
        """Cancel and place anew; a refused change leaves the order as it was."""
        book = self.books[order.asset.coin]
        book.remove(order)
        before = order.status, order.status_ms
        order.end("canceled", now_ms)
        placed = self.place(account, request, now_ms, share=share, replaces=order)
        if placed.refusal is not None:
            order.status, order.status_ms = before
            if placed.order is not None:
                account.orders.remove(placed.order)
            if order.trigger is None:
                book.rest(order)
        return placed

    # ---------------------------------------------------------------------------------- matching
    def _match(
        self, account: Account, order: Order, book: Book, now_ms: int, share: Decimal = ONE
    ) -> list[Fill]:
        fills: list[Fill] = []
        wanted = book.asset.lots(order.left * share)
        for maker in list(book.against(is_buy=order.is_buy, limit=order.price)):
            if isinstance(maker, Order) and maker.account == order.account:
                self.cancel(maker, now_ms, "selfTradeCanceled")
                continue
            room = min(wanted, maker.left, self._may_reduce(account, order))
            if room <= 0:
                break
            trade = self._settlement.next_trade()
            if isinstance(maker, Order):
                room = self._fill(maker, maker.price, room, trade, now_ms)
            else:
                maker.left -= room
            if room:
                wanted -= room
                fills.append(
                    self._settlement.settle(
                        account,
                        order,
                        price=maker.price,
                        qty=room,
                        crossed=True,
                        trade=trade,
                        now_ms=now_ms,
                    )
                )
        self._finish(account, order, book, bool(fills), now_ms)
        return fills

    def _finish(
        self, account: Account, order: Order, book: Book, has_filled: bool, now_ms: int
    ) -> None:
        """What is left rests or is canceled; a filled parent arms its children."""
        if not order.left:
            self._arm_children(account, order)
        elif self._may_reduce(account, order) <= 0:
            order.end("reduceOnlyCanceled", now_ms)
        elif order.tif == "Ioc":
            order.end("canceled" if has_filled else "iocCancelRejected", now_ms)
        else:
            book.rest(order)

    def _fill(self, maker: Order, price: Decimal, qty: Decimal, trade: int, now_ms: int) -> Decimal:
        """Fill a resting order; returns how much, less than `qty` when it may only reduce."""
        account = self.accounts[maker.account]
        qty = min(qty, self._may_reduce(account, maker))
        book = self.books[maker.asset.coin]
        if qty <= 0:
            self.cancel(maker, now_ms, "reduceOnlyCanceled")
            return ZERO
        self._settlement.settle(
            account, maker, price=price, qty=qty, crossed=False, trade=trade, now_ms=now_ms
        )
        if not maker.left:
            book.remove(maker)
            self._arm_children(account, maker)
        elif self._may_reduce(account, maker) <= 0:
            self.cancel(maker, now_ms, "reduceOnlyCanceled")
        return qty

    @staticmethod
    def _may_reduce(account: Account, order: Order) -> Decimal:
        """How much the order may still trade: all of it, or what it reduces."""
        if not order.reduce_only or order.asset.is_spot:
            return order.left
        held = account.position(order.asset.coin).size
        return min(order.left, max(ZERO, -held if order.is_buy else held))

    # ---------------------------------------------------------------------------------- triggers
    @staticmethod
    def _may_fire(order: Order, book: Book) -> bool:
        trigger, mark = order.trigger, book.mark
        if trigger is None or mark is None or not order.waits or not order.is_armed:
            return False
        return order.asset.coin == book.asset.coin and trigger.fires(is_buy=order.is_buy, mark=mark)

    def _fire(self, account: Account, order: Order, book: Book, now_ms: int) -> None:
        assert order.trigger is not None  # noqa: S101 - _may_fire saw it
        order.status = "triggered"
        order.status_ms = now_ms
        order.tif = "Ioc" if order.trigger.is_market else "Gtc"
        if order.is_position_tpsl:
            order.size = order.left = abs(account.position(order.asset.coin).size)
        for sibling in account.live_orders:
            if order.parent is not None and sibling.parent == order.parent and sibling is not order:
                sibling.end("siblingFilledCanceled", now_ms)
        self._match(account, order, book, now_ms)

    @staticmethod
    def _arm_children(account: Account, parent: Order) -> None:
        for child in account.live_orders:
            if child.parent == parent.oid:
                child.is_armed = True

    # ------------------------------------------------------------------------------------ records
    def _new_order(
        self, account: Account, request: OrderRequest, asset: Asset, now_ms: int
    ) -> Order:
        order = Order(
            oid=self._next_oid,
            account=account.address,
            asset=asset,
            is_buy=request.is_buy,
            price=request.price,
            size=request.size,
            left=request.size,
            tif=request.tif,
            reduce_only=request.reduce_only,
            cloid=request.cloid,
            trigger=request.trigger,
            placed_ms=now_ms,
            status_ms=now_ms,
        )
        self._next_oid += 1
        account.orders.append(order)
        return order

    def _is_used(self, account: Account, cloid: str | None, replaces: Order | None) -> bool:
        if cloid is None or (replaces is not None and replaces.cloid == cloid):
            return False
        known = account.orders if self.cloids == "EVER" else account.live_orders
        return any(order.cloid == cloid for order in known)
