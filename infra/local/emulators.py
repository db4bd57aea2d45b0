"""Google's own Firestore and Pub/Sub emulators, started with Java straight from the gcloud SDK.

The gcloud wrapper takes twice as long to start and leaves Java running when it is stopped.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from common.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    import httpx

HOST = "127.0.0.1"
_READY_TIMEOUT_S = 60.0  # 2 to 5 s on a quiet machine
_STOP_TIMEOUT_S = 5.0  # SIGTERM takes about 0.4 s
_PORT_ATTEMPTS = 3  # another process may take the free port before Java does
_PROBE_INTERVAL_S = 0.05

# Java must not outlive us, however we die: the kernel closes our end of the pipe, and the guard,
# which waits for just that, ends Java. Shell builtins only. The trap keeps the guard alive until
# Java has ended, so that whoever waits for the guard has waited for Java.
_GUARD = """
trap : TERM
exec 3<&0
"$@" </dev/null 3<&- &
java=$!
{ read -r _ <&3; kill "$java"; } 2>/dev/null &
wait "$java"; code=$?
while kill -0 "$java" 2>/dev/null; do wait "$java"; code=$?; done
exit "$code"
"""


@dataclass(frozen=True, slots=True)
class _Component:
    """One emulator of the gcloud SDK: how it is called, found and started."""

    title: str
    gcloud_id: str
    debian_package: str
    jars: str  # glob below <sdk>/platform
    arguments: Callable[[Path], list[str]]  # Java's, before the address


_FIRESTORE = _Component(
    title="Firestore emulator",
    gcloud_id="cloud-firestore-emulator",
    debian_package="google-cloud-cli-firestore-emulator",
    jars="cloud-firestore-emulator/cloud-firestore-emulator.jar",
    arguments=lambda jar: [
        "-Duser.language=en",
        "-cp",
        str(jar),
        "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
        "start",
    ],
)
_PUBSUB = _Component(
    title="Pub/Sub emulator",
    gcloud_id="pubsub-emulator",
    debian_package="google-cloud-cli-pubsub-emulator",
    jars="pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
    arguments=lambda jar: ["-jar", str(jar)],
)


class Emulators:
    """Both emulators on free loopback ports, for as long as the context is open.

    `start` raises ConfigurationError with one sentence that names what to install when gcloud, Java
    or an emulator is missing.
    """

    def __init__(
        self,
        *,
        project: str = "sapphire-local",
        environ: Mapping[str, str] | None = None,
        ready_timeout_s: float = _READY_TIMEOUT_S,
    ) -> None:
        self.project = project
        self._environ = os.environ if environ is None else environ
        self._ready_timeout_s = ready_timeout_s
        self._running: dict[str, EmulatorProcess] = {}

    @property
    def firestore_host(self) -> str:
        """`127.0.0.1:PORT`, as FIRESTORE_EMULATOR_HOST wants it."""
        return self._address(_FIRESTORE)

    @property
    def pubsub_host(self) -> str:
        """`127.0.0.1:PORT`, as PUBSUB_EMULATOR_HOST wants it."""
        return self._address(_PUBSUB)

    @property
    def env(self) -> dict[str, str]:
        """What Google's clients read to find the emulators."""
        return {
            "FIRESTORE_EMULATOR_HOST": self.firestore_host,
            "PUBSUB_EMULATOR_HOST": self.pubsub_host,
            "GOOGLE_CLOUD_PROJECT": self.project,
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return once both answer. What was started is stopped again when one of them fails."""
        commands = await asyncio.to_thread(emulator_commands, self._environ)
        try:
            async with asyncio.TaskGroup() as group:
                for component, command in commands.items():
                    group.create_task(self._start(component, command))
        except BaseExceptionGroup as failures:
            await self.stop()
            raise failures.exceptions[0] from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL to the process groups. Nothing happens when nothing runs."""
        running = list(self._running.values())
        self._running.clear()
        await asyncio.gather(*(asyncio.to_thread(process.stop) for process in running))

    async def reset(self, project: str | None = None) -> None:
        """Empty `project` (default: our own): its documents, subscriptions and topics."""
        name = project or self.project
        async with _http() as client:
            await _delete(
                client,
                f"http://{self.firestore_host}/emulator/v1/projects/{name}"
                "/databases/(default)/documents",
            )
            for kind in ("subscriptions", "topics"):
                await self._delete_all(client, name, kind)

    async def _delete_all(self, client: "httpx.AsyncClient", project: str, kind: str) -> None:
        base = f"http://{self.pubsub_host}/v1/"
        while True:
            answer = await client.get(f"{base}projects/{project}/{kind}")
            found = answer.raise_for_status().json().get(kind, [])
            if not found:
                return
            for each in found:
                await _delete(client, base + each["name"])

    def _address(self, component: _Component) -> str:
        process = self._running.get(component.gcloud_id)
        if process is None:
            raise ConfigurationError(f"the {component.title} is not running: start it first")
        return process.address

    async def _start(self, component: _Component, command: Sequence[str]) -> None:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            process = EmulatorProcess.spawn(component.title, command, environ=self._environ)
            self._running[component.gcloud_id] = process  # whatever happens now, `stop` ends it
            try:
                await process.wait_ready(self._ready_timeout_s)
            except _ExitedError as exited:
                if attempt == _PORT_ATTEMPTS:
                    raise ConfigurationError(str(exited)) from None
                await asyncio.to_thread(process.stop)
            else:
                return


class _ExitedError(Exception):
    """The emulator ended by itself before it answered."""


@dataclass(slots=True)
class EmulatorProcess:
    """One emulator in a process group of its own, so that nothing of it outlives `stop`."""

    title: str
    address: str
    _process: subprocess.Popen[bytes] = field(repr=False)
    _output: IO[bytes] = field(repr=False)

    @classmethod
    def spawn(cls, title: str, command: Sequence[str], *, environ: Mapping[str, str]) -> Self:
        port = free_port()
        output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process; stop closes it
        process = subprocess.Popen(  # noqa: S603 - java and jar found by emulator_commands
            ["/bin/sh", "-c", _GUARD, "guard", *command, f"--host={HOST}", f"--port={port}"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            start_new_session=True,
        )
        return cls(title, f"{HOST}:{port}", process, output)

    async def wait_ready(self, timeout_s: float) -> None:
        """Return once `GET /` is 200.

        Raises:
            TransientError: still silent after `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        async with _http() as client:
            while not await _answers(client, f"http://{self.address}/"):
                if self._process.poll() is not None:
                    raise _ExitedError(
                        f"the {self.title} ended with code {self._process.returncode} "
                        f"before it answered: {self._last_words()}"
                    )
                if time.monotonic() >= deadline:
                    raise TransientError(
                        f"the {self.title} did not answer within {timeout_s:g} s: "
                        f"{self._last_words()}"
                    )
                await asyncio.sleep(_PROBE_INTERVAL_S)

    def stop(self) -> None:
        """Blocks until the whole process group is gone."""
        try:
            self._signal(signal.SIGTERM)
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        finally:
            self._output.close()
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # gone already, which is what is wanted
            os.killpg(self._process.pid, number)

    def _last_words(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else "it printed nothing"


def emulator_commands(environ: Mapping[str, str]) -> dict[_Component, list[str]]:
    """The command line of each emulator, without its address. Blocks while gcloud is asked.

    Raises:
        ConfigurationError: gcloud, Java or an emulator is missing; says what to install.
    """
    platform = _sdk_root(environ) / "platform"
    java = _java(environ)
    return {
        component: [java, *component.arguments(_jar(platform, component))]
        for component in (_FIRESTORE, _PUBSUB)
    }


def free_port() -> int:
    """A loopback port that was free just now."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _sdk_root(environ: Mapping[str, str]) -> Path:
    gcloud = shutil.which("gcloud", path=environ.get("PATH", ""))
    if gcloud is None:
        raise ConfigurationError(
            "the Google Cloud CLI is missing: install gcloud (https://cloud.google.com/sdk) "
            "with the cloud-firestore-emulator and pubsub-emulator components"
        )
    root = Path(gcloud).resolve().parent.parent  # <sdk>/bin/gcloud, through any link
    return root if (root / "platform").is_dir() else _asked_sdk_root(gcloud, environ)


def _asked_sdk_root(gcloud: str, environ: Mapping[str, str]) -> Path:
    """For a gcloud on the PATH that is a wrapper, as in snaps."""
    try:
        answer = subprocess.run(  # noqa: S603 - the gcloud that the PATH names
            [gcloud, "info", "--format=value(installation.sdk_root)"],
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(
            f"{gcloud} does not work: install the Google Cloud CLI again ({type(error).__name__})"
        ) from None
    return Path(answer.stdout.strip())


def _java(environ: Mapping[str, str]) -> str:
    path = environ.get("PATH", "")
    if home := environ.get("JAVA_HOME"):
        path = os.pathsep.join((str(Path(home) / "bin"), path))
    java = shutil.which("java", path=path)
    if java is None:
        raise ConfigurationError(
            "Java is missing: install a Java runtime, version 17 or newer, "
            "such as Debian's default-jre-headless, which the emulators run on"
        )
    return java


def _jar(platform: Path, component: _Component) -> Path:
    jars = sorted(platform.glob(component.jars))
    if not jars:
        raise ConfigurationError(
            f"the {component.title} is missing: run `gcloud components install "
            f"{component.gcloud_id}`, or on Debian `apt install {component.debian_package}`"
        )
    return jars[-1]


def _http() -> "httpx.AsyncClient":
    import httpx

    return httpx.AsyncClient(timeout=10, trust_env=False)  # loopback: never through a proxy


async def _answers(client: "httpx.AsyncClient", url: str) -> bool:
    import httpx

    try:
        return (await client.get(url, timeout=2)).status_code == 200
    except httpx.TransportError:
        return False


async def _delete(client: "httpx.AsyncClient", url: str) -> None:
    answer = await client.delete(url)
    if answer.status_code != 404:  # gone meanwhile, which is what is wanted
        answer.raise_for_status()
