"""Bytes from outside become sections, with a bound on everything before it is made."""

from __future__ import annotations

from collections.abc import Sequence

from netgraft.errors import HeadError

MAGIC = b"NGHEAD1\n"
#: The most bytes of each section: document, arrays, first chunk, signatures.
SECTION_BYTES = (1 << 22, 1 << 26, 1 << 16, 1 << 16)
DOCUMENT_BYTES = 1 << 24
#: Largest head that is read.
MOST_HEAD_BYTES = len(MAGIC) + 4 * len(SECTION_BYTES) + sum(SECTION_BYTES)


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
