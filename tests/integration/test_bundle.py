"""The deployed zip, alone in an environment that holds requirements.txt and nothing else."""

import json
import os
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import main
from tests.integration.clean_environment import locked, make_clean_environment
from tests.shared_data import REPOSITORY
from tools.bundle import BYTES_MAX, Bundle, build, deployed_files

CHECKER = REPOSITORY / "tests" / "integration" / "import_everything.py"
CLOUD = {
    "GOOGLE_CLOUD_PROJECT": "sapphire-test",
    "SAPPHIRE_STORE": "firestore",
    "SAPPHIRE_BUS": "pubsub",
    "SAPPHIRE_PUSH_AUDIENCE": "https://function.invalid",
    "SAPPHIRE_PUSH_SERVICE_ACCOUNT": "push@sapphire-test.invalid",
    "SAPPHIRE_API_TOKEN": "a-token-of-this-test-alone",
}
PATIENCE_S = 120.0

pytestmark = pytest.mark.xdist_group("bundle")  # one worker makes the environment for all


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    bundle: Bundle
    python: Path
    folder: Path


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    bundle = build(tmp_path_factory.mktemp("build"))
    folder = tmp_path_factory.mktemp("function")
    with zipfile.ZipFile(bundle.path) as archive:
        archive.extractall(folder)
    python = make_clean_environment(
        tmp_path_factory.mktemp("clean") / "venv", folder / "requirements.txt"
    )
    return Unpacked(bundle=bundle, python=python, folder=folder)


def environment(**more: str) -> dict[str, str]:
    """As little as a container has: nothing that could lead an import back to this checkout."""
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **more}


