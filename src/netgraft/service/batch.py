"""Several chunks in one answer of the application: each is had when the one before has gone, and checked like any."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.offering.requests import BYTES, IMMUTABLE, Answer
from netgraft.service.watch import Receive, Scope, Send, response_of

Read = Callable[[str], Awaitable[bytes | Answer]]


async def batch_response(read: Read, rows: Sequence[ChunkRow]) -> Response:
    """Return an answer with chunks, or why the first of them cannot be had.

    Args:
        read: reads a chunk by its SHA-256 and checks it, or says why there is none.
        rows: the chunks, at least one.
    """
    first = await read(rows[0].sha256)
    return response_of(first) if isinstance(first, Answer) else _Batch(read, rows, first)


class _Batch(Response):
    """Sends chunks; where one cannot be had the connection ends before the answer does, and the device asks again."""

    media_type = BYTES

    def __init__(self, read: Read, rows: Sequence[ChunkRow], first: bytes) -> None:
        size = sum(row.bytes for row in rows)
        headers = {"Content-Length": str(size), "Cache-Control": IMMUTABLE, "X-Content-Type-Options": "nosniff"}
        super().__init__(None, 200, headers=headers)
        self._read, self._rows, self._first = read, rows, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        asked, body = Request(scope, receive), self._first
        for following in self._rows[1:]:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if await asked.is_disconnected():
                return
            found = await self._read(following.sha256)
            if isinstance(found, Answer):
                return
            body = found
        await send({"type": "http.response.body", "body": body, "more_body": False})
