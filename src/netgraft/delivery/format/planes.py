"""Cells as bytes: one magnitude bit of every number of a region, and the signs of those that it makes more than zero.

An exact cell is three runs of bits, each packed to whole bytes with the first bit highest and zeros at the end:
for the numbers whose higher bits are all zero, whether this bit is set; for the others, this bit; for the numbers of
the first run whose bit is set, whether they are negative. Its length depends on the numbers.

A raw cell has the bit of every number, so a wrong bit spoils one number only and any bytes of the right length mean
something. The region's first raw cell begins with the signs of all its numbers; numbers that exact cells have already
made more than zero keep their sign. Where bytes are known to be missing, the numbers whose bits they held are known to
the planes above only: what came of lower planes does not count for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import ChunkError
from netgraft.runtime.grid import Codes

Bits = NDArray[np.bool_]
Cell = tuple[int, int]  # region, plane
#: Signed magnitudes in any width that holds them.
Numbers = NDArray[np.signedinteger[Any]]


@dataclass
class Cells:
    """The cells of some regions that are known so far.

    Attributes:
        sizes: how many numbers each region has.
        planes: bits of a magnitude, or None where each region begins at a plane of its own (differences of versions).
        codes: by region, int32 signed magnitudes made of the known planes.
        lowest: by region, the lowest plane known.
        signs: by region, the signs that its first raw cell gave.
        floors: by region, the lowest plane that counts of each number, int8 [n]; of regions that lost bits only.
    """

    sizes: Sequence[int]
    planes: int | None
    codes: dict[int, Codes] = field(default_factory=dict)
    lowest: dict[int, int] = field(default_factory=dict)
    signs: dict[int, Bits] = field(default_factory=dict)
    floors: dict[int, NDArray[np.int8]] = field(default_factory=dict)

    def begun(self, cells: Sequence[Cell]) -> Cells:
        """Return copies of what these cells change, so that a chunk that fails half-way changes nothing."""
        regions = {region for region, _ in cells}
        return Cells(
            self.sizes,
            self.planes,
            {r: self.codes[r].copy() for r in regions if r in self.codes},
            {r: self.lowest[r] for r in regions if r in self.lowest},
            {r: self.signs[r] for r in regions if r in self.signs},
            {r: self.floors[r].copy() for r in regions if r in self.floors},
        )

    def take(self, other: Cells) -> None:
        """Take over the regions of another."""
        self.codes |= other.codes
        self.lowest |= other.lowest
        self.signs |= other.signs
        self.floors |= other.floors

    def expects(self, region: int, plane: int) -> bool:
        """Return whether a cell is the next of its region."""
        if region not in self.lowest:
            return self.planes is None or plane == self.planes - 1
        return plane == self.lowest[region] - 1

    def known(self, region: int) -> Codes:
        """Return a region's codes so far, zeros if nothing is known; int32 [n]."""
        if region not in self.codes:
            self.codes[region] = np.zeros(self.sizes[region], np.int32)
        return self.codes[region]

    def lose(self, region: int, numbers: Bits, plane: int) -> None:
        """Note that a plane of some of a region's numbers [n] is missing, so that no lower one counts for them."""
        if numbers.any():
            floors = self.floors.setdefault(region, np.zeros(self.sizes[region], np.int8))
            floors[numbers] = np.maximum(floors[numbers], plane + 1)


def split_cell(codes: Numbers, plane: int) -> tuple[Bits, Bits, Bits]:
    """Return the runs of an exact cell: first bits, later bits, signs of those that the first bits make more than 0."""
    magnitude = np.abs(codes)
    later = magnitude >= 2 << plane
    bit = magnitude & (1 << plane) > 0
    if not later.any():
        return bit, bit[:0], codes[bit] < 0
    return bit[~later], bit[later], codes[~later & bit] < 0


def pack_cell(codes: Numbers, plane: int) -> bytes:
    """Return an exact cell as bytes."""
    return b"".join(np.packbits(run).tobytes() for run in split_cell(codes, plane))


