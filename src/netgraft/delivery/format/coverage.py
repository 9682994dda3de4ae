"""Which chunks a cut needs, and whether the chunks of a table hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netgraft.delivery.format.chunk import MOST_BYTES, MOST_DECODED, ChunkRow, content_bounds
from netgraft.delivery.format.planes import Cell
from netgraft.errors import HeadError
from netgraft.runtime.nested import Region
from netgraft.runtime.shapes import Shape


@dataclass(frozen=True)
class Coverage:
    """Where each cell is, and what each chunk builds on.

    Attributes:
        place: the chunk that holds a cell.
        below: for each chunk, the chunks that must be known before it, all the way down, as a set of bits.
    """

    place: dict[Cell, int]
    below: tuple[int, ...]

    def chunks_of(self, cells: Sequence[Cell]) -> tuple[int, ...]:
        """Return the chunks that some cells need, in order.

        Raises:
            HeadError: a cell is in no chunk.
        """
        needed = 0
        for cell in cells:
            if cell not in self.place:
                raise HeadError(f"a chunk must hold plane {cell[1]} of region {cell[0]}, which a cut needs, got none")
            at = self.place[cell]
            needed |= self.below[at] | 1 << at
        return tuple(at for at in range(len(self.below)) if needed >> at & 1)


def cover(chunks: Sequence[ChunkRow], sizes: Sequence[int], planes: int) -> Coverage:
    """Return where the cells of chunks are.

    Args:
        chunks: in order.
        sizes: how many numbers each region has.
        planes: bits of a magnitude.

    Raises:
        HeadError: a cell does not exist, is there twice or before the planes above it, an exact one is below a
            tolerant one, or a chunk's sizes cannot be those of its cells.
    """
    place: dict[Cell, int] = {}
    below: list[int] = []
    tolerant: set[int] = set()
    for at, row in enumerate(chunks):
        built_on, signs = 0, set[Cell]()
        for cell in row.cells:
            region, plane = cell
            above = place.get((region, plane + 1), -1)
            if cell in place or (above < 0 and plane != planes - 1) or not (0 <= region < len(sizes) and plane >= 0):
                raise _misplaced(cell, len(sizes), planes, place)
            if above not in (-1, at):
                built_on |= below[above] | 1 << above
            if row.protection == "exact" and region in tolerant:
                raise HeadError(
                    f"planes of region {region} below a tolerant one must be tolerant, got chunk {at} exact"
                )
            if row.protection == "tolerant" and region not in tolerant:
                signs.add((region, plane))
                tolerant.add(region)
            place[cell] = at
        below.append(built_on)
        check_sizes(row, sizes, f"chunk {at}", frozenset(signs) if row.protection == "tolerant" else None)
    return Coverage(place, tuple(below))


def check_sizes(row: ChunkRow, sizes: Sequence[int], where: str, signs: frozenset[Cell] | None = None) -> None:
    """Check that a chunk's sizes can be those of its cells.

    Raises:
        HeadError: they cannot.
    """
    least, most = content_bounds(row.cells, sizes, signs=signs)
    if not least <= row.decoded_bytes <= min(most, MOST_DECODED):
        raise HeadError(
            f"{where} must hold {least} to {min(most, MOST_DECODED)} bytes of cells, got {row.decoded_bytes}"
        )
    largest = min(MOST_BYTES, row.decoded_bytes)
    if row.codec == "raw" and row.bytes != row.decoded_bytes:
        raise HeadError(f"{where} is raw and must have {row.decoded_bytes} bytes, got {row.bytes}")
    if not 1 <= row.bytes <= largest:
        raise HeadError(f"{where} must have 1 to {largest} bytes, got {row.bytes}")


def cut_regions(regions: Sequence[Region], depth: int, shell: int) -> list[int]:
    """Return the regions of a cut."""
    return [at for at, region in enumerate(regions) if region.depth <= depth and region.shell <= shell]


def cut_cells(shape: Shape, depth: int, shell: int, lowest: int) -> list[Cell]:
    """Return the lowest cell of each region of a cut; these build on all others."""
    return [(region, lowest) for region in cut_regions(shape.regions, depth, shell)]


def _misplaced(cell: Cell, regions: int, planes: int, place: dict[Cell, int]) -> HeadError:
    """Return why a chunk's next cell cannot be: there is none such, it is there already, or the one above is not."""
    region, plane = cell
    if not (0 <= region < regions and 0 <= plane < planes):
        return HeadError(f"a cell must be of {regions} regions and {planes} planes, got {region} and {plane}")
    if cell in place:
        return HeadError(f"plane {plane} of region {region} must be in one chunk, got it twice")
    return HeadError(f"plane {plane} of region {region} must come after the plane above it, got it before")
