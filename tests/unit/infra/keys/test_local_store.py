"""The key-encryption key of this machine: made once, and never again once it was there."""

import asyncio
from pathlib import Path

import pytest

from common.errors import NotFoundError
from infra.keys.adder import AddOnly
from infra.keys.local_store import LocalSecretStore
from infra.keys.sealed_keys import KEK_SECRET, read_kek
from tests.fakes.secrets import MemorySecrets


async def test_access_when_there_is_none_yet_then_made_once(tmp_path: Path) -> None:
    store = LocalSecretStore(tmp_path / "secrets")
    first = await read_kek(store, "1")
    assert await read_kek(LocalSecretStore(tmp_path / "secrets"), "1") == first
    assert await read_kek(LocalSecretStore(tmp_path / "others"), "1") != first


async def test_access_when_many_ask_at_once_then_all_get_the_same(tmp_path: Path) -> None:
    stores = [LocalSecretStore(tmp_path / "secrets") for _ in range(8)]
    keys = await asyncio.gather(*(read_kek(store, "1") for store in stores))
    assert all(key == keys[0] for key in keys)


async def test_access_when_it_was_disabled_then_not_made_again(tmp_path: Path) -> None:
    store = LocalSecretStore(tmp_path / "secrets")
    await read_kek(store, "1")
    await store.disable(KEK_SECRET, "1")
    before = sorted(path.name for path in (tmp_path / "secrets").iterdir())
    with pytest.raises(NotFoundError):
        await store.access(KEK_SECRET, "1")
    assert sorted(path.name for path in (tmp_path / "secrets").iterdir()) == before


@pytest.mark.parametrize(("name", "version"), [(KEK_SECRET, "2"), ("another", "1")])
async def test_access_when_it_is_anything_else_then_not_found(
    tmp_path: Path, name: str, version: str
) -> None:
    with pytest.raises(NotFoundError):
        await LocalSecretStore(tmp_path / "secrets").access(name, version)
    assert not (tmp_path / "secrets").exists()


async def test_adder_when_the_api_holds_it_then_it_adds_and_disables_and_cannot_read() -> None:
    secrets = MemorySecrets()
    adder = AddOnly(secrets)
    assert await adder.add("a", b"1") == "1"
    await adder.disable("a", "1")
    assert secrets.values == {"a": [None]}
    assert not hasattr(adder, "access")
