"""A small HTTP/1.1 server on a free port of this machine, for what stands in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BODIES = {"/c/small": b"\x00" * 2_000, "/c/large": b"\x00" * 200_000, "/v1/models": b'{"models": []}' * 20}


def answer(method: str, path: str, body: bytes) -> bytes:
    """Return the whole answer to a request."""
    if method == "POST":
        return _answer(200, b"got " + body)
    if path == "/nothing":
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    if path == "/same":
        return b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"
    if path == "/early":
        return b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + _answer(200, b"late")
    if path not in BODIES:
        return _answer(404, b"\x00" * 100)
    whole = _answer(200, BODIES[path])
    return whole[: whole.index(b"\r\n\r\n") + 4] if method == "HEAD" else whole


def _answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


@asynccontextmanager
async def origin() -> AsyncIterator[str]:
    """Serve until the block ends; the value is the URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.split(b"\r\n")[0].decode().split()
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                writer.write(answer(method, path, await reader.readexactly(length)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
