"""Differences between two versions on one grid: small whole numbers, sent like any other cells.

A difference is taken between signed magnitudes cut off at a cut's lowest plane, so it brings a device that holds that
cut of the parent to the same cut of this version, bit for bit; the hashes of the plain chunks' contents prove it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netgraft.delivery.format.chunk import MOST_BYTES, ChunkRow, decode_chunk, encode_chunk
from netgraft.delivery.format.planes import Cell, Cells
from netgraft.errors import ChunkError
from netgraft.runtime.grid import Codes


def cut_off(codes: Codes, lowest: int) -> Codes:
    """Return signed magnitudes without the planes below the lowest, in units of it; int32."""
    return np.where(codes < 0, -(np.abs(codes) >> lowest), np.abs(codes) >> lowest).astype(np.int32)


def encode_delta(
    before: Mapping[int, Codes], after: Mapping[int, Codes], *, lowest: int, codecs: Sequence[str] = ("zstd",)
) -> list[tuple[ChunkRow, bytes]]:
    """Return the chunks that turn the codes of some regions into others.

    Args:
        before: by region, int32 signed magnitudes.
        after: the same, of the same regions.
        lowest: the lowest plane of the cut.
        codecs: as for `encode_chunk`.
    """
    changed = {r: cut_off(after[r], lowest) - cut_off(before[r], lowest) for r in sorted(after)}
    changed = {r: difference for r, difference in changed.items() if difference.any()}
    return _split(list(changed), changed, codecs) if changed else []


def apply_delta(
    rows: Sequence[ChunkRow],
    data: Sequence[bytes],
    before: Mapping[int, Codes],
    *,
    sizes: Sequence[int],
    lowest: int,
    planes: int,
) -> dict[int, Codes]:
    """Return the codes that differences make; int32 by region.

    Args:
        rows: what the head says about the chunks.
        data: their bytes, in order.
        before: by region, the parent's codes.
        sizes: how many numbers each region has.
        lowest: the lowest plane of the cut.
        planes: how many planes the cut has.

    Raises:
        ChunkError: a chunk is missing or wrong, or a result is larger than the grid.
    """
    if len(rows) != len(data):
        raise ChunkError(f"a delta must come in {len(rows)} chunks, got {len(data)}")
    cells = Cells(sizes, None)
    for row, each in zip(rows, data, strict=True):
        decode_chunk(row, each, cells)
    made = {}
    for region, codes in before.items():
        whole = cut_off(codes, lowest) + cells.codes.get(region, np.int32(0))
        if (np.abs(whole) >= 2**planes).any():
            raise ChunkError(f"a delta must lead to magnitudes below {2**planes}, got {int(np.abs(whole).max())}")
        made[region] = np.asarray(np.sign(whole) * (np.abs(whole) << lowest), np.int32)
    return made


def _split(regions: list[int], changed: Mapping[int, Codes], codecs: Sequence[str]) -> list[tuple[ChunkRow, bytes]]:
    """Return the chunks of some regions: one, or those of each half where one would be too large."""
    cells = [cell for region in regions for cell in _cells(region, changed[region])]
    made = [encode_chunk(each, changed, codecs=codecs) for each in (cells, sorted(cells, key=lambda c: (-c[1], c[0])))]
    row, data = min(made, key=lambda pair: pair[0].bytes)
    if row.bytes <= MOST_BYTES or len(regions) == 1:
        return [(row, data)]
    half = len(regions) // 2
    return [*_split(regions[:half], changed, codecs), *_split(regions[half:], changed, codecs)]


def _cells(region: int, difference: Codes) -> list[Cell]:
    """Return the cells of a region's differences, from the highest plane that is used."""
    top = int(np.abs(difference).max()).bit_length() - 1
    return [(region, plane) for plane in range(top, -1, -1)]
