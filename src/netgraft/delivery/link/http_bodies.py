"""Follows HTTP/1.1 on a connection just enough to tell which bytes are the body of a chunk; no sockets, no clock.

A connection that cannot be followed (chunked transfer, an answer without a length, a malformed head) is passed on as it
is from there on: nothing in it counts as a chunk any more.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

_END = b"\r\n\r\n"
_LONGEST_HEAD = 65_536
#: Answers whose bodies are chunks: one, or several in one answer.
_CHUNKS = re.compile(r"/c/|/v1/models/[^/]+/chunks\?")
_NO_BODY = (204, 304)


@dataclass
class Asked:
    """The requests of one connection, in order, that have no answer yet."""

    waiting: deque[tuple[str, str]] = field(default_factory=deque)
    lost: bool = False
    _head: bytes = b""
    _body: int = 0

    def feed(self, data: bytes) -> None:
        """Note the requests in bytes towards the server."""
        while data and not self.lost:
            if self._body:
                taken = min(self._body, len(data))
                self._body, data = self._body - taken, data[taken:]
                continue
            self._head += data
            place = self._head.find(_END)
            if place < 0:
                self.lost = len(self._head) > _LONGEST_HEAD
                return
            head, data, self._head = self._head[:place], self._head[place + len(_END) :], b""
            first, fields = _parts(head)
            words = first.split()
            length = _length(fields)
            self.lost = len(words) != 3 or length is None or b"transfer-encoding" in fields
            if not self.lost and length is not None:
                self.waiting.append((words[0].decode("latin-1"), words[1].decode("latin-1")))
                self._body = length

    def next_is_chunk(self) -> tuple[bool, bool]:
        """Return of the oldest open request whether it asks for a chunk, and whether its answer has a body."""
        method, path = self.waiting.popleft() if self.waiting else ("", "")
        return method == "GET" and _CHUNKS.match(path) is not None, method != "HEAD"


@dataclass
class Answered:
    """The answers of one connection."""

    asked: Asked
    lost: bool = False
    _head: bytes = b""
    _body: int = 0
    _chunk: bool = False

    def feed(self, data: bytes) -> list[tuple[bytes, bool]]:
        """Return the bytes towards the device in pieces, and of each whether it is in the body of a chunk.

        The bytes of a head come out when it is complete.
        """
        found: list[tuple[bytes, bool]] = []
        while data:
            if self.lost or self.asked.lost:
                found.append((self._head + data, False))
                self._head = b""
                return found
            if self._body:
                taken = min(self._body, len(data))
                found.append((data[:taken], self._chunk))
                self._body, data = self._body - taken, data[taken:]
                continue
            self._head += data
            place = self._head.find(_END)
            if place < 0:
                self.lost = len(self._head) > _LONGEST_HEAD
                data = b""
                if self.lost:
                    found.append((self._head, False))
                    self._head = b""
                continue
            head, data, self._head = self._head[: place + len(_END)], self._head[place + len(_END) :], b""
            found.append((head, False))
            self._begin(head[:place])
        return found

    def rest(self) -> bytes:
        """Return what was kept of a head that never ended."""
        kept, self._head = self._head, b""
        return kept

    def _begin(self, head: bytes) -> None:
        """Note what follows a head."""
        first, fields = _parts(head)
        words = first.split()
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        if 100 <= status < 200:
            self.lost = status == 101
            return
        chunk, has_body = self.asked.next_is_chunk()
        length = _length(fields)
        if not has_body or status in _NO_BODY:
            return
        self.lost = not status or length is None or b"content-length" not in fields
        self._body = 0 if self.lost or length is None else length
        self._chunk = chunk and status in (200, 206)


def _parts(head: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the first line of a head and its fields by lower-case name."""
    first, *lines = head.split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _length(fields: dict[bytes, bytes]) -> int | None:
    """Return the length a head states, 0 where it states none; None where it is no number."""
    text = fields.get(b"content-length", b"0")
    return int(text) if text.isdigit() and len(text) < 20 else None
