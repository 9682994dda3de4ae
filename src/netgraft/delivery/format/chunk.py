"""Chunks: immutable bytes that hold some cells, addressed by their SHA-256.

A chunk is checked from the outside in: its size, its hash, the size of its content, the hash of its content, its form.
Only then do the cells count. A tolerant chunk holds raw cells and is checked for its size alone: its bits may be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.format.codec import RangeReader, RangeWriter
from netgraft.delivery.format.planes import (
    BitReader,
    Bits,
    Cell,
    Cells,
    Numbers,
    pack_cell,
    pack_raw,
    read_cell,
    read_raw,
    size_bounds,
    split_cell,
)
from netgraft.delivery.format.streams import StreamReader, StreamWriter
from netgraft.errors import ChunkError
from netgraft.records import sha256_hex

MOST_BYTES = 65_536
MOST_DECODED = 1 << 24
Codec = Literal["raw", "zstd", "range"]
Protection = Literal["exact", "tolerant"]


@dataclass(frozen=True)
class ChunkRow:
    """What the head says about a chunk.

    Attributes:
        sha256: of its bytes, 64 hexadecimal digits; its address.
        bytes: how many it has.
        decoded_sha256: of the bytes of its cells in order.
        decoded_bytes: how many these are.
        codec: how they are made smaller.
        protection: ``exact``, or ``tolerant`` of wrong bits.
        cells: the regions and planes it holds, in order.
    """

    sha256: str
    bytes: int
    decoded_sha256: str
    decoded_bytes: int
    codec: Codec
    protection: Protection
    cells: tuple[Cell, ...]


def encode_chunk(
    cells: Sequence[Cell],
    codes: Mapping[int, Numbers],
    *,
    codecs: Sequence[str] = ("zstd",),
    signs: frozenset[Cell] | None = None,
) -> tuple[ChunkRow, bytes]:
    """Return a chunk of some cells: what the head says about it, and its bytes.

    Args:
        cells: regions and planes in order.
        codes: by region, signed magnitudes.
        codecs: ways that may be used; the smallest result is taken, raw if none is smaller.
        signs: None for an exact chunk; for a tolerant one, the cells that begin with signs.
    """
    if signs is not None:
        whole = b"".join(pack_raw(codes[r], p, signs=(r, p) in signs) for r, p in cells)
        return _row(cells, whole, whole, "raw", "tolerant"), whole
    whole = b"".join(pack_cell(codes[r], p) for r, p in cells)
    best: tuple[bytes, Codec] = (whole, "raw")
    if "zstd" in codecs and len(small := _written(cells, codes, StreamWriter())) < len(best[0]):
        best = small, "zstd"
    if "range" in codecs and len(small := _written(cells, codes, RangeWriter())) < len(best[0]):
        best = small, "range"
    return _row(cells, whole, best[0], best[1], "exact"), best[0]


def decode_chunk(row: ChunkRow, data: bytes, cells: Cells, lost: NDArray[np.bool_] | None = None) -> bool:
    """Add the cells of a chunk to those that are known, all of them or none.

    Args:
        row: what the head says about it.
        data: its bytes.
        cells: what is known so far; the chunk's cells must come next.
        lost: bool [bytes], which bytes of a tolerant chunk are missing; None if none is known to be.

    Returns:
        Whether the bytes are those that the head names: always for an exact chunk.

    Raises:
        ChunkError: size, hash, content or form are wrong, or cells before these are missing.
    """
    whole = check_bytes(row, data)
    if row.protection == "tolerant":
        _read_tolerant(row, data, cells, lost)
        return whole
    known = cells.begun(row.cells)
    if row.codec == "raw":
        _check_content(row, data)
        _read_content(row, data, known)
    else:
        few = len(row.cells)
        bits = RangeReader(data, 2 * few) if row.codec == "range" else StreamReader(data, few, row.decoded_bytes)
        _check_content(row, _read_runs(row, bits, known))
    cells.take(known)
    return True


def decode_content(row: ChunkRow, content: bytes, cells: Cells) -> None:
    """Add the cells of an exact chunk whose decoded bytes came by another way than its own encoding.

    Raises:
        ChunkError: size, hash or form are wrong, or cells before these are missing.
    """
    _check_content(row, content)
    known = cells.begun(row.cells)
    _read_content(row, content, known)
    cells.take(known)


def check_bytes(row: ChunkRow, data: bytes) -> bool:
    """Check the size and the hash of a chunk's bytes before anything reads them; return whether the hash is right.

    Raises:
        ChunkError: the size is wrong, or the hash of an exact chunk.
    """
    if len(data) != row.bytes:
        raise ChunkError(f"chunk {row.sha256[:12]} must have {row.bytes} bytes, got {len(data)}")
    found = sha256_hex(data)
    if found != row.sha256 and row.protection == "exact":
        raise ChunkError(f"chunk {row.sha256[:12]} must have this SHA-256, got {found[:12]}")
    return found == row.sha256


def content_bounds(
    cells: Sequence[Cell], sizes: Sequence[int], *, signs: frozenset[Cell] | None = None
) -> tuple[int, int]:
    """Return the fewest and the most bytes that cells can have; ``signs`` as in `encode_chunk`."""
    raw = signs is not None
    least = most = 0
    for cell in cells:
        low, high = size_bounds(sizes[cell[0]], raw=raw, signs=raw and cell in (signs or ()))
        least, most = least + low, most + high
    return least, most


def _row(cells: Sequence[Cell], content: bytes, data: bytes, codec: Codec, protection: Protection) -> ChunkRow:
    """Return what the head says about a chunk."""
    address = sha256_hex(data)
    decoded = address if data is content else sha256_hex(content)
    return ChunkRow(address, len(data), decoded, len(content), codec, protection, tuple(cells))


def _check_content(row: ChunkRow, content: bytes) -> None:
    """Check the decoded bytes.

    Raises:
        ChunkError: size or hash are wrong.
    """
    if len(content) != row.decoded_bytes:
        raise ChunkError(f"chunk {row.sha256[:12]} must hold {row.decoded_bytes} bytes, got {len(content)}")
    found = sha256_hex(content)
    if found != row.decoded_sha256:
        raise ChunkError(
            f"chunk {row.sha256[:12]} must hold bytes of SHA-256 {row.decoded_sha256[:12]}, got {found[:12]}"
        )


def _read_content(row: ChunkRow, content: bytes, cells: Cells) -> None:
    """Read decoded bytes into the cells."""
    bits = BitReader(content)
    for cell in row.cells:
        _expect(cells, cell)
        read_cell(cells, cell, bits)
    bits.finish()


def _read_runs(row: ChunkRow, bits: RangeReader | StreamReader, cells: Cells) -> bytes:
    """Read coded runs into the cells and return the decoded bytes."""
    made: list[bytes] = []
    for cell in row.cells:
        _expect(cells, cell)
        made += [np.packbits(run).tobytes() for run in read_cell(cells, cell, bits)]
    bits.finish()
    return b"".join(made)


def _read_tolerant(row: ChunkRow, data: bytes, cells: Cells, lost: NDArray[np.bool_] | None) -> None:
    """Read raw cells, whatever their bits are.

    Raises:
        ChunkError: a cell is not the next one, or what is missing is told of another number of bytes.
    """
    if lost is not None and lost.shape != (len(data),):
        raise ChunkError(f"what is missing must be told of {len(data)} bytes, got {lost.size}")
    known = cells.begun(row.cells)
    bits = BitReader(data, strict=False)
    missing = None if lost is None else BitReader(np.where(lost, 0xFF, 0).astype(np.uint8).tobytes(), strict=False)
    for cell in row.cells:
        _expect(known, cell)
        read_raw(known, cell, bits, missing)
    bits.finish()
    cells.take(known)


def _expect(cells: Cells, cell: Cell) -> None:
    """Check that a cell is the next one of its region.

    Raises:
        ChunkError: it is not.
    """
    if not cells.expects(*cell):
        raise ChunkError(f"plane {cell[1]} of region {cell[0]} must come after the planes above it, got it before")


def _written(cells: Sequence[Cell], codes: Mapping[int, Numbers], writer: RangeWriter | StreamWriter) -> bytes:
    """Return cells as a writer codes them."""
    for region, plane in cells:
        runs: tuple[Bits, Bits, Bits] = split_cell(codes[region], plane)
        for bits, run in zip(runs, ("first", "later", "sign"), strict=True):
            writer.write(bits, run)
    return writer.done()
