"""Reads an answer's body up to a limit that holds for what it unpacks to as well."""

import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx

ACCEPT: Final = {"accept-encoding": "gzip"}
"""To be sent with each request: what else a body might be packed in is refused."""

_GZIP = 31  # zlib's number for a gzip header and trailer


class BodyRefusedError(Exception):
    """Too large, packed as nobody asked for, or damaged. Its text is for people."""


async def whole_body(response: "httpx.Response", *, most: int) -> bytes:
    """The body of a streamed response.

    64 kB of gzip unpack to 64 MB, and httpx unpacks a piece whole before it is asked how large it
    may be. So it is unpacked here, up to the limit and no further.

    Raises BodyRefusedError.
    """
    packed = response.headers.get("content-encoding", "identity").strip().lower()
    if packed not in {"identity", "gzip"}:
        raise BodyRefusedError(f"packed as {packed[:20]!a}")
    body = bytearray()
    pieces = response.aiter_bytes() if packed == "identity" else _unpacked(response, most)
    async for piece in pieces:
        body += piece
        if len(body) > most:
            raise BodyRefusedError(f"over {most} bytes")
    return bytes(body)


async def _unpacked(response: "httpx.Response", most: int) -> AsyncIterator[bytes]:
    """At most one byte more than `most`, in pieces."""
    gunzip = zlib.decompressobj(_GZIP)
    left = most + 1
    try:
        async for piece in response.aiter_raw():
            unpacked = gunzip.decompress(piece, left)
            left -= len(unpacked)
            yield unpacked
            if left == 0:
                return
    except zlib.error:
        raise BodyRefusedError("damaged gzip") from None
    if not gunzip.eof:
        raise BodyRefusedError("cut gzip")
