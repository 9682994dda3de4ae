"""What all connections of the chunk plane share: chunks in memory, ready to be sent, and who watches the clock."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol

from netgraft.delivery.offering.published import Published
from netgraft.delivery.offering.requests import IMMUTABLE, Answer, answered, chunk, unreadable
from netgraft.service.access import Gate
from netgraft.service.broken import BrokenChunks
from netgraft.service.journal import LOG
from netgraft.service.limits import Limits
from netgraft.service.metrics import Metrics
from netgraft.service.wire import HeaderBlock, header_block

_MOST_BLOCKS, _LONGEST_BLOCK = 4096, 1024


class Framed:
    """A chunk as it is sent, from the status line to its last byte; made anew when the date in it is old.

    Attributes:
        sent: the whole answer.
        second: of the steady clock, when it was made.
        body_at: where in it the body begins.
        etag: as If-Range names it.
        describes: the headers that every answer with this chunk has, whether whole or in part.
    """

    __slots__ = ("_rest_at", "body_at", "describes", "etag", "second", "sent")

    def __init__(self, sha256: str, body: bytes) -> None:
        """Frame a body; it has no status line yet."""
        self.etag, self.second, self._rest_at = f'"{sha256}"', -1, 0
        self.describes = (
            f'Content-Type: application/octet-stream\r\nETag: "{sha256}"\r\nCache-Control: {IMMUTABLE}\r\n'
            "Accept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n"
        ).encode()
        head = self.describes + f"Content-Length: {len(body)}\r\n\r\n".encode()
        self.sent, self.body_at = head + body, len(head)

    @property
    def size_bytes(self) -> int:
        """Return the size of the body."""
        return len(self.sent) - self.body_at

    @property
    def body(self) -> bytes:
        """Return the chunk."""
        return self.sent[self.body_at :]

    def date(self, status_line: bytes, second: int) -> None:
        """Put a new status line and date in front."""
        self.sent = status_line + self.sent[self._rest_at :]
        self.body_at += len(status_line) - self._rest_at
        self._rest_at, self.second = len(status_line), second


def refusal(status: int, text: str, *, retry_after_s: int = 0, close: bool = False, more: str = "") -> bytes:
    """Return a whole answer that says in one line what is required; after the status line and the date."""
    body = json.dumps({"error": text}).encode()
    lines = [f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n", more]
    lines += [f"Retry-After: {retry_after_s}\r\n"] if retry_after_s else []
    lines += ["WWW-Authenticate: Bearer\r\n"] if status == 401 else []
    lines += ["Connection: close\r\n"] if close else []
    return "".join(lines).encode() + b"\r\n" + body


class Watched(Protocol):
    """A connection that ends when its time is over."""

    address: str
    deadline_s: float

    def expire(self) -> None:
        """End the connection."""
        ...


@dataclass
class Plane:
    """Shared by all connections; used in one event loop only.

    Attributes:
        published: where chunks lie.
        gate: says who is let in.
        limits: bounds.
        metrics: counts.
        steady_s: seconds that never go back.
        wall_s: seconds since 1970.
        executor: reads chunks that are not in memory.
        connections: those that are open.
        dropped: called with words when a connection was ended for what it did.
        broken: is told of published chunks that cannot be served.
        offered: whether a head that was opened names a chunk, so that its file should be there.
        opening: gives what makes the opening of a name, without a head that is held; None where it is not in memory.
    """

    published: Published
    gate: Gate
    limits: Limits
    metrics: Metrics
    steady_s: Callable[[], float]
    wall_s: Callable[[], float]
    executor: Executor | None = None
    connections: set[Watched] = field(default_factory=set)
    dropped: Callable[[str, str], None] = lambda address, why: None
    broken: BrokenChunks | None = None
    offered: Callable[[str], bool] = lambda sha256: False
    opening: Callable[[str, str | None], Callable[[], Answer] | None] = lambda name, held: None

    def __post_init__(self) -> None:
        """Begin with no chunk in memory."""
        self._chunks: OrderedDict[bytes, Framed] = OrderedDict()
        self._chunk_bytes = 0
        self._loading: dict[bytes, asyncio.Task[Framed | Answer]] = {}
        self._blocks: dict[bytes, HeaderBlock] = {}
        self._lines: dict[int, bytes] = {}
        self._second = -1
        self._of_address: Counter[str] = Counter()
        self._broken = self.broken or BrokenChunks(self.metrics)
        self._watching = False
        self.metrics.watch("connections", "Open connections.", lambda: len(self.connections))
        self.metrics.watch("cached_chunk_bytes", "Bytes of chunks in memory.", lambda: self._chunk_bytes)

    def block(self, text: bytes) -> HeaderBlock:
        """Return what headers mean; most clients send the same ones again and again."""
        found = self._blocks.get(text)
        if found is None:
            found = header_block(text)
            if len(text) <= _LONGEST_BLOCK:
                if len(self._blocks) >= _MOST_BLOCKS:
                    self._blocks.clear()
                self._blocks[text] = found
        return found

    def status_line(self, status: int, now_s: float) -> bytes:
        """Return the status line and the date; both are made once a second.

        Args:
            status: of HTTP.
            now_s: of the steady clock.
        """
        if int(now_s) != self._second:
            self._second, self._lines = int(now_s), {}
        line = self._lines.get(status)
        if line is None:
            date = formatdate(self.wall_s(), usegmt=True)
            line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nDate: {date}\r\n".encode()
            self._lines[status] = line
        return line

    def cached(self, sha256: bytes) -> Framed | None:
        """Return a chunk that is in memory."""
        found = self._chunks.get(sha256)
        if found is not None:
            self._chunks.move_to_end(sha256)
        return found

    def dated(self, found: Framed, now_s: float) -> bytes:
        """Return the whole answer with a chunk, its date not older than a second."""
        if int(now_s) != found.second:
            found.date(self.status_line(200, now_s), int(now_s))
        return found.sent

    def load(self, sha256: bytes, then: Callable[[Framed | Answer], None]) -> None:
        """Read a chunk and give it, or why there is none; many who ask at once cause one reading."""
        self._reading(sha256).add_done_callback(lambda done: None if done.cancelled() else then(done.result()))

    async def chunk(self, sha256: str) -> bytes | Answer:
        """Return a chunk, from memory where it is there, or why there is none; many who ask at once cause one reading.

        Args:
            sha256: of a chunk, 64 hexadecimal digits.
        """
        key = sha256.encode("ascii")
        found: Framed | Answer | None = self.cached(key)
        if found is None:
            found = await asyncio.shield(self._reading(key))
        return found.body if isinstance(found, Framed) else found

    def _reading(self, sha256: bytes) -> asyncio.Task[Framed | Answer]:
        """Return the reading of a chunk, which begins where there is none."""
        task = self._loading.get(sha256)
        if task is None:
            task = self._loading[sha256] = asyncio.get_running_loop().create_task(self._load(sha256))
            task.add_done_callback(lambda _done: self._loading.pop(sha256, None))
        return task

    async def _load(self, sha256: bytes) -> Framed | Answer:
        name = sha256.decode("ascii")
        try:
            answer, why = await asyncio.get_running_loop().run_in_executor(self.executor, self._read, name)
        except Exception:  # a store may fail in any way; whoever waits for the chunk gets an answer all the same
            LOG.exception("chunk not read", extra={"fields": {"sha256": name}})
            return unreadable()
        if why:
            self._broken.tell(name, why)
        if answer.status != 200:
            return answer
        self._broken.mended(name)
        made = Framed(name, answer.body)
        if made.size_bytes <= self.limits.cache_bytes // 4:
            self._chunks[sha256] = made
            self._chunk_bytes += made.size_bytes
        while self._chunk_bytes > self.limits.cache_bytes:
            self._chunk_bytes -= self._chunks.popitem(last=False)[1].size_bytes
        return made

    def _read(self, sha256: str) -> tuple[Answer, str]:
        """Return a chunk whose hash was checked, and what is wrong with its file; runs beside the event loop."""
        why = ""

        def found() -> Answer:
            nonlocal why
            data = self.published.chunk(sha256)
            made = chunk(data, sha256)
            if data is None:
                why = "missing" if self.offered(sha256) else ""
            elif made.status != 200:
                why = "damaged"
            return made

        return answered(found), why

    def join(self, connection: Watched) -> bool:
        """Let a connection in, or return False where there are too many, or too many of its address.

        The first one starts the watch.
        """
        limits, of_address = self.limits, self._of_address[connection.address]
        if len(self.connections) >= limits.connections or of_address >= limits.address_connections:
            return False
        self.connections.add(connection)
        self._of_address[connection.address] += 1
        if not self._watching:
            self._watching = True
            self._sweep()
        return True

    def leave(self, connection: Watched) -> None:
        """Forget a connection."""
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        self._of_address[connection.address] -= 1
        if not self._of_address[connection.address]:
            del self._of_address[connection.address]

    def _sweep(self) -> None:
        """End what is overdue, and come again for as long as the loop runs."""
        often_s = min(1.0, self.limits.request_s / 4, self.limits.idle_s / 4)
        asyncio.get_running_loop().call_later(often_s, self._sweep)
        now_s = self.steady_s()
        for connection in [each for each in self.connections if each.deadline_s <= now_s]:
            connection.expire()


def headers_of(answer: Answer) -> str:
    """Return the further headers of an answer as text."""
    return "".join(f"{name}: {value}\r\n" for name, value in answer.headers)


def told(answer: Answer) -> str:
    """Return what an answer that refuses says."""
    said: Any = json.loads(answer.body)
    return str(said["error"])
