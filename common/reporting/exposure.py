"""How much is at stake, and where."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from common.domain.money import ZERO
from common.domain.position import EXACT
from common.execution.accounts import signed_cost
from common.reporting.portfolio import Portfolio, ValuedPosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of one symbol, or at one venue; quote currency."""

    name: str
    gross: Decimal  # long and short together, >= 0
    net: Decimal  # long less short


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureFigures:
    gross: Decimal
    net: Decimal
    leverage: Decimal | None  # gross over equity; None where nothing is left
    by_symbol: tuple[Share, ...]  # the largest first
    by_venue: tuple[Share, ...]
    unmarked: tuple[str, ...]  # symbols without a mark: they count at cost


def exposure_figures(portfolio: Portfolio) -> ExposureFigures:
    held = portfolio.positions
    with localcontext(EXACT):
        gross = sum((abs(_worth(each)) for each in held), ZERO)
        net = sum((_worth(each) for each in held), ZERO)
    equity = portfolio.total_value
    return ExposureFigures(
        gross=gross,
        net=net,
        leverage=gross / equity if equity > 0 else None,
        by_symbol=_shares(held, lambda each: each.position.symbol),
        by_venue=_shares(held, lambda each: each.position.venue.value),
        unmarked=tuple(sorted({each.position.symbol for each in held if each.mark is None})),
    )


def _shares(
    held: Sequence[ValuedPosition], name_of: Callable[[ValuedPosition], str]
) -> tuple[Share, ...]:
    groups: dict[str, list[ValuedPosition]] = {}
    for each in held:
        groups.setdefault(name_of(each), []).append(each)
    shares = [_share(name, group) for name, group in groups.items()]
    return tuple(sorted(shares, key=lambda share: (-share.gross, share.name)))


def _share(name: str, group: Iterable[ValuedPosition]) -> Share:
    with localcontext(EXACT):
        worths = [_worth(each) for each in group]
        return Share(name=name, gross=sum(map(abs, worths), ZERO), net=sum(worths, ZERO))


def _worth(each: ValuedPosition) -> Decimal:
    if each.mark is None:
        return signed_cost(each.position)
    return EXACT.multiply(each.position.signed_qty, each.mark)
