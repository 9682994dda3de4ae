"""The table of cuts and the differences to the parent in a head's document, and what follows from shape and chunks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.chunk_table import chunks_to_json, read_chunks
from netgraft.delivery.format.coverage import Coverage, check_sizes, cut_cells, cut_regions
from netgraft.delivery.format.head import CutRow, Delta
from netgraft.delivery.format.reading import Fields, integer, number, text
from netgraft.errors import HeadError
from netgraft.runtime.grid import MOST_PLANES, Grid
from netgraft.runtime.shapes import Shape, cost

MOST_CUTS = 64
_LEAST_ACCURACY = -1e9


def cuts_to_json(cuts: Sequence[CutRow]) -> dict[str, Any]:
    """Return the table of cuts as JSON values."""
    keys = ("depth", "shell", "planes", "accuracy", "low", "high")
    return {key: [getattr(row, key) for row in cuts] for key in keys} | {"chain": [int(row.chain) for row in cuts]}


def deltas_to_json(deltas: Sequence[Delta]) -> list[dict[str, Any]]:
    """Return the differences to the parent as JSON values."""
    return [{"cut": delta.cut, "chunks": chunks_to_json(delta.chunks)} for delta in deltas]


def cut_id(depth: int, shell: int, planes: int) -> str:
    """Return the id of a cut."""
    return f"d{depth}s{shell}p{planes}"


def read_cuts(
    value: Any, shape: Shape, grid: Grid, chunks: Sequence[ChunkRow], coverage: Coverage
) -> tuple[CutRow, ...]:
    """Return the table of cuts, with what follows from the shape and the chunks.

    Raises:
        HeadError: a cut does not exist, is there twice or not covered, a figure is out of range, or the chain is none.
    """
    fields = Fields(value, "a head's cuts")
    depths = fields.list("depth", MOST_CUTS, 1)
    keys = ("shell", "planes", "accuracy", "low", "high", "chain")
    columns = {key: fields.list(key, len(depths), len(depths)) for key in keys}
    fields.done()
    made = []
    for at, depth_ in enumerate(depths):
        depth = integer(depth_, "a cut's depth", shape.least_depth, shape.depth)
        shell = integer(columns["shell"][at], "a cut's shell", 0, shape.shells - 1 if depth else 0)
        planes = integer(columns["planes"][at], "a cut's planes", 1, grid.planes)
        accuracy = number(columns["accuracy"][at], "a cut's accuracy", _LEAST_ACCURACY, 1)
        low = number(columns["low"][at], "a cut's low accuracy", _LEAST_ACCURACY, accuracy)
        high = number(columns["high"][at], "a cut's high accuracy", accuracy, 1)
        chain = bool(integer(columns["chain"][at], "a cut's chain", 0, 1))
        made.append(cut_row((depth, shell, planes), (accuracy, low, high), chain, shape, grid, chunks, coverage))
    if len({row.id for row in made}) != len(made):
        raise HeadError("a head's cuts must be different, got one twice")
    chain_ = [row for row in made if row.chain]
    for inner, outer in pairwise(chain_):
        if not (inner.depth <= outer.depth and inner.shell <= outer.shell and inner.planes <= outer.planes):
            raise HeadError(f"a cut of the chain must be contained in the next, got {inner.id} and {outer.id}")
    return tuple(made)


def cut_row(
    cut: tuple[int, int, int],
    judged: tuple[float, float, float],
    chain: bool,
    shape: Shape,
    grid: Grid,
    chunks: Sequence[ChunkRow],
    coverage: Coverage,
) -> CutRow:
    """Return the row of a cut (depth, shell, planes), with what follows from the shape and the chunks."""
    depth, shell, planes = cut
    needed = coverage.chunks_of(cut_cells(shape, depth, shell, grid.planes - planes))
    costs = cost(shape, depth, shell)
    return CutRow(
        cut_id(depth, shell, planes),
        *(depth, shell, planes),
        sum(chunks[at].bytes for at in needed),
        *judged,
        *(costs.parameters, costs.operations, costs.memory_bytes),
        needed,
        chain,
    )


def read_deltas(
    values: list[Any], parent: Any, shape: Shape, cuts: Sequence[CutRow], sizes: Sequence[int]
) -> tuple[Delta, ...]:
    """Return the differences to the parent.

    Raises:
        HeadError: there is no parent, or a cut or cell that does not exist or is there twice.
    """
    if values and parent is None:
        raise HeadError("a head with deltas must have a parent, got none")
    made = []
    known = {row.id: row for row in cuts}
    for value in values:
        fields = Fields(value, "a delta")
        cut = text(fields.any("cut"), "a delta's cut", 40)
        if cut not in known:
            raise HeadError(f"a delta's cut must be one of {', '.join(known)}, got {cut!r}")
        chunks = read_chunks(fields.any("chunks"), "a delta's chunks", len(sizes), MOST_PLANES + 1)
        fields.done()
        _check_delta(chunks, known[cut], set(cut_regions(shape.regions, known[cut].depth, known[cut].shell)), sizes)
        made.append(Delta(str(parent), cut, chunks))
    if len({delta.cut for delta in made}) != len(made):
        raise HeadError("a head's deltas must be of different cuts, got one twice")
    return tuple(made)


def _check_delta(chunks: Sequence[ChunkRow], cut: CutRow, regions: set[int], sizes: Sequence[int]) -> None:
    """Check the cells of a delta: of the cut's regions, each plane once, downwards to the lowest.

    Raises:
        HeadError: they are not.
    """
    next_plane: dict[int, int] = {}
    for row in chunks:
        if row.protection != "exact":
            raise HeadError("a delta's chunks must be exact, got a tolerant one")
        for region, plane in row.cells:
            if region not in regions:
                raise HeadError(f"a delta's regions must be those of {cut.id}, got {region}")
            if plane > cut.planes or next_plane.get(region, plane) != plane:
                raise HeadError(f"a delta's planes must come once each, from at most {cut.planes} down, got {plane}")
            next_plane[region] = plane - 1
        check_sizes(row, sizes, "a delta's chunk")
    if any(plane != -1 for plane in next_plane.values()):
        raise HeadError("a delta must have every plane of its regions down to the lowest, got some without")
