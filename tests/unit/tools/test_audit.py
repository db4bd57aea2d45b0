"""The audit against a stand-in of PyPI's JSON API, which answers in its shape."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tools import audit as command
from tools.audit import NotAuditedError, audit
from tools.lock import Pin

ADVISORY = {
    "aliases": ["CVE-2026-1", "GHSA-aaaa"],
    "details": "text",
    "fixed_in": ["2.0.1"],
    "id": "PYSEC-2026-1",
    "link": "https://osv.dev/vulnerability/PYSEC-2026-1",
    "source": "osv",
    "summary": None,
    "withdrawn": None,
}


class PyPI(ThreadingHTTPServer):
    """Answers for the paths in `answers`; 404 for others, as the real one."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, pin: Pin, *advisories: dict[str, Any], version: str | None = None) -> None:
        info = {"name": pin.name, "version": version or pin.version}
        self.answers[f"/pypi/{pin.name}/{pin.version}/json"] = {
            "info": info,
            "vulnerabilities": list(advisories),
        }


class _Handler(BaseHTTPRequestHandler):
    server: PyPI

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing: a test's output is its own."""


@pytest.fixture
def pypi() -> Iterator[PyPI]:
    with PyPI() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def a_pin(name: str, version: str = "2.0") -> Pin:
    return Pin(name=name, version=version, marker="", hashes=(), wanted_by=(), asked_for=True)


PINS = [a_pin("alpha"), a_pin("beta"), a_pin("gamma")]


def test_audit_when_nothing_is_known_then_every_pin_was_asked_for(pypi: PyPI) -> None:
    for pin in PINS:
        pypi.add(pin)
    assert audit(PINS, pypi.url) == []
    assert sorted(pypi.asked) == [f"/pypi/{pin.name}/2.0/json" for pin in PINS]


def test_audit_when_one_is_vulnerable_then_named_with_its_fix(pypi: PyPI) -> None:
    pypi.add(PINS[0])
    pypi.add(PINS[1], ADVISORY, {**ADVISORY, "withdrawn": "2026-01-01T00:00:00Z"})
    pypi.add(PINS[2], {**ADVISORY, "aliases": [], "fixed_in": []})
    assert [str(advisory) for advisory in audit(PINS, pypi.url)] == [
        "beta 2.0: PYSEC-2026-1, CVE-2026-1, GHSA-aaaa; fixed in 2.0.1",
        "gamma 2.0: PYSEC-2026-1; no fixed version yet",
    ]


def test_audit_when_the_source_is_no_pypi_then_one_question_and_no_verdict(pypi: PyPI) -> None:
    with pytest.raises(NotAuditedError, match="answered 404"):
        audit(PINS, pypi.url)
    assert len(pypi.asked) == 1


def test_audit_when_one_pin_is_not_known_there_then_no_verdict(pypi: PyPI) -> None:
    for pin in PINS[:2]:
        pypi.add(pin)
    with pytest.raises(NotAuditedError, match="gamma"):
        audit(PINS, pypi.url)


@pytest.mark.parametrize(
    "answer", [b"<html>", b"", [], {}, {"info": {"version": "2.0"}}, {"vulnerabilities": []}, "x"]
)
def test_audit_when_the_answer_has_another_shape_then_no_verdict(pypi: PyPI, answer: Any) -> None:
    pypi.answers["/pypi/alpha/2.0/json"] = answer
    with pytest.raises(NotAuditedError):
        audit(PINS[:1], pypi.url)


def test_audit_when_the_answer_is_for_another_version_then_no_verdict(pypi: PyPI) -> None:
    pypi.add(PINS[0], version="2.1")
    with pytest.raises(NotAuditedError, match="another version"):
        audit(PINS[:1], pypi.url)


def test_audit_when_nobody_listens_then_no_verdict() -> None:
    with pytest.raises(NotAuditedError, match="refused"):
        audit(PINS, "http://127.0.0.1:1")


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--strict"], 1), (["--what"], 2)])
def test_command_when_it_cannot_ask_then_it_says_so_and_fails_when_strict(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert command.main(arguments, "http://127.0.0.1:1") == code
    if code < 2:
        assert "dependency audit: NOT DONE" in capsys.readouterr().out


def test_command_when_all_are_answered_then_it_says_for_how_many(
    pypi: PyPI, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LOCKS", ("only.txt",))
    monkeypatch.setattr(command, "read_lock", lambda path: PINS)
    for pin in PINS:
        pypi.add(pin)
    assert command.main(["--strict"], pypi.url) == 0
    assert "0 advisories, 3 packages" in capsys.readouterr().out
    pypi.add(PINS[1], ADVISORY)
    assert command.main([], pypi.url) == 1
    assert "beta 2.0: PYSEC-2026-1" in capsys.readouterr().out