def check(unpacked: Unpacked, folder: Path, *files: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [unpacked.python, "-I", CHECKER, *files],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_zip_when_built_then_it_is_small_and_named_by_its_hash(unpacked: Unpacked) -> None:
    assert unpacked.bundle.size <= BYTES_MAX
    assert unpacked.bundle.path.name == f"sapphire-{unpacked.bundle.sha256}.zip"
    assert unpacked.bundle.path.stat().st_size == unpacked.bundle.size
    assert (unpacked.bundle.path.parent / "sapphire.zip").read_bytes() == (
        unpacked.bundle.path.read_bytes()
    )


def test_zip_when_built_again_later_then_the_bytes_are_the_same(
    unpacked: Unpacked, tmp_path: Path
) -> None:
    checkout = tmp_path / "checkout"
    for name in unpacked_names(unpacked):
        target = checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((unpacked.folder / name).read_bytes())
        target.chmod(0o600)
    (checkout / ".gcloudignore").write_bytes((REPOSITORY / ".gcloudignore").read_bytes())
    subprocess.run(["git", "init", "-q", checkout], check=True)

    assert build(tmp_path / "build", checkout).sha256 == unpacked.bundle.sha256


def unpacked_names(unpacked: Unpacked) -> list[str]:
    with zipfile.ZipFile(unpacked.bundle.path) as archive:
        return archive.namelist()


def test_zip_when_listed_then_it_holds_the_code_and_neither_tests_nor_stand_ins() -> None:
    names = deployed_files()
    assert {Path(name).parts[0] for name in names} == {
        "main.py",
        "pipeline.yaml",
        "requirements.txt",
        "common",
        "functions",
        "infra",
    }
    assert names == sorted(names)
    assert not [n for n in names if n.startswith(("infra/cli/", "infra/local/exchanges/"))]
    assert not [name for name in names if name.endswith((".md", ".pyc", ".key", ".pem"))]


def test_zip_when_there_is_no_list_of_what_stays_out_then_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no \.gcloudignore"):
        deployed_files(tmp_path)


def test_zip_when_its_folder_is_no_checkout_then_refused(tmp_path: Path) -> None:
    (tmp_path / ".gcloudignore").write_text("docs/\n")
    with pytest.raises(SystemExit, match="git ls-files failed"):
        deployed_files(tmp_path)


def test_zip_when_main_is_left_out_then_refused(tmp_path: Path) -> None:
    (tmp_path / ".gcloudignore").write_text("main.py\n")
    for name in ("main.py", "requirements.txt"):
        (tmp_path / name).write_text("")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with pytest.raises(SystemExit, match="must be in the zip"):
        build(tmp_path / "build", tmp_path)


def test_clean_environment_when_asked_then_it_has_the_lock_and_no_more(unpacked: Unpacked) -> None:
    code = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    done = subprocess.run(
        [unpacked.python, "-I", "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name.lower().replace("_", "-").replace(".", "-") for name in done.stdout.split()}
    assert names == set(locked(REPOSITORY / "requirements.txt"))


def test_zip_when_alone_with_requirements_then_every_entry_point_and_module_imports(
    unpacked: Unpacked,
) -> None:
    done = check(unpacked, unpacked.folder)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["problems"] == []
    assert said["files"] > 200


SPOILED = "functions/decide/main.py"
NOT_DEPLOYED = {
    "import numpy": "numpy",  # of the development lock alone
    "from tests.builders import NOON": "tests.builders",  # of the checkout, not of the zip
    "from infra.cli.main import main": "infra.cli.main",
}


@pytest.mark.parametrize("line", NOT_DEPLOYED)
def test_zip_when_an_entry_point_imports_what_is_not_deployed_then_it_is_caught(
    unpacked: Unpacked, tmp_path: Path, line: str
) -> None:
    done = check(unpacked, spoiled(unpacked, tmp_path, line), SPOILED)
    assert done.returncode != 0
    assert f"No module named '{NOT_DEPLOYED[line].split('.')[0]}" in done.stderr


def test_zip_when_such_an_import_stands_inside_a_function_then_each_is_caught(
    unpacked: Unpacked, tmp_path: Path
) -> None:
    lazily = "".join(f"    {line}\n" for line in NOT_DEPLOYED)
    done = check(
        unpacked, spoiled(unpacked, tmp_path, f"\ndef lazily() -> None:\n{lazily}"), SPOILED
    )
    problems = json.loads(done.stdout)["problems"]
    assert [problem.split()[2].rstrip(",") for problem in problems] == list(NOT_DEPLOYED.values())
    assert all(problem.startswith(f"{SPOILED}:") for problem in problems)


def spoiled(unpacked: Unpacked, folder: Path, lines: str) -> Path:
    """The zip unpacked into `folder`, with `lines` more in one entry point."""
    with zipfile.ZipFile(unpacked.bundle.path) as archive:
        archive.extractall(folder)
    entry_point = folder / SPOILED
    entry_point.write_text(f"{entry_point.read_text()}\n{lines}\n")
    return folder


def test_zip_when_each_entry_point_is_served_as_the_buildpack_does_then_it_answers(
    unpacked: Unpacked, unused_tcp_port_factory: Callable[[], int]
) -> None:
    ports = {name: unused_tcp_port_factory() for name in main.ENTRY_POINTS}
    with ThreadPoolExecutor(2) as pool:
        answers = dict(pool.map(lambda name: (name, ask(unpacked, name, ports[name])), ports))
    assert answers == dict.fromkeys(main.ENTRY_POINTS, 200)


def ask(unpacked: Unpacked, name: str, port: int) -> int:
    """The status of a GET to `name`, served by the command that the buildpack writes down."""
    url = f"http://127.0.0.1:{port}{'/openapi.json' if name == 'api' else '/'}"
    caller = {"Authorization": f"Bearer {CLOUD['SAPPHIRE_API_TOKEN']}"}
    deadline = time.monotonic() + PATIENCE_S
    with (
        serving(unpacked, name, port) as process,
        httpx.Client(headers=caller, timeout=PATIENCE_S) as http,
    ):
        while time.monotonic() < deadline:
            try:  # it says nowhere that it listens
                return http.get(url).status_code
            except httpx.TransportError:
                with suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"{name} ended with {process.wait(0.1)} before it listened")
        pytest.fail(f"{name} never listened")


@contextmanager
def serving(unpacked: Unpacked, name: str, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    settings = {"FUNCTION_TARGET": name, "FUNCTION_SIGNATURE_TYPE": "http", "PORT": str(port)}
    process = subprocess.Popen(
        [unpacked.python, "-s", "-m", "functions_framework"],
        cwd=unpacked.folder,
        env=environment(**settings, **CLOUD),
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
