"""The chunk plane: answers ``GET /c/<sha256>`` and openings from memory, in front of the control plane on one port.

A connection reads requests one by one. It answers those for chunks itself; each of the others it hands, alone and
whole, to the protocol of uvicorn behind it and waits for the answer, so answers keep the order of their requests.
Sizes, times and the form of every request are checked here for both planes; tokens and rates are checked here for
chunks and by the application for the rest.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast
from urllib.parse import unquote

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from netgraft.delivery.offering.requests import Answer, error
from netgraft.service.access import Pass, Refusal
from netgraft.service.journal import LOG
from netgraft.service.plane import Framed, Plane, headers_of, refusal, told
from netgraft.service.wire import HeaderBlock, byte_range, request_line

_GET, _GET_END = b"GET /c/", b" HTTP/1.1"
_DIGITS = frozenset(b"0123456789abcdef")
_OPENING = re.compile(r"/v1/models/([^/?#]+)/opening(?:\?held=([0-9a-f]{64}))?")
_TAIL_AT = len(_GET) + 64
_LINE_BYTES = _TAIL_AT + len(_GET_END)
_WRITE_BUFFER_BYTES = 1 << 18
_AHEAD_BYTES = 1 << 16
_COPIED_BYTES = 1 << 14


class ControlProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which tells when it has answered a request."""

    def __init__(self, *, answered: Callable[[], None], given: Mapping[str, Any]) -> None:
        """Build it.

        Args:
            answered: called after each answer.
            given: the arguments that uvicorn gives to its protocols.
        """
        super().__init__(**given)
        self._answered = answered

    def on_response_complete(self) -> None:
        """Go on as uvicorn does, then tell."""
        super().on_response_complete()
        self._answered()


class ChunkProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(
        self,
        plane: Plane,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Build a connection; uvicorn does, with all but the plane."""
        self.deadline_s = math.inf
        self._plane, self._server_state = plane, server_state
        self._given = {"config": config, "server_state": server_state, "app_state": app_state, "_loop": _loop}
        self._control: ControlProtocol | None = None
        self._data = b""
        self._body_bytes = 0  # still to come of the body of the request behind
        self._came_bytes = 0  # of that body, which earn it time
        self._partial = False  # whether what has begun to come is being timed
        self._begun_s = 0.0  # since when
        self._asked = False  # whether the plane behind is making an answer
        self._loading = False  # whether a chunk is being read
        self._paused = False  # whether the client takes no more
        self._held = False  # whether we read no further ahead
        self._advancing = False
        self._stopping = False
        self._idle = False  # whether nothing waits, so that a whole request can be answered at once
        # all after the hash of a request for a chunk that this client sends again and again, and what its headers mean;
        # None as soon as another request was answered, whose pass need not be this one's
        self._tail: bytes | None = None
        self._block = HeaderBlock()
        self._pass: Pass | None = None  # of the client who sent the last one

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a whole request must come in time."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else "local"
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        if not self._plane.join(self):
            self._end(503, "fewer connections are required; come again later", retry_after_s=1)
            return
        self._server_state.connections.add(cast("Any", self))
        self.deadline_s = self._plane.steady_s() + self._plane.limits.request_s

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the plane behind, and forget everything."""
        self._plane.leave(self)
        self._server_state.connections.discard(cast("Any", self))
        self._data, self._loading = b"", True
        if self._control is not None:
            self._control.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and answer what is whole."""
        if self._idle and data[_TAIL_AT:] == self._tail and data.startswith(_GET) and self._again(data):
            return
        self._data = self._data + data if self._data else data
        self._advance()

    def _again(self, data: bytes) -> bool:
        """Answer a request that differs from an earlier one by its hash alone; return whether it was that simple."""
        plane, passed = self._plane, self._pass
        found = plane.cached(data[len(_GET) : _TAIL_AT])
        if found is None or passed is None:
            return False
        now_s = plane.steady_s()
        if now_s >= passed.until_s or passed.bucket.take(now_s):
            self._pass = None
            return False
        self.deadline_s = now_s + plane.limits.idle_s
        if self._block.ranged is not None:
            self._send(found, self._block, "GET", now_s)
            return True
        self._transport.write(plane.dated(found, now_s))
        plane.metrics.chunk.add(200, found.size_bytes, plane.steady_s() - now_s)
        return True

    def pause_writing(self) -> None:
        """Answer no more until the client has taken what was sent; it must do so in time."""
        self._paused, self._idle = True, False
        self.deadline_s = self._plane.steady_s() + self._plane.limits.idle_s
        if self._control is not None:
            self._control.pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = self._partial = False
        if self._control is not None:
            self._control.resume_writing()
        self._advance()

    def shutdown(self) -> None:
        """Close when the answer that is being made has gone; uvicorn calls this when it stops."""
        self._stopping = True
        if self._asked and self._control is not None:
            self._control.shutdown()
        elif not self._loading:
            self._close()

    def expire(self) -> None:
        """End the connection because its time is over, or let it work on; the sweep calls this."""
        working = (self._asked or self._loading) and not (self._partial or self._paused)
        if working and not self._transport.is_closing():
            self.deadline_s = self._plane.steady_s() + self._plane.limits.idle_s
        elif self._transport.is_closing() or self._transport.get_write_buffer_size():
            self._drop()  # the client does not take what was sent, and closing would wait until it does
        elif self._partial and not (self._asked or self._paused or self._body_bytes):
            self._end(408, f"a whole request within {self._plane.limits.request_s:g} s is required, got a part")
        elif self._partial or self._paused:
            self._drop()
        else:
            self._transport.close()

    def _close(self) -> None:
        """Close when all has gone; the client must take it in time."""
        self._transport.close()
        self.deadline_s = self._plane.steady_s() + self._plane.limits.idle_s

    def _drop(self) -> None:
        """End the connection at once, whatever has not gone."""
        self._plane.dropped(self.address, "took too long")
        self._transport.abort()

    def _advance(self) -> None:
        """Answer all requests that have come whole, in order; a transport may call back from within a write."""
        if self._advancing:
            return
        self._advancing = True
        try:
            self._answer_all()
        finally:
            self._advancing = False
        self._settle()

    def _answer_all(self) -> None:
        start = 0
        while not self._paused and not self._transport.is_closing():
            if self._body_bytes:
                start = self._feed(start)
            if self._body_bytes or self._asked or self._loading or start >= len(self._data):
                break
            following = self._next(start)
            if following < 0:
                break
            start, self._partial = following, False
        self._data = self._data[start:] if start < len(self._data) else b""

    def _settle(self) -> None:
        """Set until when something must happen, and read no further ahead than is worth keeping."""
        self._idle = False
        now_s, limits = self._plane.steady_s(), self._plane.limits
        if self._transport.is_closing():
            self._data, self.deadline_s = b"", now_s + limits.idle_s
            return
        ahead = len(self._data) > _AHEAD_BYTES + limits.head_bytes
        if ahead != self._held:
            self._held = ahead
            (self._transport.pause_reading if ahead else self._transport.resume_reading)()
        if self._paused:
            return
        working = self._asked or self._loading
        if self._body_bytes or (self._data and not working):
            if not self._partial:
                self._partial, self._begun_s = True, now_s
            self.deadline_s = self._begun_s + limits.seconds_for(self._came_bytes)
        elif working:
            # not for ever: the plane behind closes without telling where it cannot end an answer
            self._partial, self.deadline_s = False, now_s + limits.idle_s
        else:
            self.deadline_s, self._idle = now_s + limits.idle_s, True

    def _next(self, start: int) -> int:
        """Answer or hand on the request that begins at a byte; return where the next begins, or -1 to wait."""
        end = self._data.find(b"\r\n\r\n", start, start + self._plane.limits.head_bytes + 4)
        if end < 0:
            if len(self._data) - start > self._plane.limits.head_bytes:
                self._end(413, f"headers of at most {self._plane.limits.head_bytes} bytes are required, got more")
            return -1
        line_end = self._data.find(b"\r\n", start, end + 2)
        block = self._plane.block(self._data[line_end + 2 : end + 2])
        if line_end - start == _LINE_BYTES and self._data.startswith(_GET, start) and not block.fault:
            sha256 = self._data[start + len(_GET) : start + _TAIL_AT]
            if (
                self._data.startswith(_GET_END, start + _TAIL_AT)
                and _DIGITS.issuperset(sha256)
                and block.host
                and not block.body_bytes
            ):
                self._tail = None if block.close else self._data[start + _TAIL_AT : end + 4]
                self._block = block
                self._answer(sha256, block, "GET")
                return end + 4
        return self._other(start, line_end, end + 4, block)

    def _other(self, start: int, line_end: int, end: int, block: HeaderBlock) -> int:
        """Answer a request that is not the plainest kind for a chunk."""
        self._tail = None
        line = request_line(self._data[start:line_end])
        if line is None or block.fault or (line[2] and not block.host):
            self._end(400, block.fault or "a request of HTTP/1.1 with a Host is required, got something else")
            return -1
        method, target, is_11 = line
        path = target.partition("?")[0]
        if method in ("GET", "HEAD") and path.startswith("/c/") and not block.body_bytes:
            sha256 = path[3:].encode()
            close = block if is_11 else replace(block, close=True)
            if len(sha256) == 64 and _DIGITS.issuperset(sha256):
                self._answer(sha256, close, method)
            else:
                self._refuse(404, "a chunk's SHA-256 in hexadecimal digits is required", method, close)
            return end
        limits = self._plane.limits
        most = limits.upload_bytes if method == "PUT" else limits.body_bytes
        if block.body_bytes > most:
            self._end(413, f"a body of at most {most} bytes is required, got {block.body_bytes}")
            return -1
        if method == "GET" and is_11 and not block.body_bytes and self._opened(target, block):
            return end
        self._hand_on(self._data[start:end], block.body_bytes)
        return end

    def _opened(self, target: str, block: HeaderBlock) -> bool:
        """Answer with an opening whose head is in memory, or why not; return whether it is there."""
        asked, plane = _OPENING.fullmatch(target), self._plane
        if asked is None:
            return False
        begun_s = plane.steady_s()
        made = plane.opening(unquote(asked[1]), asked[2])
        if made is None:
            return False
        refused = self._refusal(block, begun_s)
        found = made() if refused is None else error(refused.status, refused.text, retry_after_s=refused.retry_after_s)
        self._write(found, block, begun_s)
        took_s, status, size = plane.steady_s() - begun_s, found.status, found.size_bytes
        plane.metrics.control.add(status, size, took_s)
        path = unquote(target.partition("?")[0])
        fields = {"method": "GET", "path": path, "status": status, "size_bytes": size, "seconds": round(took_s, 6)}
        LOG.info("request", extra={"fields": fields})
        return True

    def _write(self, found: Answer, block: HeaderBlock, now_s: float) -> None:
        """Send an answer as the application would; what others have too is not copied for one who takes it slowly."""
        head = f"Content-Type: {found.media}\r\nContent-Length: {found.size_bytes}\r\n{headers_of(found)}"
        head += "WWW-Authenticate: Bearer\r\n" if found.status == 401 else ""
        head += "X-Content-Type-Options: nosniff\r\n" + ("Connection: close\r\n\r\n" if block.close else "\r\n")
        self._transport.write(b"".join((self._plane.status_line(found.status, now_s), head.encode(), found.body)))
        if found.shared:
            self._transport.write(found.shared)
        if block.close:
            self._close()

    def _hand_on(self, head: bytes, body_bytes: int) -> None:
        """Give the head of a request to the plane behind; its body follows."""
        if self._control is None:
            self._control = ControlProtocol(answered=self._control_answered, given=self._given)
            self._control.connection_made(self._transport)
            self._server_state.connections.discard(self._control)  # this connection is there already
        self._asked, self._body_bytes, self._came_bytes = True, body_bytes, 0
        self._control.data_received(head)

    def _feed(self, start: int) -> int:
        """Give the plane behind what came of a body; return where it ends."""
        part = self._data[start : start + self._body_bytes]
        self._body_bytes -= len(part)
        self._came_bytes += len(part) if self._asked else 0
        if not self._body_bytes:
            self._partial, self._came_bytes = False, 0
        if part and self._control is not None:
            self._control.data_received(part)
        return start + len(part)

    def _control_answered(self) -> None:
        """Go on after an answer of the plane behind.

        After an answer that did not wait for its request's body the rest earns no time: it comes as soon as the head of
        a request must, or the connection ends.
        """
        self._asked = False
        if self._body_bytes:
            self._partial, self._came_bytes = False, 0
        if self._stopping:
            self._close()
        else:
            self._advance()

    def _answer(self, sha256: bytes, block: HeaderBlock, method: str) -> None:
        """Answer a request for a chunk."""
        begun_s = self._plane.steady_s()
        refused = self._refusal(block, begun_s)
        if refused is not None:
            self._refuse(refused.status, refused.text, method, block, retry_after_s=refused.retry_after_s)
            return
        found = self._plane.cached(sha256)
        if found is not None:
            self._send(found, block, method, begun_s)
            return
        self._loading = True
        self._plane.load(sha256, lambda loaded: self._loaded(loaded, block, method, begun_s))

    def _refusal(self, block: HeaderBlock, now_s: float) -> Refusal | None:
        """Return why the client is not let in, or None; its pass is kept."""
        gate = self._plane.gate
        found = gate.admit("device", block.authorization, self.address)
        self._pass = found if isinstance(found, Pass) else None
        return found if isinstance(found, Refusal) else gate.limited(found.bucket, now_s)

    def _loaded(self, loaded: Framed | Answer, block: HeaderBlock, method: str, begun_s: float) -> None:
        """Answer with what was read."""
        if self._transport.is_closing():
            return
        self._loading = False
        if isinstance(loaded, Framed):
            self._send(loaded, block, method, begun_s)
        else:
            self._refuse(loaded.status, told(loaded), method, block, more=headers_of(loaded))
        if self._stopping:
            self._close()
        else:
            self._advance()

    def _send(self, found: Framed, block: HeaderBlock, method: str, begun_s: float) -> None:
        """Send a chunk, or the part of it that is asked for."""
        plane, write = self._plane, self._transport.write
        part = None
        if block.ranged is not None and method == "GET" and block.if_range in (None, found.etag):
            part = byte_range(block.ranged, found.size_bytes)
        if part == (0, 0):
            self._refuse(
                416, f"a range within {found.size_bytes} bytes is required", method, block,
                more=f"Content-Range: bytes */{found.size_bytes}\r\n",
            )  # fmt: skip
            return
        closing = b"Connection: close\r\n" if block.close else b""
        if part is not None:
            first, end = part
            head = f"Content-Range: bytes {first}-{end - 1}/{found.size_bytes}\r\nContent-Length: {end - first}\r\n\r\n"
            before = plane.status_line(206, begun_s) + closing + found.describes + head.encode()
            body = memoryview(found.sent)[found.body_at + first : found.body_at + end]
            if len(body) <= _COPIED_BYTES:  # one write of a copy costs less than two
                write(b"".join((before, body)))
            else:
                write(before)
                write(body)
            sent, status = end - first, 206
        else:
            whole = plane.dated(found, begun_s)
            head_bytes = found.body_at - len(b"\r\n")
            write(whole if method == "GET" and not closing else whole[:head_bytes] + closing + b"\r\n")
            if closing and method == "GET":
                write(memoryview(whole)[found.body_at :])
            sent, status = found.size_bytes if method == "GET" else 0, 200
        if block.close:
            self._close()
        plane.metrics.chunk.add(status, sent, plane.steady_s() - begun_s)

    def _refuse(
        self, status: int, text: str, method: str, block: HeaderBlock, *, retry_after_s: int = 0, more: str = ""
    ) -> None:
        """Answer that something else is required."""
        self._tail = None
        made = refusal(status, text, retry_after_s=retry_after_s, close=block.close, more=more)
        if method == "HEAD":
            made = made[: made.index(b"\r\n\r\n") + 4]
        self._transport.write(self._plane.status_line(status, self._plane.steady_s()) + made)
        if block.close:
            self._close()
        self._plane.metrics.chunk.add(status, 0, 0.0)

    def _end(self, status: int, text: str, *, retry_after_s: int = 0) -> None:
        """Answer that something else is required, and close: where this request ends is not known."""
        made = refusal(status, text, retry_after_s=retry_after_s, close=True)
        self._transport.write(self._plane.status_line(status, self._plane.steady_s()) + made)
        self._close()
        self._plane.metrics.chunk.add(status, 0, 0.0)
        self._plane.dropped(self.address, text)
