"""Several chunks in one answer of the application: each is read when the one before has gone, and checked like any."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from netgraft.delivery.chunk import ChunkRow
from netgraft.delivery.published import Published
from netgraft.delivery.requests import BYTES, IMMUTABLE, Answer, answered, chunk
from netgraft.service.broken import BrokenChunks
from netgraft.service.watch import Receive, Scope, Send, response_of


async def batch_response(published: Published, rows: Sequence[ChunkRow], broken: BrokenChunks) -> Response:
    """Return an answer with chunks, or why the first of them cannot be had."""
    first = await _read(published, rows[0], broken)
    return _Batch(published, rows, first.body, broken) if first.status == 200 else response_of(first)


class _Batch(Response):
    """Sends chunks; where one cannot be had the connection ends before the answer does, and the device asks again."""

    media_type = BYTES

    def __init__(self, published: Published, rows: Sequence[ChunkRow], first: bytes, broken: BrokenChunks) -> None:
        size = sum(row.bytes for row in rows)
        headers = {"Content-Length": str(size), "Cache-Control": IMMUTABLE, "X-Content-Type-Options": "nosniff"}
        super().__init__(None, 200, headers=headers)
        self._published, self._rows, self._first, self._broken = published, rows, first, broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = self._first
        for following in self._rows[1:]:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            found = await _read(self._published, following, self._broken)
            if found.status != 200:
                return
            body = found.body
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _read(published: Published, row: ChunkRow, broken: BrokenChunks) -> Answer:
    return await run_in_threadpool(answered, lambda: _chunk(published, row.sha256, broken))


def _chunk(published: Published, sha256: str, broken: BrokenChunks) -> Answer:
    """Answer with a chunk that a head names."""
    data = published.chunk(sha256)
    found = chunk(data, sha256)
    if found.status == HTTPStatus.OK:
        broken.mended(sha256)
    else:
        broken.tell(sha256, "missing" if data is None else "damaged")
    return found
