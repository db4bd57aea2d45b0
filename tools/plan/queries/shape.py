"""What a query asks for, as far as an index cares."""

from dataclasses import dataclass

from common.indexes import Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    collection: str
    equal: frozenset[str] = frozenset()  # paths of == and in
    spans: frozenset[str] = frozenset()  # paths of < <= > >=
    order_by: str | None = None
    descending: bool = False

    @property
    def needs_index(self) -> bool:
        """Firestore merges its own single indexes for equalities, and orders by one of them."""
        return bool(self.equal) and self.order_by is not None

    @property
    def refused(self) -> str | None:
        """Why no index helps: Firestore and SQLite both refuse it (common/ports.py)."""
        if self.spans - {self.order_by}:
            return f"a range on {', '.join(sorted(self.spans))} that it does not order by"
        if self.order_by in self.equal:
            return f"orders by {self.order_by}, which is always the same"
        if self.descending and self.order_by is None:
            return "descends without an order"
        return None

    def served_by(self, index: Index) -> bool:
        asked = (self.collection, self.equal, self.order_by, self.descending)
        return asked == (
            index.collection,
            frozenset(index.equal),
            index.order_by,
            index.descending,
        )

    def __str__(self) -> str:
        filters = ", ".join(sorted(self.equal)) or "no filter"
        order = f" by {self.order_by}{' descending' * self.descending}" if self.order_by else ""
        return f"{self.collection}: {filters}{order}"
