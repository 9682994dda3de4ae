"""The tables of a head: which cuts it offers, which chunks they need, and what each takes, to the byte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netgraft.delivery.coding.root import CodedRoot
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.chain import Judged, Triple, choose_chain, cut_bytes, extend_chain, not_beaten, thinned
from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.coverage import cover
from netgraft.delivery.format.cut_table import cut_row
from netgraft.delivery.format.head import CutRow
from netgraft.delivery.format.layout import cells_of, chain_chunks, other_chunks
from netgraft.delivery.format.planes import Cell

_TARGET_BYTES = 16_384
_SMALL_BYTES = 131_072
_LEAST_TARGET = 1_024
_FIRST_BYTES = 512  # the first chunk travels with the head, and the first model answers when both are there
_LEAST_DIVIDED = 4
_PIECE_BYTES = 12_288
_ROW_BYTES = 12  # of one cut in the document, about
_TABLE_SHARE = 0.02
_LEAST_CUTS = 12
Judgement = Mapping[Triple, Judged]


@dataclass(frozen=True)
class Tables:
    """The tables of a head, and the chunks they name.

    Attributes:
        cuts: the chain, then the others by size.
        chunks: along the chain, then what the others need.
        data: bytes of the chunks by their SHA-256.
    """

    cuts: tuple[CutRow, ...]
    chunks: tuple[ChunkRow, ...]
    data: dict[str, bytes]


def make_tables(root: CodedRoot, judged: Judgement, parent: Assembly | None) -> Tables:
    """Return the tables of a root.

    A parent's chunks keep their cells and its chain goes on, so that what was a cut remains one.

    Args:
        root: on its grid.
        judged: every cut.
        parent: the version before, of the same network, or None.
    """
    regions, planes = root.shape.regions, root.grid.planes
    before = [] if parent is None else chain_of(parent)
    chain = extend_chain(before, judged) if before else choose_chain(judged, root.recipe.usable_share)
    whole = cut_bytes(chain[-1], regions, root.sizes)
    target, piece = _targets(root.recipe.target_bytes, whole)
    laid: list[list[Cell]] = [] if parent is None else [list(row.cells) for row in parent.opened.head.chunks]
    held, steps = {cell for cells in laid for cell in cells}, list[set[Cell]]()
    for cut in chain[len(before) :]:
        steps.append(cells_of(cut, regions, planes) - held)
        held |= steps[-1]

    def size(cell: Cell) -> float:
        return float(root.sizes[cell])

    is_new = root.recipe.target_bytes is None and not laid
    first = _FIRST_BYTES if is_new and whole >= _LEAST_DIVIDED * _FIRST_BYTES else math.inf
    more, ends = chain_chunks(steps, size, target_bytes=target, piece_bytes=piece, first_bytes=first)
    kept = thinned([*before, *(chain[len(before) + at] for at in ends)], judged, root.recipe.most_cuts)
    most = min(root.recipe.most_cuts, max(_LEAST_CUTS, int(_TABLE_SHARE * whole / _row_bytes(root))))
    beside = thinned(not_beaten(root.shape, judged, kept), judged, most - len(kept))
    sets = {cut: cells_of(cut, regions, planes) for cut in beside}
    laid = [*laid, *more, *other_chunks(sets, held, size, target_bytes=target, piece_bytes=piece)]
    return _exact_tables(root, judged, kept, beside, *root.encode(laid))


def _targets(wanted: int | None, whole: float) -> tuple[float, float]:
    """Return about how large chunks are that hold several steps, and those of one large step.

    A part of a step is of no use, so a step is divided only where it is too large to be fetched again.
    """
    if wanted is not None:
        return wanted, wanted
    target = _TARGET_BYTES if whole >= _SMALL_BYTES else max(_LEAST_TARGET, whole / 8)
    return target, max(target, _PIECE_BYTES)


def _row_bytes(root: CodedRoot) -> int:
    """Return about how many bytes a cut takes in the head."""
    return _ROW_BYTES + 2 * root.canaries * root.shape.architecture.outputs


def _exact_tables(
    root: CodedRoot,
    judged: Judgement,
    chain: Sequence[Triple],
    beside: Sequence[Triple],
    chunks: Sequence[ChunkRow],
    data: Mapping[str, bytes],
) -> Tables:
    """Return the tables with exact sizes, without cuts that turn out to be beaten and chunks that no cut needs."""
    rows = _rows(root, judged, chain, beside, chunks)
    kept = [row for row in rows if row.chain or not _beaten(row, rows)]
    needed = sorted({at for row in kept for at in row.chunks})
    chunks = [chunks[at] for at in needed]
    last = [Triple(row.depth, row.shell, row.planes) for row in kept if not row.chain]
    cuts = tuple(_rows(root, judged, chain, last, chunks))
    return Tables(cuts, tuple(chunks), {row.sha256: data[row.sha256] for row in chunks})


def _rows(
    root: CodedRoot,
    judged: Judgement,
    chain: Sequence[Triple],
    beside: Sequence[Triple],
    chunks: Sequence[ChunkRow],
) -> list[CutRow]:
    """Return the rows of cuts: the chain, then the others by size."""
    coverage = cover(chunks, [len(codes) for codes in root.codes.values()], root.grid.planes)
    made = []
    for cut in [*chain, *beside]:
        one = judged[cut]
        figures = (one.accuracy, one.low, one.high)
        place = (cut.depth, cut.shell, cut.planes)
        made.append(cut_row(place, figures, cut in chain, root.shape, root.grid, chunks, coverage))
    return made


def chain_of(parent: Assembly) -> list[Triple]:
    """Return the chain of a version."""
    return [Triple(row.depth, row.shell, row.planes) for row in parent.opened.head.cuts if row.chain]


def _beaten(row: CutRow, rows: Sequence[CutRow]) -> bool:
    """Return whether another cut is at least as accurate, and costs no more, and one of these by far enough to tell."""
    mine = (row.bytes, row.memory_bytes, row.operations)
    for other in rows:
        theirs = (other.bytes, other.memory_bytes, other.operations)
        no_worse = other.accuracy >= row.accuracy and all(a <= b for a, b in zip(theirs, mine, strict=True))
        if no_worse and (other.accuracy, theirs) != (row.accuracy, mine):
            return True
    return False
