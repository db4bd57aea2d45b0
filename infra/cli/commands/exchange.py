"""`sapphire exchange`: stand-ins of a venue and of Telegram, to trade against without money."""

import argparse

from infra.cli.options import add_data_dir, port


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="hyperliquid, aster, gmx, ostium, uniswap or symphony"
    )
    parser.add_argument("--port", type=port, help="HTTP port (default: 8091 to 8096, one for each)")
    parser.add_argument(
        "--mark",
        action="append",
        default=[],
        metavar="SYMBOL=PRICE",
        help="a price, such as BTC=100000; may be given again",
    )
    parser.add_argument("--wallet", metavar="ADDRESS", help="the user's wallet: opens its account")
    parser.add_argument(
        "--agent",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="may trade for the wallet, as if it had approved it; may be given again",
    )
    parser.add_argument(
        "--deposit", default="10000", metavar="DOLLARS", help="what the account holds (10000)"
    )
    parser.add_argument(
        "--network",
        choices=("testnet", "mainnet"),
        help="whose signatures it takes (default: testnet; gmx and uniswap know mainnet alone)",
    )
    add_data_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.exchange_session import run_exchange

    return run_exchange(arguments)
