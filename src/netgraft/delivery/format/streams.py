"""Runs of bits in three streams, so that each is coded as suits it, with nothing but zstd.

Bits that say which numbers become more than zero are rare in high planes: the gaps between ones lie as bytes in the
first stream, a zstd frame. Less rare ones are packed in the second, another frame. All else (even odds, later bits,
signs) cannot be made smaller and lies in the third as it is. The first stream begins with one byte per cell that says
where its first run is.

A small chunk is one frame of all its runs packed in order, where that is smaller.

A gap is a byte of zeros before a one, 255 standing for 255 zeros with no one after them; a last one stands behind the
end of the run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.format.codec import compress, expand, stated_bytes
from netgraft.delivery.format.planes import BitReader, Bits
from netgraft.errors import ChunkError

_PLAIN, _PACKED, _GAPS = 0, 1, 2
_FULL = 255
#: In place of the first frame's size: one frame of everything follows.
_WHOLE = 0xFFFF
#: Shares of ones up to which gaps, and then packing, are worth it.
_SPARSE, _UNEVEN = 0.1, 0.42
_WINDOW = 256


class StreamWriter:
    """Sorts runs of bits into streams."""

    def __init__(self) -> None:
        self._forms = bytearray()
        self._gaps, self._packed, self._plain = bytearray(), bytearray(), bytearray()
        self._whole = bytearray()

    def write(self, bits: Bits, run: str) -> None:
        """Add a run."""
        self._whole += np.packbits(bits).tobytes()
        if run != "first":
            self._plain += np.packbits(bits).tobytes()
            return
        share = float(bits.mean()) if len(bits) else 0.5
        form = _GAPS if share <= _SPARSE else _PACKED if share <= _UNEVEN else _PLAIN
        self._forms.append(form)
        if form == _GAPS:
            self._gaps += gaps_of(bits)
        else:
            stream = self._packed if form == _PACKED else self._plain
            stream += np.packbits(bits).tobytes()

    def done(self) -> bytes:
        """Return the sizes of two frames, the frames, and the third stream; or one frame."""
        whole = _size(_WHOLE) + compress(bytes(self._whole))
        first = compress(bytes(self._forms + self._gaps)) if set(self._forms) - {_PACKED} else b""
        second = compress(bytes(self._packed)) if self._packed else b""
        if max(len(first), len(second)) >= _WHOLE:
            return whole
        return min(b"".join([_size(len(first)), _size(len(second)), first, second, self._plain]), whole, key=len)


class StreamReader:
    """Reads runs of bits that a `StreamWriter` sorted."""

    def __init__(self, data: bytes, cells: int, most: int) -> None:
        """Read from the data.

        Args:
            data: as a writer makes them.
            cells: how many cells they hold.
            most: the bytes that all runs have when packed.

        Raises:
            ChunkError: the data are too short, or a frame is none or too large.
        """
        if data[:2] == _size(_WHOLE):
            self._forms, self._cell = bytes([_PACKED]) * cells, 0
            self._gaps, self._at = np.zeros(0, np.uint8), 0
            self._packed = self._plain = BitReader(expand(data[2:], most))
            return
        if len(data) < 4:
            raise ChunkError(f"a chunk must begin with the sizes of two frames, got {len(data)} bytes")
        first, second = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little")
        if 4 + first + second > len(data):
            raise ChunkError(f"a chunk must have two frames of {first} and {second} bytes, got {len(data) - 4}")
        # without a first frame there are no gaps: all first runs are packed
        gaps = _frame(data[4 : 4 + first], cells + most) if first else bytes([_PACKED]) * cells
        if len(gaps) < cells:
            raise ChunkError(f"a chunk must say of {cells} cells where they are, got {len(gaps)}")
        self._forms, self._cell = gaps[:cells], 0
        self._gaps, self._at = np.frombuffer(gaps, np.uint8), cells
        self._packed = BitReader(_frame(data[4 + first : 4 + first + second], most) if second else b"")
        self._plain = BitReader(data[4 + first + second :])

    def __call__(self, count: int, run: str) -> Bits:
        """Return the next run of bits; [count].

        Raises:
            ChunkError: a stream ends before, or is malformed.
        """
        if run != "first":
            return self._plain(count, run)
        form = self._forms[self._cell]
        self._cell += 1
        if form == _GAPS:
            bits, self._at = _read_gaps(self._gaps, self._at, count)
            return bits
        if form not in (_PACKED, _PLAIN):
            raise ChunkError(f"a run must be in stream {_PLAIN}, {_PACKED} or {_GAPS}, got {form}")
        return self._packed(count, run) if form == _PACKED else self._plain(count, run)

    def finish(self) -> None:
        """Check that everything was read.

        Raises:
            ChunkError: bytes are left.
        """
        if self._at != len(self._gaps):
            raise ChunkError(f"a chunk must hold {self._at} bytes of gaps, got {len(self._gaps)}")
        self._packed.finish()
        self._plain.finish()


def _size(count: int) -> bytes:
    """Return a size as it is written."""
    return count.to_bytes(2, "little")


def gaps_of(bits: Bits) -> bytes:
    """Return the gaps before the ones of a run, and before one that stands behind its end."""
    ones = np.append(np.flatnonzero(bits), len(bits))
    gaps = np.diff(ones, prepend=-1) - 1
    full, rest = gaps // _FULL, gaps % _FULL
    made = np.full(int(full.sum()) + len(gaps), _FULL, np.uint8)
    made[np.cumsum(full + 1) - 1] = rest
    return made.tobytes()


def _read_gaps(stream: NDArray[np.uint8], at: int, count: int) -> tuple[Bits, int]:
    """Return a run whose gaps begin at a place of the stream, and the place behind them.

    Raises:
        ChunkError: the stream ends before, or a gap leads beyond the end of the run.
    """
    window = _WINDOW
    while True:
        part = stream[at : at + window]
        one = part != _FULL
        ends = np.cumsum(part.astype(np.int64) + one)  # how many bits each byte has told of
        last = int(np.searchsorted(ends, count + 1))
        if last < len(part) or at + window >= len(stream):
            break
        window *= 4
    if last >= len(part) or ends[last] != count + 1 or not one[last]:
        raise ChunkError(f"gaps must end behind a run of {count} bits, got others")
    bits = np.zeros(count + 1, bool)
    bits[ends[: last + 1][one[: last + 1]] - 1] = True
    return bits[:count], at + last + 1


def _frame(data: bytes, most: int) -> bytes:
    """Return the content of a frame.

    Raises:
        ChunkError: it is none, or states a larger content than there can be.
    """
    size = stated_bytes(data)
    if size > most:
        raise ChunkError(f"a chunk's frame must hold at most {most} bytes, got {size}")
    return expand(data, size)
