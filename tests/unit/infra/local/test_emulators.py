"""Finding, starting and stopping the emulators, with stand-ins for gcloud and Java."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from common.errors import ConfigurationError, TransientError
from infra.local.emulators import Emulators
from tests.emulator.fixtures import started
from tests.shared_data import REPOSITORY

_SERVES = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status})
        self.end_headers()
    def log_message(self, *args):
        pass
port = int(next(a for a in sys.argv if a.startswith("--port=")).removeprefix("--port="))
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""


@dataclass(frozen=True)
class Machine:
    """A PATH and an SDK of our own, so that nothing of this machine is found by accident."""

    root: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": str(self.root / "bin")}

    def add_gcloud(self) -> None:
        self.add_program("sdk/bin/gcloud", "sys.exit(3)")
        (self.root / "sdk/platform").mkdir()
        (self.root / "bin").mkdir(exist_ok=True)
        (self.root / "bin/gcloud").symlink_to(self.root / "sdk/bin/gcloud")

    def add_java(self, body: str, *, at: str = "bin/java") -> None:
        self.add_program(at, body)

    def add_jars(self, *, firestore: bool = True, pubsub: bool = True) -> None:
        if firestore:
            self._add_jar("cloud-firestore-emulator/cloud-firestore-emulator.jar")
        if pubsub:
            self._add_jar("pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar")

    def add_program(self, name: str, body: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{sys.executable}\nimport os, signal, sys\n{body}\n")
        path.chmod(0o755)

    def _add_jar(self, name: str) -> None:
        path = self.root / "sdk/platform" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def _refusal(machine: Machine) -> str:
    with pytest.raises(ConfigurationError) as refused:
        await Emulators(environ=machine.environ).start()
    return str(refused.value)


async def test_emulators_when_gcloud_is_missing_then_one_sentence_names_it(
    machine: Machine,
) -> None:
    assert await _refusal(machine) == (
        "the Google Cloud CLI is missing: install gcloud (https://cloud.google.com/sdk) "
        "with the cloud-firestore-emulator and pubsub-emulator components"
    )


async def test_emulators_when_java_is_missing_then_one_sentence_names_it(machine: Machine) -> None:
    machine.add_gcloud()
    machine.add_jars()
    assert await _refusal(machine) == (
        "Java is missing: install a Java runtime, version 17 or newer, such as Debian's "
        "default-jre-headless, which the emulators run on"
    )


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        (
            {"firestore": False},
            "the Firestore emulator is missing: run `gcloud components install "
            "cloud-firestore-emulator`, or on Debian "
            "`apt install google-cloud-cli-firestore-emulator`",
        ),
        (
            {"pubsub": False},
            "the Pub/Sub emulator is missing: run `gcloud components install pubsub-emulator`, "
            "or on Debian `apt install google-cloud-cli-pubsub-emulator`",
        ),
    ],
)
async def test_emulators_when_a_component_is_missing_then_one_sentence_names_it(
    machine: Machine, present: dict[str, bool], sentence: str
) -> None:
    machine.add_gcloud()
    machine.add_java("")
    machine.add_jars(**present)
    assert await _refusal(machine) == sentence


async def test_emulators_when_gcloud_is_a_wrapper_then_it_is_asked_for_its_root(
    machine: Machine,
) -> None:
    machine.add_program(
        "bin/gcloud",
        "assert sys.argv[1:] == ['info', '--format=value(installation.sdk_root)']\n"
        f"print({str(machine.root / 'sdk')!r})",
    )
    machine.add_jars()
    machine.add_java(_SERVES.format(status=200))
    async with Emulators(environ=machine.environ) as running:
        assert running.firestore_host != running.pubsub_host


async def test_emulators_when_gcloud_is_broken_then_the_sentence_says_so(machine: Machine) -> None:
    machine.add_program("bin/gcloud", "sys.exit(1)")
    refusal = await _refusal(machine)
    assert refusal.endswith(
        "does not work: install the Google Cloud CLI again (CalledProcessError)"
    )


async def test_emulators_when_java_home_is_set_then_its_java_is_taken(machine: Machine) -> None:
    machine.add_gcloud()
    machine.add_jars()
    machine.add_java("sys.exit('the wrong java')")
    machine.add_java(_SERVES.format(status=200), at="jdk/bin/java")
    environ = machine.environ | {"JAVA_HOME": str(machine.root / "jdk")}
    async with Emulators(environ=environ) as running:
        assert running.env["FIRESTORE_EMULATOR_HOST"] == running.firestore_host


async def test_emulators_when_java_ends_early_then_its_last_words_are_told(
    machine: Machine,
) -> None:
    machine.add_gcloud()
    machine.add_jars()
    machine.add_java("print('Starting'); sys.exit('Unable to locate a Java Runtime.')")
    refusal = await _refusal(machine)
    assert refusal.endswith(
        "emulator ended with code 1 before it answered: Unable to locate a Java Runtime."
    )


async def test_emulators_when_one_stays_silent_then_all_are_stopped_in_bounded_time(
    machine: Machine,
) -> None:
    machine.add_gcloud()
    machine.add_jars()
    pids = machine.root / "pids"
    machine.add_java(
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')" + _SERVES.format(status=503)
    )
    running = Emulators(environ=machine.environ, ready_timeout_s=2)
    with pytest.raises(TransientError, match="emulator did not answer within 2 s"):
        await running.start()
    for pid in pids.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
    with pytest.raises(ConfigurationError, match="Firestore emulator is not running"):
        _ = running.firestore_host


@pytest.mark.slow
async def test_emulators_when_java_ignores_the_signal_then_its_group_is_killed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.emulators._STOP_TIMEOUT_S", 0.2)
    machine.add_gcloud()
    machine.add_jars()
    machine.add_java("signal.signal(signal.SIGTERM, signal.SIG_IGN)" + _SERVES.format(status=200))
    async with Emulators(environ=machine.environ) as running:
        address = running.pubsub_host
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{address}/")


_STARTS_AND_WAITS = """
import asyncio, json, sys
from infra.local.emulators import Emulators

async def main():
    async with Emulators(environ=json.loads(sys.argv[1])):
        print("started", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_emulators_when_their_starter_is_killed_then_they_end_too(machine: Machine) -> None:
    machine.add_gcloud()
    machine.add_jars()
    alive = machine.root / "alive"
    os.mkfifo(alive)
    machine.add_java(f"held = open({str(alive)!r}, 'w')" + _SERVES.format(status=200))
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _STARTS_AND_WAITS, json.dumps(machine.environ)),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    # Reading ends once every process that holds the other end is gone.
    all_gone = asyncio.create_task(asyncio.to_thread(alive.read_bytes))
    assert starter.stdout is not None
    assert await starter.stdout.readline() == b"started\n"
    assert not all_gone.done()
    starter.kill()
    await starter.wait()
    async with asyncio.timeout(20):
        assert await all_gone == b""


async def test_emulators_when_stopped_twice_then_nothing_happens(machine: Machine) -> None:
    running = Emulators(environ=machine.environ)
    await running.stop()
    await running.stop()


@pytest.mark.parametrize(
    ("ci", "outcome"),
    [("true", pytest.fail.Exception), ("", pytest.skip.Exception)],
)
def test_emulator_fixture_when_gcloud_is_missing_then_ci_fails_and_others_skip(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="Google Cloud CLI is missing"):
        started(Emulators(environ=machine.environ))
