"""The head of an HTTP/1.1 request, read strictly (RFC 9112), and ranges (RFC 9110, section 14).

Whatever could be read in two ways is refused: a bare line feed, a folded header, two lengths, a transfer coding. So
the chunk plane, the control plane behind it and a proxy in front of them agree where a request ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_LINE = re.compile(rb"([A-Z]{3,10}) ([\x21-\x7e]{1,4096}) HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_MOST_HEADERS = 100


@dataclass(frozen=True)
class HeaderBlock:
    """What the headers of a request mean to both planes.

    Attributes:
        fault: why the request is refused, or None.
        body_bytes: how long its body is.
        authorization, ranged, if_range: those headers, if they came.
        close: whether the client wants the connection closed after the answer.
        host: whether it says which host it means, as HTTP/1.1 must.
    """

    fault: str | None = None
    body_bytes: int = 0
    authorization: str | None = None
    ranged: str | None = None
    if_range: str | None = None
    close: bool = False
    host: bool = False


def request_line(line: bytes) -> tuple[str, str, bool] | None:
    """Return method, target and whether it is HTTP/1.1, or None for what is no request."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    return found[1].decode("ascii"), found[2].decode("ascii"), found[3] == b"1"


def header_block(block: bytes) -> HeaderBlock:
    """Return what headers mean.

    Args:
        block: the lines after the request's line, each with its line end; without the empty line.
    """
    values: dict[str, str] = {}
    lines = block.split(b"\r\n")[:-1]
    if len(lines) > _MOST_HEADERS:
        return HeaderBlock(f"at most {_MOST_HEADERS} headers are allowed, got {len(lines)}")
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            return HeaderBlock("headers of the form 'name: value' are required, got another line")
        name, value = found[1].decode("ascii").lower(), found[2].decode("latin-1")
        if name in values and name in ("host", "content-length", "authorization", "range"):
            return HeaderBlock(f"one header {name!r} is required, got two")
        values[name] = value
    if "transfer-encoding" in values:
        return HeaderBlock("a body with Content-Length is required, got Transfer-Encoding")
    length = values.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) <= 15):
        return HeaderBlock(f"Content-Length must be a number, got {length[:32]!r}")
    return HeaderBlock(
        body_bytes=int(length),
        authorization=values.get("authorization"),
        ranged=values.get("range"),
        if_range=values.get("if-range"),
        close="close" in (part.strip().lower() for part in values.get("connection", "").split(",")),
        host="host" in values,
    )


@lru_cache(4096)
def byte_range(text: str, size_bytes: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last that a Range header asks for.

    Args:
        text: the header.
        size_bytes: of the whole content.

    Returns:
        (0, 0) for a range that holds no byte of the content; None for a header that is to be ignored: another unit,
        several ranges, or none that can be read.
    """
    found = _RANGE.fullmatch(text)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        last = min(int(found[2]), size_bytes)
        return size_bytes - last if last else 0, size_bytes if last else 0
    first = int(found[1])
    end = min(int(found[2]) + 1, size_bytes) if found[2] else size_bytes
    if found[2] and int(found[2]) < first:
        return None
    return (first, end) if first < size_bytes else (0, 0)
