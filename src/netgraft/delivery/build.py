"""A root becomes a head and chunks: on one grid, judged at every cut, laid out by usefulness, with exact sizes.

The same input gives the same bytes. What goes out is what was judged: every accuracy in the table is that of the very
numbers that a device will have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.assembly import Assembly
from netgraft.delivery.chain import (
    Judged,
    Triple,
    cell_bytes,
    choose_chain,
    cut_bytes,
    every_cut,
    extend_chain,
    not_beaten,
    thinned,
)
from netgraft.delivery.chunk import MOST_BYTES, ChunkRow, encode_chunk
from netgraft.delivery.coverage import cover, cut_regions
from netgraft.delivery.delta import encode_delta
from netgraft.delivery.document import MOST_CUTS, cut_row, full_bytes
from netgraft.delivery.head import CutRow, Delta, Head, pack_arrays, pack_head
from netgraft.delivery.layout import cells_of, chain_chunks, other_chunks
from netgraft.delivery.planes import Cell, size_bounds
from netgraft.delivery.trim import trimmed_exact, trimmed_rows
from netgraft.delivery.trust import SigningKey
from netgraft.errors import HeadError
from netgraft.runtime.encoding import Encoding, Inputs
from netgraft.runtime.grid import Codes, Grid, dequantise, fit_grid, quantise
from netgraft.runtime.model import Model, Output
from netgraft.runtime.nested import NestedShape, network

Judge = Callable[[Model], tuple[float, float, float]]
_TARGET_BYTES = 16_384
_SMALL_BYTES = 131_072
_LEAST_TARGET = 1_024
_DIGITS = 5
_CANARY_NUMBERS = 4
_ROW_BYTES = 12  # of one cut in the document, about
_TABLE_SHARE = 0.02
_LEAST_CUTS = 12
_DELTA_ROW_BYTES = 150  # of one chunk of a delta in the document, about


@dataclass(frozen=True)
class Release:
    """What a head says about itself.

    Attributes:
        name, version: of the model.
        published_s, expires_s: seconds since 1970 (UTC).
        about, lineage: JSON values.
        licence: of the model, or None.
    """

    name: str
    version: int
    published_s: int
    expires_s: int
    about: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    licence: str | None = None


@dataclass(frozen=True)
class Recipe:
    """How a root is coded.

    Attributes:
        planes: bits of a magnitude; the parent's where there is one.
        step: the common step; from the largest number unless given.
        codecs: ways to make chunks smaller.
        exact_planes: how many of the highest planes are exact, the others tolerant; None for all exact.
        usable_share: the share of the best accuracy from which a cut begins the chain.
        most_cuts: rows of the table.
        target_bytes: of a chunk; from the size of the whole unless given.
        trim: whether what is sent as it is may lose bits that are finer than the grid.
    """

    planes: int = 8
    step: float | None = None
    codecs: tuple[str, ...] = ("zstd",)
    exact_planes: int | None = None
    usable_share: float = 0.8
    most_cuts: int = MOST_CUTS
    target_bytes: int | None = None
    trim: bool = True


@dataclass(frozen=True)
class Built:
    """A head that is not signed yet, and its chunks.

    Attributes:
        head: what it says.
        arrays: what it sends as it is.
        first: the bytes of chunk 0.
        chunks: every chunk by its SHA-256, those of deltas and chunk 0 included.
    """

    head: Head
    arrays: Mapping[str, NDArray[Any]]
    first: bytes
    chunks: Mapping[str, bytes]

    def pack(self, keys: Sequence[SigningKey]) -> bytes:
        """Return the head signed with some keys, as bytes."""
        return pack_head(self.head, self.arrays, self.first, keys)


def build(
    shape: NestedShape,
    tensors: Mapping[str, NDArray[Any]],
    *,
    encoding: Encoding,
    output: Output,
    judge: Judge,
    canaries: Inputs,
    release: Release,
    recipe: Recipe = Recipe(),
    parent: Assembly | None = None,
) -> Built:
    """Return a root as a head and chunks.

    Args:
        shape: of the nested network.
        tensors: its coded and exact tensors by name, float32 (``bins`` int32).
        encoding: of raw columns.
        output: what becomes of the outputs.
        judge: from a model to its accuracy (1 - error) with a low and a high end.
        canaries: encoded rows; the first few are sent with the right answers.
        release: what the head says about itself.
        recipe: how the root is coded.
        parent: an earlier version with all chunks; of the same network, its grid is kept and differences are made.

    Raises:
        HeadError: tensors are missing or do not fit, or the release says what cannot be.
        ModelError: a number is not finite.
    """
    _check_tensors(shape, tensors)
    network_json = {"kind": "nested"} | shape.to_json()
    parent = parent if parent is not None and parent.opened.head.network == network_json else None
    coder = _Coder(shape, tensors, recipe, parent)
    judged = coder.judge_all(encoding, output, judge)
    chain = coder.chain(judged, parent)
    rows, chunks, data = coder.lay(judged, chain)
    deltas, more = coder.deltas(rows, parent)
    head = Head(
        name=release.name,
        version=release.version,
        published_s=release.published_s,
        expires_s=release.expires_s,
        network=network_json,
        grid=coder.grid,
        columns=tuple(encoding.to_json()),
        output={"kind": output.kind, "classes": list(output.classes), "log1p": output.log1p},
        about=dict(release.about),
        cuts=rows,
        chunks=chunks,
        arrays=("", 0, 0),
        parent=parent.opened.sha256 if parent is not None else None,
        deltas=deltas,
        lineage=dict(release.lineage),
        licence=release.licence,
        full_bytes=full_bytes(shape, {"kind": output.kind}),
        canaries=coder.canary_rows(canaries),
    )
    arrays = coder.arrays(head, encoding, output, canaries)
    return Built(replace(head, arrays=pack_arrays(head, arrays)[1]), arrays, data[chunks[0].sha256], data | more)


class _Coder:
    """A root on its grid."""

    def __init__(
        self, shape: NestedShape, tensors: Mapping[str, NDArray[Any]], recipe: Recipe, parent: Assembly | None
    ) -> None:
        """Put the tensors on a grid: the parent's, or one of their own."""
        self._shape, self._recipe = shape, recipe
        coded = {name: np.asarray(tensors[name], np.float32) for name in shape.coded}
        self._exact = {name: np.asarray(tensors[name]) for name in shape.exact}
        used = [coded[region.tensor].reshape(-1)[region.indices] for region in shape.regions]
        self.grid: Grid = parent.opened.head.grid if parent is not None else fit_grid(used, recipe.planes, recipe.step)
        if recipe.trim:
            self._exact = trimmed_exact(self._exact, self.grid.step)
        self.codes: dict[int, Codes] = {
            at: quantise(values, self.grid.step, self.grid.planes) for at, values in enumerate(used)
        }

    @cached_property
    def _sizes(self) -> NDArray[np.float64]:
        """Return about how many bytes every cell takes; [regions, planes], the lowest plane first."""
        planes = range(self.grid.planes)
        return np.array([[self._cell_size((at, plane)) for plane in planes] for at in range(len(self.codes))])

    def _cell_size(self, cell: Cell) -> float:
        """Return about how many bytes a cell takes."""
        region, plane = cell
        if self._tolerant(cell):
            signs = plane == self.grid.planes - 1 - (self._recipe.exact_planes or 0)
            return float(size_bounds(len(self.codes[region]), raw=True, signs=signs)[0])
        return max(cell_bytes(self.codes[region], plane), 0.5)

    def _tolerant(self, cell: Cell) -> bool:
        """Return whether a cell is protected against nothing but its loss."""
        return self._recipe.exact_planes is not None and cell[1] < self.grid.planes - self._recipe.exact_planes

    def tensors(self, planes: int) -> dict[str, NDArray[Any]]:
        """Return all tensors as a device has them that holds the highest planes."""
        made: dict[str, NDArray[Any]] = {name: np.zeros(size, np.float32) for name, size in self._shape.coded.items()}
        for at, region in enumerate(self._shape.regions):
            values = dequantise(self.codes[at], self.grid, self.grid.planes - planes)
            made[region.tensor].reshape(-1)[region.indices] = values
        return made | self._exact

    def judge_all(self, encoding: Encoding, output: Output, judge: Judge) -> dict[Triple, Judged]:
        """Return every cut, judged."""
        made, held = {}, dict[int, dict[str, NDArray[Any]]]()
        for cut in every_cut(self._shape, self.grid.planes):
            if cut.planes not in held:
                held[cut.planes] = self.tensors(cut.planes)
            part = network(self._shape, held[cut.planes], cut.depth, cut.shell)
            figures = judge(Model(encoding, (part,), np.ones(1, np.float32), output))
            accuracy, low, high = (round(float(figure), _DIGITS) for figure in figures)
            size = cut_bytes(cut, self._shape.regions, self._sizes)
            made[cut] = Judged(cut, accuracy, min(low, accuracy), max(high, accuracy), size)
        return made

    def chain(self, judged: Mapping[Triple, Judged], parent: Assembly | None) -> list[Triple]:
        """Return the chain: the parent's, carried on, or one of its own."""
        if parent is not None:
            before = [Triple(row.depth, row.shell, row.planes) for row in parent.opened.head.cuts if row.chain]
            if before:
                return extend_chain(before, judged)
        return choose_chain(judged, self._recipe.usable_share)

    def lay(
        self, judged: Mapping[Triple, Judged], chain: Sequence[Triple]
    ) -> tuple[tuple[CutRow, ...], tuple[ChunkRow, ...], dict[str, bytes]]:
        """Return the table of cuts, the table of chunks, and the chunks' bytes by their SHA-256."""
        regions, planes = self._shape.regions, self.grid.planes
        whole = cut_bytes(chain[-1], regions, self._sizes)
        target = self._recipe.target_bytes or (
            _TARGET_BYTES if whole >= _SMALL_BYTES else max(_LEAST_TARGET, whole / 8)
        )
        sets = [cells_of(cut, regions, planes) for cut in chain]
        steps = [sets[0], *(after - before for before, after in pairwise(sets))]
        laid, ends = chain_chunks(steps, self._cell_size_cached, target)
        kept = [chain[at] for at in ends]
        most = min(self._recipe.most_cuts, max(_LEAST_CUTS, int(_TABLE_SHARE * whole / self._row_bytes)))
        beside = thinned(not_beaten(self._shape, judged, kept), judged, most - len(kept))
        laid += other_chunks(
            {cut: cells_of(cut, regions, planes) for cut in beside}, sets[-1], self._cell_size_cached, target
        )
        chunks, data = self._encode(laid)
        return self._table(judged, kept, beside, chunks, data)

    @property
    def _row_bytes(self) -> int:
        """Return about how many bytes a cut takes in the head."""
        return _ROW_BYTES + 2 * _canary_rows(self._shape) * self._shape.architecture.outputs

    def _cell_size_cached(self, cell: Cell) -> float:
        """Return about how many bytes a cell takes."""
        return float(self._sizes[cell])

    def _encode(self, laid: Sequence[list[Cell]]) -> tuple[list[ChunkRow], dict[str, bytes]]:
        """Return the chunks of a layout, each exact or tolerant, none too large."""
        rows: list[ChunkRow] = []
        data: dict[str, bytes] = {}
        waiting = [list(part) for cells in laid for part in self._by_protection(cells)][::-1]
        while waiting:
            cells = waiting.pop()
            tolerant = self._tolerant(cells[0])
            first = self.grid.planes - 1 - (self._recipe.exact_planes or 0)
            signs = frozenset(cell for cell in cells if cell[1] == first) if tolerant else None
            row, encoded = encode_chunk(cells, self.codes, codecs=self._recipe.codecs, signs=signs)
            if row.bytes > MOST_BYTES and len(cells) > 1:
                half = len(cells) // 2
                waiting += [cells[half:], cells[:half]]
                continue
            rows.append(row)
            data[row.sha256] = encoded
        return rows, data

    def _by_protection(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """Return the exact cells and the tolerant ones, those that there are."""
        parts = [[c for c in cells if not self._tolerant(c)], [c for c in cells if self._tolerant(c)]]
        return [part for part in parts if part]

    def _table(
        self,
        judged: Mapping[Triple, Judged],
        chain: Sequence[Triple],
        beside: Sequence[Triple],
        chunks: list[ChunkRow],
        data: dict[str, bytes],
    ) -> tuple[tuple[CutRow, ...], tuple[ChunkRow, ...], dict[str, bytes]]:
        """Return the tables with exact sizes, without cuts that turn out to be beaten and chunks that no cut needs."""
        rows = self._rows(judged, chain, beside, chunks)
        kept = [row for row in rows if row.chain or not _beaten(row, rows)]
        needed = sorted({at for row in kept for at in row.chunks})
        chunks = [chunks[at] for at in needed]
        last = [Triple(row.depth, row.shell, row.planes) for row in kept if not row.chain]
        data = {row.sha256: data[row.sha256] for row in chunks}
        return tuple(self._rows(judged, chain, last, chunks)), tuple(chunks), data

    def _rows(
        self,
        judged: Mapping[Triple, Judged],
        chain: Sequence[Triple],
        beside: Sequence[Triple],
        chunks: Sequence[ChunkRow],
    ) -> list[CutRow]:
        """Return the rows of cuts: the chain, then the others by size."""
        coverage = cover(chunks, [len(codes) for codes in self.codes.values()], self.grid.planes)
        made = []
        for cut in [*chain, *beside]:
            one = judged[cut]
            figures = (one.accuracy, one.low, one.high)
            place = (cut.depth, cut.shell, cut.planes)
            made.append(cut_row(place, figures, cut in chain, self._shape, self.grid, chunks, coverage))
        return made

    def deltas(self, rows: Sequence[CutRow], parent: Assembly | None) -> tuple[tuple[Delta, ...], dict[str, bytes]]:
        """Return differences from the parent's cuts where they are smaller than the plain chunks, and their chunks."""
        made, data = [], dict[str, bytes]()
        if parent is None or self._recipe.exact_planes is not None:
            return (), {}
        known = {row.id: row for row in parent.opened.head.cuts if parent.has(row)}
        for row in rows:
            if not row.chain or row.id not in known:
                continue
            regions = cut_regions(self._shape.regions, row.depth, row.shell)
            before = {r: parent.codes(r) for r in regions}
            after = {r: self.codes[r] for r in regions}
            parts = encode_delta(before, after, lowest=self.grid.planes - row.planes, codecs=self._recipe.codecs)
            size = sum(chunk.bytes + _DELTA_ROW_BYTES for chunk, _ in parts)
            if size < row.bytes and all(chunk.bytes <= MOST_BYTES for chunk, _ in parts):
                made.append(Delta(parent.opened.sha256, row.id, tuple(chunk for chunk, _ in parts)))
                data |= {chunk.sha256: encoded for chunk, encoded in parts}
        return tuple(made), data

    def canary_rows(self, canaries: Inputs) -> int:
        """Return how many rows are sent with their answers."""
        return min(len(canaries), _canary_rows(self._shape))

    def arrays(self, head: Head, encoding: Encoding, output: Output, canaries: Inputs) -> dict[str, NDArray[Any]]:
        """Return what the head sends as it is."""
        few = canaries.take(slice(0, head.canaries))
        rows = Inputs(trimmed_rows(few.numeric), few.codes)
        answers = np.zeros((len(head.cuts), head.canaries, self._shape.architecture.outputs), np.float16)
        for at, cut in enumerate(head.cuts):
            part = network(self._shape, self.tensors(cut.planes), cut.depth, cut.shell)
            answers[at] = part.outputs(rows)[:, 0]
        made: dict[str, NDArray[Any]] = {f"encoding.{key}": value for key, value in encoding.arrays().items()}
        made |= {"output": output.array()} | self._exact
        made |= {"canary.numeric": rows.numeric, "canary.codes": rows.codes, "canary.outputs": answers}
        return made


def _canary_rows(shape: NestedShape) -> int:
    """Return how many canary rows a head has: fewer for networks with many outputs."""
    return max(1, _CANARY_NUMBERS // shape.architecture.outputs)


def _beaten(row: CutRow, rows: Sequence[CutRow]) -> bool:
    """Return whether another cut is at least as accurate, and costs no more, and one of these by far enough to tell."""
    mine = (row.bytes, row.memory_bytes, row.operations)
    for other in rows:
        theirs = (other.bytes, other.memory_bytes, other.operations)
        no_worse = other.accuracy >= row.accuracy and all(a <= b for a, b in zip(theirs, mine, strict=True))
        if no_worse and (other.accuracy, theirs) != (row.accuracy, mine):
            return True
    return False


def _check_tensors(shape: NestedShape, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Check that every tensor is there.

    Raises:
        HeadError: one is missing or of another shape.
    """
    for name, size in (shape.coded | shape.exact).items():
        if name not in tensors:
            raise HeadError(f"a root must have the tensor {name!r} to be published")
        if tensors[name].shape != size:
            raise HeadError(f"a root's tensor {name!r} must have shape {size}, got {tensors[name].shape}")