def pack_raw(codes: Numbers, plane: int, *, signs: bool) -> bytes:
    """Return a raw cell as bytes, with the signs of all numbers before it or not."""
    bit = np.packbits(np.abs(codes) & (1 << plane) > 0).tobytes()
    return (np.packbits(codes < 0).tobytes() if signs else b"") + bit


def read_cell(cells: Cells, cell: Cell, bits: Callable[[int, str], Bits]) -> tuple[Bits, Bits, Bits]:
    """Read an exact cell into the cells and return its three runs.

    Args:
        cells: what is known so far.
        cell: the next one of its region.
        bits: gives the next so many bits of a run named ``first``, ``later`` or ``sign``.
    """
    codes, step = cells.known(cell[0]), np.int32(1 << cell[1])
    (unset,), (grown,) = (codes == 0).nonzero(), codes.nonzero()
    first = bits(len(unset), "first")
    later = bits(len(grown), "later")
    signs = bits(int(np.count_nonzero(first)), "sign")
    grown = grown[later]
    before = codes[grown]
    codes[grown] = before + np.where(before < 0, -step, step)
    codes[unset[first]] = np.where(signs, -step, step)
    cells.lowest[cell[0]] = cell[1]
    return first, later, signs


def read_raw(
    cells: Cells, cell: Cell, bits: Callable[[int, str], Bits], lost: Callable[[int, str], Bits] | None = None
) -> None:
    """Read a raw cell into the cells; the region's first one begins with signs.

    Args:
        cells: what is known so far.
        cell: the next one of its region.
        bits: gives the next so many bits.
        lost: gives which of the same bits are missing, if any are.
    """
    region, plane = cell
    codes = cells.known(region)
    if region not in cells.signs:
        cells.signs[region] = bits(len(codes), "sign")
        if lost is not None:
            cells.lose(region, lost(len(codes), "sign") & (codes == 0), plane)
    if lost is not None:
        cells.lose(region, lost(len(codes), "first"), plane)
    below = (codes < 0) | ((codes == 0) & cells.signs[region])
    codes += np.where(below, -1, 1).astype(np.int32) * (bits(len(codes), "first").astype(np.int32) << plane)
    cells.lowest[region] = plane


class BitReader:
    """Reads runs of bits, each packed to whole bytes."""

    def __init__(self, data: bytes, *, strict: bool = True) -> None:
        """Read from the data.

        Args:
            data: runs, one after the other.
            strict: whether bits after the end of a run must be zero.
        """
        self._data, self._at, self._strict = np.frombuffer(data, np.uint8), 0, strict

    def __call__(self, count: int, run: str) -> Bits:
        """Return the next bits; [count].

        Raises:
            ChunkError: the data end before, or bits after the end of the run are set.
        """
        end = self._at + (count + 7) // 8
        if end > len(self._data):
            raise ChunkError(f"a chunk must hold {end} bytes of {run} bits, got {len(self._data)}")
        bits = np.unpackbits(self._data[self._at : end]).view(bool)
        if count % 8 and self._strict and bits[count:].any():
            raise ChunkError(f"a chunk must have zeros after a run of {run} bits, got ones")
        self._at = end
        return bits[:count]

    def finish(self) -> None:
        """Check that everything was read.

        Raises:
            ChunkError: bytes are left.
        """
        if self._at != len(self._data):
            raise ChunkError(f"a chunk must hold {self._at} bytes of cells, got {len(self._data)}")


@lru_cache(maxsize=4_096)
def size_bounds(size: int, *, raw: bool, signs: bool) -> tuple[int, int]:
    """Return the fewest and the most bytes of a cell.

    Args:
        size: numbers of the region.
        raw: whether the cell is raw.
        signs: whether a raw cell begins with signs.
    """
    whole = (size + 7) // 8
    if raw:
        return (whole * (1 + signs),) * 2
    return whole, 2 * whole + 2
