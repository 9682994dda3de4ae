r"""One answer that gives a working model: the trust chain, the stamp and the head with its first chunk.

::

    "NGOPEN1\n"
    u32 size, notes    one zstd frame: u32 size, the trust chain; then the stamp
    the head           as it is; nothing where whoever asks said that it has the newest

Whole numbers are little-endian. Nothing here counts before it was checked as what it is: this module takes bytes apart,
with a bound on each part before it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from netgraft.delivery.format.codec import compress, expand, stated_bytes
from netgraft.delivery.format.container import MOST_HEAD_BYTES
from netgraft.delivery.trust.accepting import MOST_STAMP_BYTES, MOST_TRUST_BYTES
from netgraft.errors import ChunkError, HeadError

MAGIC = b"NGOPEN1\n"
_SIZE_BYTES = 4
_MOST_NOTES = _SIZE_BYTES + MOST_TRUST_BYTES + MOST_STAMP_BYTES
#: Largest opening that is read.
MOST_OPENING_BYTES = len(MAGIC) + _SIZE_BYTES + _MOST_NOTES + MOST_HEAD_BYTES


@dataclass(frozen=True)
class Opening:
    """The parts of an opening, none of them checked.

    Attributes:
        trust: the chain of trust documents.
        stamp: which head is the newest.
        head: the newest, with its first chunk; empty where whoever asked has it.
    """

    trust: bytes
    stamp: bytes
    head: bytes


def opening_path(name: str, held: str | None) -> str:
    """Return where a server has the opening of a model.

    Args:
        name: of the model.
        held: SHA-256 of a head that need not come again.
    """
    path = f"/v1/models/{quote(name, safe='')}/opening"
    return path if held is None else f"{path}?held={held}"


def pack_opening(opening: Opening) -> bytes:
    """Return an opening as bytes."""
    return pack_notes(opening.trust, opening.stamp) + opening.head


@lru_cache(maxsize=256)
def pack_notes(trust: bytes, stamp: bytes) -> bytes:
    """Return an opening's bytes before its head; a server gives the same ones for a few seconds."""
    notes = compress(_size(trust) + trust + stamp)
    return b"".join((MAGIC, _size(notes), notes))


def unpack_opening(data: bytes) -> Opening:
    """Return the parts of an opening.

    Raises:
        HeadError: it is none, is cut short, or a part is larger than its bound.
    """
    start = len(MAGIC) + _SIZE_BYTES
    if data[: len(MAGIC)] != MAGIC or len(data) < start:
        raise HeadError(f"an opening must begin with {MAGIC!r} and a size, got {data[:start]!r}")
    end = start + int.from_bytes(data[len(MAGIC) : start], "little")
    if end > len(data):
        raise HeadError(f"an opening must have {end} bytes before its head, got {len(data)}")
    try:
        size = stated_bytes(data[start:end])
        if size > _MOST_NOTES:
            raise HeadError(f"an opening must state notes of at most {_MOST_NOTES} bytes, got {size}")
        notes = expand(data[start:end], size)
    except ChunkError as error:
        raise HeadError(f"an opening's notes must be one zstd frame, got: {error}") from error
    trust_end = _SIZE_BYTES + int.from_bytes(notes[:_SIZE_BYTES], "little")
    if not _SIZE_BYTES <= trust_end <= len(notes):
        raise HeadError(f"an opening's notes must have {trust_end} bytes before the stamp, got {len(notes)}")
    return Opening(notes[_SIZE_BYTES:trust_end], notes[trust_end:], data[end:])


def _size(data: bytes) -> bytes:
    return len(data).to_bytes(_SIZE_BYTES, "little")
