"""`sapphire`: parses the command line, then imports only the command that was asked for."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "run": "start everything on this machine, or replay recorded candles through it",
    "backtest": "replay recorded candles in memory, at full speed, and report the result",
    "status": "ask the running server how it is: health, breakers, positions, signals",
    "preflight": "check all that must hold before real money moves, and say what to do",
    "halt": "send no order at all, on the whole platform or a part of it",
    "reduce": "send only orders that make positions smaller",
    "resume": "trade again; refused while a person must look first",
    "flatten": "close every position, until the venues themselves say that all is flat",
    "limits": "show or set the hard limits of the platform, or of a part of it",
    "access": "say who may use the API, and as what: viewer, trader or admin",
    "replay": "make a stored decision again and say whether it is identical",
    "seal": "seal an agent's private key for a deployment: the fields that deploy and rotate take",
    "doctor": "tell what a Google Cloud project, or this machine, lacks for a deployment",
    "exchange": "serve a stand-in of a venue, and of Telegram, to trade live without money",
    "emulators": "start the official Firestore and Pub/Sub emulators until Ctrl-C",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 what was checked does not hold, 2 wrong input or environment."""
    arguments = _parser().parse_args(argv)
    from common.errors import SapphireError

    try:
        code = import_module(f"infra.cli.commands.{arguments.command}").run(arguments)
    except SapphireError as error:
        print(f"sapphire: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sapphire",
        description="Sapphire: a multi-venue, AI-agent trading system.",
        epilog="sapphire COMMAND --help explains a command.",
        formatter_class=_InColumns,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=_sentence(summary))
        import_module(f"infra.cli.commands.{name}").add_arguments(command)
    return parser


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


class _InColumns(argparse.HelpFormatter):
    """argparse forgets that commands are indented, and breaks the line behind the longest ones."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = max(map(len, COMMANDS)) + 2 * self._indent_increment


class _Version(argparse.Action):
    """Reads the version only when asked: the settings module costs more than all of --help."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from common.config import VERSION

        print(f"sapphire {VERSION}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
