"""What every SecretStore promises; then what each adapter promises beyond."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from common.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    SapphireError,
    TransientError,
)
from common.ports import SecretStore
from infra.gcp.secrets import SecretManagerStore
from infra.local.secrets import FileSecretStore
from tests.standins.secret_manager import SecretManager, secret_manager_client

VALUE = b"s3cret-\x00\xff value"


@pytest.fixture(params=["files", "secret manager"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SecretStore]:
    if request.param == "files":
        yield FileSecretStore(tmp_path / "secrets")
        return
    async with secret_manager_client(SecretManager()) as client:
        yield SecretManagerStore(project="test", client=client)


async def test_access_when_added_then_gives_the_value_of_that_version(store: SecretStore) -> None:
    assert await store.add("venue-key", VALUE) == "1"
    assert await store.add("venue-key", b"second") == "2"
    assert await store.add("other_KEY", b"third") == "1"

    assert await store.access("venue-key", "1") == VALUE
    assert await store.access("venue-key", "2") == b"second"
    assert await store.access("other_KEY", "1") == b"third"


async def test_access_when_value_is_the_largest_then_gives_it(store: SecretStore) -> None:
    assert await store.access("big", await store.add("big", b"x" * 65_536)) == b"x" * 65_536


@pytest.mark.parametrize(("name", "version"), [("absent", "1"), ("venue-key", "2")])
async def test_access_when_version_is_absent_then_not_found(
    store: SecretStore, name: str, version: str
) -> None:
    await store.add("venue-key", VALUE)

    with pytest.raises(NotFoundError):
        await store.access(name, version)
    with pytest.raises(NotFoundError):
        await store.disable(name, version)


async def test_disable_when_done_then_that_version_alone_is_gone(store: SecretStore) -> None:
    await store.add("venue-key", VALUE)
    await store.add("venue-key", b"second")

    await store.disable("venue-key", "2")
    await store.disable("venue-key", "2")

    with pytest.raises(NotFoundError):
        await store.access("venue-key", "2")
    assert await store.access("venue-key", "1") == VALUE
    assert await store.add("venue-key", b"third") == "3"


async def test_add_when_many_at_once_then_each_gets_its_own_number(store: SecretStore) -> None:
    await store.add("venue-key", b"0")
    values = [str(number).encode() for number in range(12)]

    numbers = await asyncio.gather(*(store.add("venue-key", value) for value in values))

    assert sorted(map(int, numbers)) == list(range(2, 14))
    for number, value in zip(numbers, values, strict=True):
        assert await store.access("venue-key", number) == value


@pytest.mark.parametrize("name", ["", "a/b", "../key", "a.b", "é", "x" * 201, "a b", "key\n"])
async def test_add_when_name_is_bad_then_invalid(store: SecretStore, name: str) -> None:
    with pytest.raises(InvalidInputError, match="secret name"):
        await store.add(name, VALUE)


@pytest.mark.parametrize("version", ["latest", "", "0", "-1", "1.0", "01", "1/../2", "²"])
async def test_access_when_version_is_no_number_then_invalid(
    store: SecretStore, version: str
) -> None:
    await store.add("venue-key", VALUE)

    with pytest.raises(InvalidInputError, match="number such as 1"):
        await store.access("venue-key", version)


@pytest.mark.parametrize("value", [b"", b"x" * 65_537])
async def test_add_when_value_is_empty_or_huge_then_invalid(
    store: SecretStore, value: bytes
) -> None:
    with pytest.raises(InvalidInputError, match="1 to 65536 bytes"):
        await store.add("venue-key", value)


async def test_store_when_printed_then_shows_no_value(store: SecretStore) -> None:
    await store.add("venue-key", VALUE)

    assert "s3cret" not in repr(store) + str(vars(store))


# ------------------------------------------------------------------------------------ files alone
@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "secrets"


@pytest.fixture
def files(folder: Path) -> FileSecretStore:
    return FileSecretStore(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_files_when_written_then_are_private_encrypted_and_without_drafts(
    files: FileSecretStore, folder: Path
) -> None:
    before = os.umask(0)
    try:
        await files.add("venue-key", VALUE)
        await files.disable("venue-key", "1")
    finally:
        os.umask(before)

    assert mode(folder) == 0o700
    names = {path.name: path for path in folder.iterdir()}
    assert set(names) == {"master.key", "venue-key.1", "venue-key.1.disabled"}
    assert {mode(path) for path in names.values()} == {0o600}
    assert b"s3cret" not in names["venue-key.1"].read_bytes()


async def test_files_when_opened_again_then_still_hold_the_secrets(
    files: FileSecretStore, folder: Path
) -> None:
    await files.add("venue-key", VALUE)

    assert await FileSecretStore(folder).access("venue-key", "1") == VALUE


@pytest.mark.parametrize("position", [0, 20, 35, -1])
async def test_files_when_a_byte_was_changed_then_refuses_without_content(
    files: FileSecretStore, folder: Path, position: int
) -> None:
    await files.add("venue-key", VALUE)
    path = folder / "venue-key.1"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="version 1 of secret venue-key does not verify"):
        await files.access("venue-key", "1")


@pytest.mark.parametrize("kept", [0, 5, 18, 30, 45])
async def test_files_when_cut_short_then_refuses(
    files: FileSecretStore, folder: Path, kept: int
) -> None:
    await files.add("venue-key", VALUE)
    path = folder / "venue-key.1"
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(ConfigurationError, match="does not verify"):
        await files.access("venue-key", "1")


async def test_files_when_one_stands_in_for_another_then_refuses(
    files: FileSecretStore, folder: Path
) -> None:
    await files.add("venue-key", VALUE)
    await files.add("venue-key", b"second")
    (folder / "venue-key.2").write_bytes((folder / "venue-key.1").read_bytes())

    with pytest.raises(ConfigurationError, match="does not verify"):
        await files.access("venue-key", "2")


@pytest.mark.parametrize("which", ["master.key", "venue-key.1", ""])
async def test_files_when_open_to_others_then_says_how_to_close_them(
    files: FileSecretStore, folder: Path, which: str
) -> None:
    await files.add("venue-key", VALUE)
    (folder / which).chmod(0o755 if not which else 0o640)

    with pytest.raises(ConfigurationError, match=r"open to other users .*run chmod [67]00 "):
        await files.access("venue-key", "1")


async def test_files_when_the_key_is_gone_or_cut_then_makes_no_new_one(
    files: FileSecretStore, folder: Path
) -> None:
    await files.add("venue-key", VALUE)
    (folder / "master.key").write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="is damaged"):
        await files.access("venue-key", "1")
    (folder / "master.key").unlink()

    with pytest.raises(ConfigurationError, match="is gone"):
        await files.access("venue-key", "1")
    with pytest.raises(ConfigurationError, match="is gone"):
        await files.add("venue-key", b"second")


async def test_files_when_a_version_is_a_link_then_refuses_to_follow(
    files: FileSecretStore, folder: Path, tmp_path: Path
) -> None:
    await files.add("venue-key", VALUE)
    (folder / "venue-key.1").rename(tmp_path / "elsewhere")
    (folder / "venue-key.1").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigurationError, match="cannot be used"):
        await files.access("venue-key", "1")


async def test_files_when_the_disk_fails_then_transient_and_nothing_is_left(
    files: FileSecretStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await files.add("venue-key", VALUE)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TransientError, match="No space left"):
        await files.add("venue-key", b"second")

    assert sorted(path.name for path in folder.iterdir()) == ["master.key", "venue-key.1"]


# --------------------------------------------------------------------------- Secret Manager alone
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.NOT_FOUND, NotFoundError),
        (grpc.StatusCode.FAILED_PRECONDITION, NotFoundError),
        (grpc.StatusCode.PERMISSION_DENIED, ConfigurationError),
        (grpc.StatusCode.UNAUTHENTICATED, ConfigurationError),
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidInputError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, RateLimitedError),
        (grpc.StatusCode.UNAVAILABLE, TransientError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, TransientError),
        (grpc.StatusCode.INTERNAL, TransientError),
    ],
)
async def test_secret_manager_when_it_refuses_then_error_says_who_acts_and_shows_nothing(
    code: grpc.StatusCode, error: type[SapphireError]
) -> None:
    server = SecretManager()
    async with secret_manager_client(server) as client:
        store = SecretManagerStore(project="test", client=client)
        await store.add("venue-key", VALUE)
        server.faults.append(code)
        server.calls.clear()

        with pytest.raises(error) as caught:
            await store.access("venue-key", "1")

    assert type(caught.value) is error
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert server.calls == ["AccessSecretVersion"]


async def test_secret_manager_when_another_call_makes_the_secret_then_adds_to_it() -> None:
    server = SecretManager()
    server.secrets["projects/test/secrets/venue-key"] = []
    server.faults.append(grpc.StatusCode.NOT_FOUND)
    async with secret_manager_client(server) as client:
        store = SecretManagerStore(project="test", client=client)

        assert await store.add("venue-key", VALUE) == "1"

    assert server.calls == ["AddSecretVersion", "CreateSecret", "AddSecretVersion"]


async def test_secret_manager_when_there_are_no_credentials_then_a_person_must_act(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))

    with pytest.raises(ConfigurationError, match="no usable Google credentials"):
        await SecretManagerStore(project="test").access("venue-key", "1")
