"""Nothing shows the bytes: not printing, copying, pickling, comparing, nor an error's frames."""

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pprint import pformat
from typing import Any

import pytest
from rich.pretty import pretty_repr

from common.errors import DeniedError
from infra.keys.private_key import HiddenBytes, KeyEncryptionKey, PrivateKey, leaving_no_trace
from tests.renderings import rendered

RAW = bytes.fromhex("c0ffee" * 10 + "abcd")
KEY = PrivateKey(RAW)
FORMS = (RAW.hex(), RAW.hex().upper(), str(int.from_bytes(RAW, "big")), repr(RAW)[2:-1], "c0ffee")


@dataclass
class Holder:
    key: HiddenBytes
    name: str = "holder"


SHOWN: dict[str, Callable[[], Any]] = {
    "repr": lambda: repr(KEY),
    "str": lambda: str(KEY),
    "format": lambda: f"{KEY} {KEY!r} {KEY!s} {KEY!a} {KEY:}",
    "percent": lambda: "%s %r" % (KEY, KEY),  # noqa: UP031 - the old way prints too
    "in a list": lambda: str([KEY]),
    "dataclass": lambda: str(Holder(KEY)),
    "asdict": lambda: str(asdict(Holder(KEY))),
    "copy": lambda: repr(copy.copy(KEY)),
    "deepcopy": lambda: repr(copy.deepcopy({"key": KEY})),
    "pformat": lambda: pformat(Holder(KEY)),
    "rich": lambda: pretty_repr(Holder(KEY)),
    "json": lambda: json.dumps({"key": KEY}, default=str),
    "key-encryption key": lambda: repr(KeyEncryptionKey(RAW)),
}


@pytest.mark.parametrize("name", SHOWN)
def test_key_when_shown_then_hidden(name: str) -> None:
    shown = SHOWN[name]()
    assert "hidden" in shown
    assert not [form for form in FORMS if form in shown]


@pytest.mark.parametrize(
    "read",
    [
        lambda: pickle.dumps(KEY),
        lambda: pickle.dumps(Holder(KEY), protocol=0),
        lambda: vars(KEY),
        lambda: bytes(KEY),  # type: ignore[call-overload]  # it has no bytes to give
        lambda: int(KEY),  # type: ignore[call-overload]  # as above
        lambda: list(KEY),  # type: ignore[call-overload]  # as above
        lambda: hash(KEY),
        lambda: json.dumps(KEY),
        lambda: format(KEY, "x"),
    ],
)
def test_key_when_read_in_any_way_but_reveal_then_refused_and_not_told(
    read: Callable[[], Any],
) -> None:
    with pytest.raises(TypeError) as caught:
        read()
    assert not [form for form in FORMS if form in str(caught.value)]


def test_key_when_revealed_then_its_bytes() -> None:
    assert KEY.reveal() == RAW
    assert PrivateKey(RAW) == KEY
    assert PrivateKey(bytes(32)) != KEY
    assert KEY != RAW
    assert copy.deepcopy(KEY).reveal() == RAW


@pytest.mark.parametrize("size", [0, 31, 33])
def test_key_when_of_another_size_then_refused_without_it(size: int) -> None:
    with pytest.raises(ValueError, match="must be 32 bytes") as caught:
        PrivateKey(RAW[:1] * size)
    assert len(str(caught.value)) < 30


def _fails_with_the_key_in_scope(key: PrivateKey) -> None:
    raw = key.reveal()
    number = int.from_bytes(raw, "big")
    raise RuntimeError(f"a library tells too much: {raw!r} {number}")


def test_leaving_no_trace_when_the_work_fails_then_neither_message_nor_frames_tell() -> None:
    with pytest.raises(DeniedError, match="SIGNING_FAILED: signing failed ") as caught:
        leaving_no_trace(
            lambda: _fails_with_the_key_in_scope(KEY), code="SIGNING_FAILED", what="signing"
        )
    error = caught.value
    assert error.code == "SIGNING_FAILED"
    assert "RuntimeError" in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = rendered(error)
    assert "leaving_no_trace" in shown
    assert not [form for form in FORMS if form in shown]


def test_rendered_when_the_frames_do_hold_a_key_then_found() -> None:
    """The check above can fail: an unguarded error does show it."""
    with pytest.raises(RuntimeError) as caught:
        _fails_with_the_key_in_scope(KEY)
    assert str(int.from_bytes(RAW, "big")) in rendered(caught.value)


def test_leaving_no_trace_when_the_work_is_done_then_its_result() -> None:
    assert leaving_no_trace(lambda: 7, code="X", what="x") == 7
