"""`sapphire seal` from outside: piped in, typed at a terminal, and refused."""

import json
import os
import pty
import subprocess
import termios
import time
from pathlib import Path

import pytest

from common.domain.instrument import Venue
from infra.keys.address import CURVE_ORDER, address_of
from infra.keys.envelope import Envelope, KeyUse, open_envelope
from infra.keys.private_key import PrivateKey
from infra.keys.sealed_keys import read_kek
from infra.local.secrets import FileSecretStore
from tests.integration.command import COMMAND, PATIENCE_S, environment

KEY = PrivateKey(bytes.fromhex("c0ffee" * 10 + "abcd"))
HEX = KEY.reveal().hex()
WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # of EIP-55
USE = KeyUse(agent_id="agt_1", wallet=WALLET.lower(), venue=Venue.HYPERLIQUID, key_version=1)


def seal(
    tmp_path: Path, typed: bytes, *changes: str, wallet: str = WALLET
) -> "subprocess.CompletedProcess[bytes]":
    arguments = ["seal", "--agent", "agt_1", "--wallet", wallet, "--venue", "hyperliquid", *changes]
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=tmp_path,
        env=environment(),
        input=typed,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )


async def opened(data_dir: Path, fields: dict[str, str], use: KeyUse = USE) -> PrivateKey:
    kek = await read_kek(FileSecretStore(data_dir / "secrets"), "1")
    return open_envelope(Envelope.from_fields(fields), under=kek, use=use)


@pytest.mark.parametrize(
    "typed", [HEX, f"0x{HEX}", f"  0X{HEX.upper()}\r\n"], ids=["plain", "0x", "upper case"]
)
async def test_seal_when_a_key_is_piped_in_then_the_fields_of_deploy(
    tmp_path: Path, typed: str
) -> None:
    done = seal(tmp_path, typed.encode())
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert set(printed) == {
        "hyperliquid_agent_address",
        "hyperliquid_agent_key_encrypted",
        "hyperliquid_agent_key_iv",
        "hyperliquid_agent_key_tag",
    }
    assert printed["hyperliquid_agent_address"] == address_of(KEY)
    fields = {name.removeprefix("hyperliquid_"): text for name, text in printed.items()}
    assert await opened(tmp_path / ".sapphire", fields) == KEY
    assert HEX[:8] not in (done.stdout + done.stderr).decode().lower()


async def test_seal_when_run_twice_then_another_iv_under_the_same_sealing_key(
    tmp_path: Path,
) -> None:
    first, second = (json.loads(seal(tmp_path, HEX.encode()).stdout) for _ in range(2))
    assert first["hyperliquid_agent_key_iv"] != second["hyperliquid_agent_key_iv"]
    for printed in (first, second):
        fields = {name.removeprefix("hyperliquid_"): text for name, text in printed.items()}
        assert await opened(tmp_path / ".sapphire", fields) == KEY


async def test_seal_when_for_a_rotation_then_the_fields_of_rotate(tmp_path: Path) -> None:
    done = seal(tmp_path, HEX.encode(), "--key-version", "2", "--data-dir", "elsewhere")
    fields = json.loads(done.stdout)
    assert set(fields) == {
        "agent_address",
        "agent_key_encrypted",
        "agent_key_iv",
        "agent_key_tag",
    }
    use = KeyUse(agent_id="agt_1", wallet=WALLET.lower(), venue=Venue.HYPERLIQUID, key_version=2)
    assert await opened(tmp_path / "elsewhere", fields, use) == KEY
    assert not (tmp_path / ".sapphire").exists()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (b"", "64 hexadecimal digits"),
        (HEX[:-1].encode(), "64 hexadecimal digits"),
        (HEX.encode() + b"0", "64 hexadecimal digits"),
        (b"\xff\xfe" + HEX.encode(), "64 hexadecimal digits"),
        (b"x" * 100_000, "64 hexadecimal digits"),
        (b"0" * 64, "no private key"),
        (f"{CURVE_ORDER:064x}".encode(), "no private key"),
    ],
)
def test_seal_when_the_key_is_bad_then_exit_2_and_it_is_not_told(
    tmp_path: Path, typed: bytes, says: str
) -> None:
    done = seal(tmp_path, typed)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr.decode()
    assert HEX[:8] not in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (("--venue", "drift"), "invalid choice"),
        (("--key-version", "0"), "above 0"),
        (("--agent", "../x"), "--agent: not an id"),
        (("--wallet", WALLET[:-1] + "D"), "EIP-55"),
        (("--wallet", "0x12"), "40 hexadecimal digits"),
    ],
)
def test_seal_when_an_argument_is_bad_then_exit_2_before_the_key_is_read(
    tmp_path: Path, changes: tuple[str, ...], says: str
) -> None:
    done = seal(tmp_path, HEX.encode(), *changes)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr.decode()
    assert not (tmp_path / ".sapphire").exists()


def test_seal_when_the_cloud_has_no_credentials_then_exit_2(tmp_path: Path) -> None:
    arguments = ["seal", "--agent", "agt_1", "--wallet", WALLET, "--venue", "gmx"]
    cloud = environment(
        SAPPHIRE_STORE="firestore", GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "nowhere.json")
    )
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=tmp_path,
        env=cloud,
        input=HEX.encode(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"credentials" in done.stderr
    assert HEX[:8].encode() not in done.stderr


class Terminal:
    """A person at a terminal: what it shows, and whether it echoes."""

    def __init__(self, tmp_path: Path) -> None:
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, "seal", "--agent", "agt_1", "--wallet", WALLET, "--venue", "hyperliquid"],
            cwd=tmp_path,
            env=environment(),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = b""

    def read_until(self, text: bytes) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while text not in self.shown and time.monotonic() < give_up:
            self.shown += os.read(self.ours, 1024)

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.ours)[3] & termios.ECHO)

    def finish(self) -> bytes:
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        while True:
            try:
                more = os.read(self.ours, 1024)
            except OSError:  # the other side is closed
                break
            if not more:
                break
            self.shown += more
        os.close(self.ours)
        return out


@pytest.mark.parametrize(("typed", "code"), [(HEX, 0), (HEX + "00", 2)])
def test_seal_when_typed_at_a_terminal_then_it_is_not_shown(
    tmp_path: Path, typed: str, code: int
) -> None:
    terminal = Terminal(tmp_path)
    terminal.read_until(b"Private key (not shown): ")
    assert not terminal.echoes()
    os.write(terminal.ours, typed.encode() + b"\n")
    out = terminal.finish()
    assert terminal.process.returncode == code, terminal.shown
    assert HEX[:8].encode() not in terminal.shown + out
    assert bool(out) is (code == 0)
