"""A body up to its limit, packed or not; whole answers of venues are in tests/catalogue."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from infra.whole_body import BodyRefusedError, whole_body

MOST = 100_000


def answered(body: bytes, encoding: str | None, piece: int = 7_000) -> httpx.Response:
    class Sent(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for start in range(0, len(body), piece):
                yield body[start : start + piece]

    headers = {} if encoding is None else {"content-encoding": encoding}
    return httpx.Response(200, headers=headers, stream=Sent())


@pytest.mark.parametrize("encoding", [None, "identity", "gzip", " GZIP "])
@pytest.mark.parametrize("size", [0, 1, MOST - 1, MOST])
async def test_whole_body_when_within_its_limit_then_whole(encoding: str | None, size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    sent = gzip.compress(body, mtime=0) if encoding and "gzip" in encoding.lower() else body
    assert await whole_body(answered(sent, encoding), most=MOST) == body


@pytest.mark.parametrize("encoding", [None, "gzip"])
@pytest.mark.parametrize("piece", [1, 64, 1_000_000])
async def test_whole_body_when_a_byte_over_then_refused(encoding: str | None, piece: int) -> None:
    body = b" " * (MOST + 1)
    sent = gzip.compress(body, mtime=0) if encoding else body
    with pytest.raises(BodyRefusedError, match=f"over {MOST} bytes"):
        await whole_body(answered(sent, encoding, piece), most=MOST)


@pytest.mark.parametrize("left", [0, 5, -1])
async def test_whole_body_when_its_gzip_is_cut_then_refused(left: int) -> None:
    sent = gzip.compress(b'{"status":"ok"}', mtime=0)[:left]
    with pytest.raises(BodyRefusedError, match="cut gzip"):
        await whole_body(answered(sent, "gzip"), most=MOST)


async def test_whole_body_when_its_gzip_is_damaged_then_refused() -> None:
    sent = bytearray(gzip.compress(b'{"status":"ok"}', mtime=0))
    sent[-6] ^= 0xFF  # of the checksum
    with pytest.raises(BodyRefusedError, match="damaged gzip"):
        await whole_body(answered(bytes(sent), "gzip"), most=MOST)
