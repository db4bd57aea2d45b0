"""Talking to the server: which one, and what a silence means."""

import argparse
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import TransientError
from infra.cli.running_server import Server, ServerClient, find_server, running_servers
from infra.local.stack.server_files import api_token, write_server_note


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections, and never answers."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            try:
                while True:
                    taken.append(listening.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=take)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for each in taken:
        each.close()


def named(url: str | None = None, data_dir: Path | None = None) -> argparse.Namespace:
    return argparse.Namespace(url=url, data_dir=data_dir)


def test_post_when_no_answer_comes_then_it_may_have_been_done(silent: str) -> None:
    with ServerClient(Server(silent, None), timeout_s=0.05) as client:
        with pytest.raises(TransientError, match=r"within 0\.05 s; it may have been done"):
            client.post("/api/ops/halt", {})
        with pytest.raises(TransientError, match=r"no Sapphire answers at .* within 0\.05 s"):
            client.get("/health")


def test_server_when_none_has_a_note_then_the_port_of_the_environment(here: Path) -> None:
    assert find_server(named(), {}) == Server("http://127.0.0.1:8080", None)
    found = find_server(named(), {"SAPPHIRE_PORT": "9000", "SAPPHIRE_API_TOKEN": "t"})
    assert found == Server("http://127.0.0.1:9000", "t")
    assert find_server(named("http://x/"), {}) == Server("http://x", None)


def test_server_when_a_data_directory_has_its_note_then_that_one_with_its_token(
    here: Path,
) -> None:
    token = api_token(here / "state", None)
    write_server_note(here / "state", "http://127.0.0.1:1")
    found = find_server(named(data_dir=here / "state"), {})
    assert found == Server("http://127.0.0.1:1", token, here / "state")
    assert running_servers(named("http://127.0.0.1:2", here / "state"), {}) == []
    assert find_server(named("http://127.0.0.1:2", here / "state"), {}).token == token
