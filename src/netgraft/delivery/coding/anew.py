"""A cut made anew from the float32 numbers of a root: what a server does for a cut of which no chunks were prepared.

A published root has chunks, and a cut of it is a selection of them. This is the way for everything else: the cut's
numbers are taken out, put on the grid and packed in raw planes, without an entropy code, which is most of the time that
publishing takes. The highest plane is exact, as it has to be; the others are read as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.format.chain import Triple
from netgraft.delivery.format.chunk import MOST_BYTES, ChunkRow, encode_chunk
from netgraft.delivery.format.coverage import cut_regions
from netgraft.delivery.format.planes import Cell
from netgraft.errors import ModelError
from netgraft.runtime.grid import Grid, quantise
from netgraft.runtime.shapes import Shape


def cut_anew(
    shape: Shape, tensors: Mapping[str, NDArray[Any]], cut: Triple, grid: Grid
) -> Iterator[tuple[ChunkRow, bytes]]:
    """Yield the chunks of a cut, region after region.

    Args:
        shape: of the nested network.
        tensors: its coded tensors by name, float32.
        cut: which of its cuts.
        grid: the common step and the planes, of which the cut has the highest.

    Raises:
        ModelError: there is no such depth, shell or number of planes.
    """
    depths, shells = (shape.least_depth, shape.depth), shape.shells
    if not (depths[0] <= cut.depth <= depths[1] and 0 <= cut.shell < shells and 1 <= cut.planes <= grid.planes):
        raise ModelError(
            f"a cut of depth {depths[0]} to {depths[1]}, shell 0 to {shells - 1} and 1 to {grid.planes} planes "
            f"is required, got {cut.depth}, {cut.shell} and {cut.planes}"
        )
    flat = {name: np.asarray(tensors[name]).reshape(-1) for name in shape.coded}
    for at in cut_regions(shape.regions, cut.depth, cut.shell):
        region = shape.regions[at]
        # the places are the shape's own: no check of each
        numbers = flat[region.tensor].take(region.indices, mode="clip")
        codes = {at: quantise(numbers, grid.step, grid.planes).astype(np.int16)}  # half the memory to go through
        top = grid.planes - 1
        yield encode_chunk([(at, top)], codes, codecs=())
        lower = [(at, plane) for plane in range(top - 1, top - cut.planes, -1)]
        for cells in _parts(lower, len(codes[at])):
            yield encode_chunk(cells, codes, signs=frozenset({(at, top - 1)}))


def _parts(cells: list[Cell], size: int) -> Iterator[list[Cell]]:
    """Yield the raw cells of a region in chunks that are not too large; the first has signs, too."""
    most = MOST_BYTES // ((size + 7) // 8)
    start, end = 0, most - 1
    while start < len(cells):
        yield cells[start:end]
        start, end = end, end + most
