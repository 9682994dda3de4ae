"""Bytes from outside become sections, sections become JSON values: with a bound on everything, before it is made."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from netgraft.errors import HeadError

MAGIC = b"NGHEAD1\n"
#: The most bytes of each section: document, arrays, first chunk, signatures.
SECTION_BYTES = (1 << 22, 1 << 26, 1 << 16, 1 << 16)
DOCUMENT_BYTES = 1 << 24
_MOST_NESTING = 24
# One that does not end goes to the end, and nothing is given back: each byte is looked at once, whatever comes.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def join_sections(sections: Sequence[bytes]) -> bytes:
    """Return a file of the sections.

    Raises:
        HeadError: one is larger than its bound.
    """
    for data, most in zip(sections, SECTION_BYTES, strict=True):
        if len(data) > most:
            raise HeadError(f"a section of a head must have at most {most} bytes, got {len(data)}")
    return MAGIC + b"".join(len(data).to_bytes(4, "little") + data for data in sections)


def split_sections(data: bytes) -> list[bytes]:
    """Return the sections of a file.

    Raises:
        HeadError: it is no head, is cut short, has bytes too many, or a section is larger than its bound.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise HeadError(f"a head must begin with {MAGIC!r}, got {data[: len(MAGIC)]!r}")
    at, made = len(MAGIC), []
    for most in SECTION_BYTES:
        size = int.from_bytes(data[at : at + 4], "little")
        if at + 4 > len(data) or size > len(data) - at - 4:
            raise HeadError(f"a head must have all of its {len(SECTION_BYTES)} sections, got {len(data)} bytes")
        if size > most:
            raise HeadError(f"a section of a head must have at most {most} bytes, got {size}")
        made.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(data):
        raise HeadError(f"a head must end after its sections, got {len(data) - at} bytes more")
    return made


def read_json(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        HeadError: it is not JSON in UTF-8, is nested too deeply, names a key twice, or has a number that is none.
    """
    if nesting(data) > _MOST_NESTING:
        raise HeadError(f"a head must be nested at most {_MOST_NESTING} deep, got {nesting(data)}")
    try:
        return json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except (ValueError, RecursionError) as error:
        if isinstance(error, HeadError):
            raise
        raise HeadError(f"a head must be JSON, got: {error}") from error


def nesting(data: bytes) -> int:
    """Return how deep the brackets of a JSON text go; those in strings do not count."""
    deepest = depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", data)):
        depth += 1 if bracket.group() in (b"[", b"{") else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object.

    Raises:
        HeadError: a key is there twice.
    """
    made = dict(pairs)
    if len(made) != len(pairs):
        raise HeadError("a head must name each key once, got one twice")
    return made


def _constant(text: str) -> float:
    """Refuse NaN and infinity.

    Raises:
        HeadError: always.
    """
    raise HeadError(f"a head must have finite numbers, got {text}")


def _float(text: str) -> float:
    """Return a number.

    Raises:
        HeadError: it is too large for one.
    """
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise HeadError(f"a head must have finite numbers, got {text[:20]}")
    return number
