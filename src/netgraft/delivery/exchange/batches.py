"""Several chunks in one answer: how they are asked for, and how what comes is taken apart while it comes.

The chunks of an answer follow one another as they are. Each has the size that the signed head names, so nothing that
comes says where a chunk ends. Places count the head's chunks from 0, then those of its deltas in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.head import Head
from netgraft.errors import SettingError

#: Most chunks of one answer, and the most bytes they may have together.
MOST_CHUNKS, MOST_BATCH_BYTES = 256, 4_194_304
#: What a question may say: runs of places, ascending.
PLACES_PATTERN = r"[0-9]{1,6}(-[0-9]{1,6})?(,[0-9]{1,6}(-[0-9]{1,6})?)*"
MOST_PLACES_TEXT = 2_048
_PLACES = re.compile(PLACES_PATTERN)


def rows_of(head: Head) -> tuple[ChunkRow, ...]:
    """Return all chunks of a head by their places."""
    return (*head.chunks, *(row for delta in head.deltas for row in delta.chunks))


def batch_path(head: Head, places: Sequence[int]) -> str:
    """Return where a server has some chunks of a head in one answer."""
    return f"/v1/models/{quote(head.name, safe='')}/chunks?version={head.version}&places={places_text(places)}"


def places_text(places: Sequence[int]) -> str:
    """Return ascending places as text: ``1-4,7``."""
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def read_places(text: str, rows: Sequence[ChunkRow]) -> list[ChunkRow]:
    """Return the chunks that a text asks for.

    Args:
        text: as `places_text` makes it.
        rows: all chunks.

    Raises:
        SettingError: the text is none, names a place that does not exist or one before another, or asks for too much.
    """
    if len(text) > MOST_PLACES_TEXT or not _PLACES.fullmatch(text):
        raise SettingError(f"places of chunks such as 1-4,7 are required, got {text[:40]!r}")
    found, after = list[ChunkRow](), 0
    for run in text.split(","):
        first, _, last = run.partition("-")
        low, high = int(first), int(last or first)
        if not after <= low <= high < len(rows):
            raise SettingError(f"ascending places of {len(rows)} chunks are required, got {run}")
        after = high + 1
        if len(found) + after - low > MOST_CHUNKS:
            raise SettingError(f"at most {MOST_CHUNKS} chunks are answered at once, got more")
        found += rows[low:after]
    size = sum(row.bytes for row in found)
    if size > MOST_BATCH_BYTES:
        raise SettingError(f"chunks of at most {MOST_BATCH_BYTES} bytes are answered at once, got {size}")
    return found


def first_batch(places: Sequence[int], rows: Sequence[ChunkRow], most_bytes: float) -> list[int]:
    """Return as many of the places, from the first, as one answer may have.

    Args:
        places: ascending.
        rows: all chunks.
        most_bytes: that the chunks may have together.
    """
    taken, size = list[int](), 0
    for place in places[:MOST_CHUNKS]:
        size += rows[place].bytes
        if size > min(MOST_BATCH_BYTES, most_bytes):
            break
        taken.append(place)
    return taken


class Splitter:
    """Takes the bytes of an answer apart into its chunks."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Begin.

        Args:
            sizes: bytes of each chunk, in the order in which they come.
        """
        self._sizes, self._at, self._kept = tuple(sizes), 0, b""

    def feed(self, part: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of each chunk that is whole now; bytes behind the last are left out."""
        self._kept += part
        while self._at < len(self._sizes) and len(self._kept) >= self._sizes[self._at]:
            size, number = self._sizes[self._at], self._at
            data, self._kept = self._kept[:size], self._kept[size:]
            self._at += 1
            yield number, data
