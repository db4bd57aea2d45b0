"""The cost of a month on Google Cloud: counts x prices, as tables of docs/COST.md.

python -m tools.cost            prints the tables
python -m tools.cost --check    exits 1 when docs/COST.md has others
python -m tools.cost --write    puts them into docs/COST.md
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from tools.cost_usage import (
    ASSUMED,
    DEPLOYMENTS,
    Usage,
    accounts_a_tick,
    billed_seconds,
    load_counts,
    usages,
)
from tools.prices import CHECKED, PRICES, Price

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "COST.md"
_BLOCK = re.compile(r"(<!-- cost: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_CENT = Decimal("0.01")


def cost_of(what: str, quantity: Decimal) -> Decimal:
    """Of a month, in whole cents: what goes beyond the free part."""
    price = PRICES[what]
    billable = max(Decimal(0), quantity - price.free)
    return (billable / price.per * price.usd).quantize(_CENT, ROUND_HALF_UP)


def total_of(usage: Usage) -> Decimal:
    return sum((cost_of(what, number) for what, number in usage.quantities.items()), Decimal(0))


def blocks(counts: Mapping[str, Any]) -> dict[str, str]:
    """Every table of the document, by its name there."""
    idle, six, paper, live = usages(counts)
    return {
        "summary": _summary((idle, six, paper, live)),
        "prices": _prices(),
        "assumed": _assumed(),
        "counted": _counted(counts["six_symbols"]),
        "deployment": _per_deployment(counts),
        "idle": _bill(idle),
        "six": _bill(six),
        "seconds": _seconds(six),
        "paper": _bill(paper),
        "live": _bill(live),
        "bounds": _bounds(counts),
    }


def with_blocks(text: str, tables: Mapping[str, str]) -> str:
    """`text` with each block filled anew.

    Raises:
        ValueError: it lacks one of the tables, or has one that nobody makes.
    """
    found = [match[1] for match in _BLOCK.findall(text)]
    if sorted(found) != sorted(tables):
        raise ValueError(f"the tables are {sorted(tables)}, the document has {sorted(found)}")
    return _BLOCK.sub(lambda match: f"{match[1]}{tables[match[2]]}\n{match[3]}", text)


def _summary(each: tuple[Usage, ...]) -> str:
    rows = [[usage.title, f"**{_usd(total_of(usage))}**", _dearest(usage)] for usage in each]
    return _table(["", "USD a month", "most of it"], rows)


def _dearest(usage: Usage) -> str:
    costs = {what: cost_of(what, number) for what, number in usage.quantities.items()}
    first = sorted(costs, key=lambda what: -costs[what])[:3]
    return ", ".join(f"{PRICES[what].item} {_usd(costs[what])}" for what in first if costs[what])


def _prices() -> str:
    rows = [
        [
            f"`{name}`",
            price.item,
            f"{price.usd} {_per(price)}",
            _number(price.free) if price.free else "",
            f"[page]({price.page})",
            price.note,
        ]
        for name, price in PRICES.items()
    ]
    head = ["name", "what", "USD", "free a month", "source", "note"]
    return f"Looked up on {CHECKED}.\n\n{_table(head, rows)}"


def _assumed() -> str:
    rows = [
        [f"`{name}`", _number(Decimal(each.value)), each.unit, each.what]
        for name, each in ASSUMED.items()
    ]
    return _table(["name", "value", "unit", "of what"], rows)


_COLUMNS: tuple[tuple[str, Callable[[Mapping[str, int]], Decimal]], ...] = (
    ("calls of it", lambda of: Decimal(of.get("invocations", 0))),
    ("reads", lambda of: Decimal(of.get("reads", 0))),
    ("writes", lambda of: Decimal(of.get("writes", 0))),
    ("deletes", lambda of: Decimal(of.get("deletes", 0))),
    ("paper reads", lambda of: Decimal(of.get("paper_reads", 0))),
    ("paper writes", lambda of: Decimal(of.get("paper_writes", 0) + of.get("paper_deletes", 0))),
    ("published", lambda of: Decimal(of.get("published", 0))),
    ("round trips", lambda of: Decimal(of.get("calls", 0))),
    ("log bytes", lambda of: Decimal(of.get("log_bytes", 0))),
)


def _counted(six: Mapping[str, Any]) -> str:
    functions = six["functions"]
    rows = [
        [f"`{name}`", *(_number(column(of)) for _, column in _COLUMNS)]
        for name, of in functions.items()
    ]
    sums = [sum((column(of) for of in functions.values()), Decimal(0)) for _, column in _COLUMNS]
    rows.append(["**together**", *(f"**{_number(each)}**" for each in sums)])
    return _table(["function", *(head for head, _ in _COLUMNS)], rows)


def _per_deployment(counts: Mapping[str, Any]) -> str:
    slopes = counts["deployments"]
    number, minutes = slopes["deployments"], slopes["minutes"]
    wanted = ("invocations", "reads", "writes", "deletes", "paper_reads", "published", "calls")
    rows = []
    for name, of in slopes["with_signal"].items():
        quiet = slopes["quiet"].get(name, {})
        added = [max(0, of.get(what, 0) - quiet.get(what, 0)) for what in wanted]
        a_minute = [max(0, quiet.get(what, 0)) for what in ("reads", "writes", "calls")]
        if any(added) or any(a_minute):
            signal = [_fraction(Decimal(each) / number) for each in added]
            rows.append(
                [
                    f"`{name}`",
                    *signal,
                    *(_fraction(Decimal(each) / number / minutes) for each in a_minute),
                ]
            )
    head = ["function", "calls of it", "reads", "writes", "deletes", "paper reads", "published"]
    head += ["round trips", "reads a quiet minute", "writes", "round trips"]
    return _table(head, rows)


def _seconds(usage: Usage) -> str:
    rows = []
    for name, of in usage.month.items():
        seconds = billed_seconds(name, of)
        times = of["invocations"]
        each = (seconds / times * 1000).quantize(Decimal(1))
        rows.append([f"`{name}`", _number(times), f"{each:,}", _number(seconds)])
    return _table(["function", "calls a month", "ms each", "seconds a month"], rows)


def _bill(usage: Usage) -> str:
    rows = []
    for what, price in PRICES.items():
        if what not in usage.quantities:
            continue
        quantity = usage.quantities[what]
        billable = max(Decimal(0), quantity - price.free)
        rows.append(
            [
                price.item,
                usage.sums[what],
                f"{_number(quantity)} {price.unit}",
                _number(price.free) if price.free else "0",
                f"{_number(billable)} x {price.usd} {_per(price)}",
                _usd(cost_of(what, quantity)),
            ]
        )
    rows.append(["**together**", "", "", "", "", f"**{_usd(total_of(usage))}**"])
    head = ["what", "how it comes about", "a month", "free", "rest x price", "USD"]
    return _table(head, rows)


def _bounds(counts: Mapping[str, Any]) -> str:
    rows = []
    for name, accounts in accounts_a_tick(counts).items():
        if name == "fetch_market":
            continue
        minutes = -(-DEPLOYMENTS // accounts)
        rows.append([f"`{name}`", f"{accounts:,}", f"{minutes:,} min"])
    return _table(["function", "accounts a minute", "once round 10,000"], rows)


def _per(price: Price) -> str:
    return (
        f"a {price.unit.removesuffix('s')}" if price.per == 1 else f"per {price.per:,} {price.unit}"
    )


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _number(number: Decimal) -> str:
    return (
        f"{number:,.0f}"
        if number == number.to_integral_value() or number >= 100
        else f"{number:,.2f}"
    )


def _fraction(number: Decimal) -> str:
    return f"{number.quantize(_CENT).normalize():f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with docs/COST.md")
    parser.add_argument("--write", action="store_true", help="write into docs/COST.md")
    wanted = parser.parse_args()
    tables = blocks(load_counts())
    if not (wanted.check or wanted.write):
        print("\n\n".join(f"## {name}\n\n{table}" for name, table in tables.items()))
        return 0
    text = DOCUMENT.read_text()
    fresh = with_blocks(text, tables)
    if wanted.write:
        DOCUMENT.write_text(fresh)
    elif fresh != text:
        print("docs/COST.md is behind: python -m tools.cost --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
