"""`sapphire exchange` from outside: it serves, says how to reach it, stops, and refuses."""

import shlex
import signal
import socket
from pathlib import Path

import httpx
import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange

from common.config import TelegramSettings
from infra.keys.local_store import LocalSecretStore
from infra.local.clock import SystemClock
from infra.local.exchanges.telegram.exchange import CHAT_ID, TOKEN
from infra.telegram.messenger import make_messenger
from tests.builders import a_notification
from tests.integration.command import Running, environment, sapphire

WALLET = "0x" + "a1" * 20


def exported(command: Running) -> dict[str, str]:
    command.read_until("# Ctrl-C")
    lines = [shlex.split(line) for line in command.lines if line.startswith("export ")]
    return dict(words[1].split("=", 1) for words in lines)


def test_exchange_when_hyperliquid_then_the_official_client_trades_there(tmp_path: Path) -> None:
    agent = Account.create()
    command = Running(
        *("exchange", "hyperliquid", "--port", "0", "--mark", "BTC=90000"),
        *("--wallet", WALLET, "--agent", agent.address),
        cwd=tmp_path,
    )
    variables = exported(command)
    url = variables.pop("HYPERLIQUID_API_URL")
    client = Exchange(agent, url, account_address=WALLET, timeout=20)

    answer = client.market_open("BTC", True, 0.01)
    state = client.info.user_state(WALLET)
    client.session.close()
    client.info.session.close()
    code, seconds = command.stop(signal.SIGINT)

    assert variables == {
        "SAPPHIRE_MODE": "live",
        "SAPPHIRE_NETWORK": "testnet",
        "SAPPHIRE_FEED": "live",
        "TELEGRAM_API_URL": url,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": CHAT_ID,
    }
    assert answer["response"]["data"]["statuses"][0]["filled"]["totalSz"] == "0.01", answer
    assert state["assetPositions"][0]["position"]["szi"] == "0.01"
    assert float(state["assetPositions"][0]["position"]["entryPx"]) == pytest.approx(90_000, 0.001)
    assert (code, seconds < 5) == (0, True), command.lines
    assert command.lines[-1] == "stopped; what it held is gone with it"
    assert not (tmp_path / ".sapphire").exists()


async def test_exchange_when_it_wants_an_api_key_then_kept_and_named_once(tmp_path: Path) -> None:
    runs: list[tuple[dict[str, str], str]] = []
    for _ in range(2):
        command = Running("exchange", "uniswap", "--port", "0", "--data-dir", "state", cwd=tmp_path)
        variables = exported(command)
        code, _ = command.stop(signal.SIGTERM)
        assert code == 0, command.lines
        runs.append((variables, "\n".join(command.lines)))

    for variables, told in runs:
        assert variables["SPOT_API_KEY_SECRET"] == "uniswap-stand-in:1"
        assert variables["SPOT_API_URL"] == variables["ARBITRUM_RPC_URL"]
        assert "stand-in-key" not in told
    key = await LocalSecretStore(tmp_path / "state" / "secrets").access("uniswap-stand-in", "1")
    assert key == b"stand-in-key"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("binance",), "no stand-in 'binance'; there are hyperliquid, aster, gmx, ostium"),
        (("hyperliquid", "--mark", "BTC"), "--mark: 'BTC' is not SYMBOL=PRICE"),
        (("hyperliquid", "--mark", "BTC=x"), "--mark BTC: must be decimal text"),
        (("hyperliquid", "--mark", "BTC=0"), "--mark BTC: must be from 0.000000001"),
        (("hyperliquid", "--mark", "BTC=-1"), "--mark BTC: must be from 0.000000001"),
        (("hyperliquid", "--mark", "BTC=NaN"), "--mark BTC: must be decimal text"),
        (("hyperliquid", "--mark", "BTC=1", "--mark", "BTC=2"), "--mark: BTC is given twice"),
        (("hyperliquid", "--mark", "NOPE=1"), "--mark: NOPE is not listed"),
        (("hyperliquid", "--wallet", "0x12"), "--wallet: must be 0x and 40"),
        (("hyperliquid", "--wallet", WALLET, "--agent", "me"), "--agent: must be 0x and 40"),
        (("hyperliquid", "--deposit", "1e9"), "--deposit: must be decimal text"),
        (("hyperliquid", "--port", "99999"), "must be a port from 0 to 65535"),
    ],
)
def test_exchange_when_asked_wrongly_then_exit_2_and_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = sapphire("exchange", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_exchange_when_the_port_is_taken_then_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = sapphire("exchange", "aster", "--port", port, cwd=tmp_path, env=environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} is already in use" in done.stderr


async def test_exchange_when_the_bot_writes_then_its_messages_are_shown_there(
    tmp_path: Path,
) -> None:
    command = Running("exchange", "aster", "--port", "0", cwd=tmp_path)
    variables = exported(command)
    messenger = make_messenger(
        TelegramSettings(
            api_url=variables["TELEGRAM_API_URL"], chat_id=variables["TELEGRAM_CHAT_ID"]
        ),
        variables["TELEGRAM_BOT_TOKEN"],
        SystemClock(),
    )
    assert messenger is not None
    who = await messenger.check()
    await messenger.send([a_notification(text="Bought 1 ETH\nat 3,000\x1b[31m")])
    await messenger.aclose()
    command.stop(signal.SIGINT)

    assert who == "@sapphire_stand_in_bot writes to You"
    first = next(line for line in command.lines if "telegram  Bought 1 ETH" in line)
    second = command.lines[command.lines.index(first) + 1]
    assert second == f"{'':20}at 3,000[31m"


def test_exchange_when_it_runs_then_answers_as_the_venue_does(tmp_path: Path) -> None:
    command = Running("exchange", "aster", "--port", "0", cwd=tmp_path)
    url = exported(command)["ASTER_API_URL"]
    told = httpx.get(f"{url}/fapi/v3/exchangeInfo", trust_env=False).json()
    command.stop(signal.SIGINT)
    assert "BTCUSDT" in {row["symbol"] for row in told["symbols"]}
