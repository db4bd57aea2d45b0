"""`sapphire limits show` and `set`: the hard limits of the platform, or of a part of it."""

import argparse

from infra.cli.scope_options import add_person, add_scope, add_server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    show = verbs.add_parser("show", help="the limits that stand", description=_SHOW)
    change = verbs.add_parser("set", help="set them, in your name", description=_SET)
    for each in (show, change):
        add_scope(each, by_symbol=False)  # of a symbol there is order.max_quantity.SYMBOL
        add_server(each)
    add_person(change, why="set by hand")
    change.add_argument(
        "fields",
        nargs="*",
        metavar="FIELD=VALUE",
        help="such as order.max_notional=5000; FIELD= takes a limit away",
    )


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.limits_session import run_limits

    return run_limits(arguments)


_SHOW = "The limits that stand, of the whole platform or of a part of it."
_SET = (
    "Sets limits in your name, by compare-and-set. What is not named stays as it is; without any"
    " FIELD=VALUE you take what stands (at first, the defaults) as your own."
)
