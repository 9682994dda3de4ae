"""A root on its grid: its codes, what a device makes of them, and its cells as chunks."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.coding.tolerance import Judge, Tolerance
from netgraft.delivery.coding.trim import trimmed_exact, trimmed_rows
from netgraft.delivery.format.chain import Judged, Triple, cell_bytes, cut_bytes, every_cut
from netgraft.delivery.format.chunk import MOST_BYTES, ChunkRow, encode_chunk
from netgraft.delivery.format.codec import CODECS
from netgraft.delivery.format.cut_table import MOST_CUTS
from netgraft.delivery.format.head import CutRow, Head
from netgraft.delivery.format.planes import Cell, size_bounds
from netgraft.errors import HeadError, SettingError, unknown_name
from netgraft.runtime.encoding import Encoding, Inputs
from netgraft.runtime.grid import Codes, Grid, dequantise, fit_grid, quantise
from netgraft.runtime.model import Model, Output
from netgraft.runtime.shapes import Shape, exact_sizes, network

_DIGITS = 4
_CANARY_NUMBERS = 4


@dataclass(frozen=True)
class Recipe:
    """How a root is coded.

    Attributes:
        planes: bits of a magnitude; the parent's where there is one.
        step: the common step; from the largest number unless given.
        codecs: ways to make chunks smaller.
        exact_planes: how many of the highest planes are exact, at least 1, the others tolerant; None for all exact.
        usable_share: the share of the best accuracy from which a cut begins the chain.
        most_cuts: rows of the table.
        target_bytes: of a chunk; from the size of the whole unless given.
        trim: whether what is sent as it is may lose bits that are finer than the grid.
        tolerance: what tolerant planes must bear; as many are made tolerant as do, in the place of ``exact_planes``.
    """

    planes: int = 8
    step: float | None = None
    codecs: tuple[str, ...] = ("zstd",)
    exact_planes: int | None = None
    usable_share: float = 0.8
    most_cuts: int = MOST_CUTS
    target_bytes: int | None = None
    trim: bool = True
    tolerance: Tolerance | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SettingError: one is out of range, or a codec is unknown.
        """
        for codec in self.codecs:
            if codec not in CODECS:
                raise SettingError(unknown_name("a codec", codec, CODECS))
        limits = {"exact_planes": (1, self.planes), "most_cuts": (1, MOST_CUTS), "target_bytes": (64, MOST_BYTES)}
        for name, (low, high) in {**limits, "usable_share": (0, 1)}.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SettingError(f"{name} must be from {low} to {high}, got {value!r}")
        if self.tolerance is not None and self.exact_planes is not None:
            raise SettingError(f"exact_planes must be left out where a tolerance is given, got {self.exact_planes}")


class CodedRoot:
    """A root on its grid."""

    def __init__(
        self, shape: Shape, tensors: Mapping[str, NDArray[Any]], recipe: Recipe, grid: Grid | None = None
    ) -> None:
        """Put the tensors on a grid.

        Args:
            shape: of the nested network.
            tensors: its tensors by name.
            recipe: how it is coded.
            grid: the one of an earlier version; one that fits the tensors unless given.

        Raises:
            HeadError: a tensor is missing or of another shape.
            ModelError: a number is not finite.
        """
        _check_tensors(shape, tensors)
        self.shape, self.recipe = shape, recipe
        coded = {name: np.asarray(tensors[name], np.float32) for name in shape.coded}
        self._exact = {name: np.asarray(tensors[name]) for name in shape.exact}
        used = [coded[region.tensor].reshape(-1)[region.indices] for region in shape.regions]
        self.grid = grid or fit_grid(used, recipe.planes, recipe.step)
        if recipe.trim:
            self._exact = trimmed_exact(self._exact, self.grid.step)
        self.codes: dict[int, Codes] = {
            at: quantise(values, self.grid.step, self.grid.planes) for at, values in enumerate(used)
        }

    def with_exact(self, planes: int) -> CodedRoot:
        """Return the same root with so many exact planes."""
        other = copy.copy(self)
        kept = None if planes >= self.grid.planes else planes
        other.recipe = replace(self.recipe, planes=self.grid.planes, exact_planes=kept, tolerance=None)
        if kept != self.recipe.exact_planes:
            other.__dict__.pop("sizes", None)  # of this coding
        return other

    def sized(self, judged: Mapping[Triple, Judged]) -> dict[Triple, Judged]:
        """Return judged cuts with their size in this coding."""
        regions = self.shape.regions
        return {cut: replace(one, bytes=cut_bytes(cut, regions, self.sizes)) for cut, one in judged.items()}

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """Return about how many bytes every cell takes; [regions, planes], the lowest plane first."""
        planes = range(self.grid.planes)
        return np.array([[self._cell_size((at, plane)) for plane in planes] for at in range(len(self.codes))])

    def _cell_size(self, cell: Cell) -> float:
        """Return about how many bytes a cell takes."""
        region, plane = cell
        if self._tolerant(cell):
            signs = plane == self._first_tolerant
            return float(size_bounds(len(self.codes[region]), raw=True, signs=signs)[0])
        return max(cell_bytes(self.codes[region], plane), 0.5)

    @property
    def _first_tolerant(self) -> int:
        """Return the highest plane that is tolerant, if any is."""
        return self.grid.planes - 1 - (self.recipe.exact_planes or 0)

    def _tolerant(self, cell: Cell) -> bool:
        """Return whether a cell is protected against nothing but its loss."""
        return self.recipe.exact_planes is not None and cell[1] <= self._first_tolerant

    def tensors(self, planes: int) -> dict[str, NDArray[Any]]:
        """Return all tensors as a device has them that holds the highest planes."""
        made: dict[str, NDArray[Any]] = {name: np.zeros(size, np.float32) for name, size in self.shape.coded.items()}
        for at, region in enumerate(self.shape.regions):
            values = dequantise(self.codes[at], self.grid, self.grid.planes - planes)
            made[region.tensor].reshape(-1)[region.indices] = values
        return made | self._exact

    def judge_all(self, encoding: Encoding, output: Output, judge: Judge) -> dict[Triple, Judged]:
        """Return every cut, judged."""
        made, held = {}, dict[int, dict[str, NDArray[Any]]]()
        for cut in every_cut(self.shape, self.grid.planes):
            if cut.planes not in held:
                held[cut.planes] = self.tensors(cut.planes)
            part = network(self.shape, held[cut.planes], cut.depth, cut.shell)
            figures = judge(Model(encoding, (part,), np.ones(1, np.float32), output))
            accuracy, low, high = (round(float(figure), _DIGITS) for figure in figures)
            size = cut_bytes(cut, self.shape.regions, self.sizes)
            made[cut] = Judged(cut, accuracy, min(low, accuracy), max(high, accuracy), size)
        return made

    def encode(self, laid: Sequence[list[Cell]]) -> tuple[list[ChunkRow], dict[str, bytes]]:
        """Return the chunks of a layout, each exact or tolerant, none too large."""
        rows: list[ChunkRow] = []
        data: dict[str, bytes] = {}
        waiting = [list(part) for cells in laid for part in self._by_protection(cells)][::-1]
        while waiting:
            cells = waiting.pop()
            tolerant = self._tolerant(cells[0])
            signs = frozenset(cell for cell in cells if cell[1] == self._first_tolerant) if tolerant else None
            row, encoded = encode_chunk(cells, self.codes, codecs=self.recipe.codecs, signs=signs)
            if row.bytes > MOST_BYTES and len(cells) > 1:
                half = len(cells) // 2
                waiting += [cells[half:], cells[:half]]
                continue
            if row.sha256 in data and rows[-1].protection == row.protection:
                waiting.append([*rows[-1].cells, *cells])  # no two chunks are the same
                del data[rows.pop().sha256]
                continue
            rows.append(row)
            data[row.sha256] = encoded
        return rows, data

    def _by_protection(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """Return the exact cells and the tolerant ones, those that there are."""
        parts = [[c for c in cells if not self._tolerant(c)], [c for c in cells if self._tolerant(c)]]
        return [part for part in parts if part]

    @property
    def canaries(self) -> int:
        """Return how many canary rows a head has: fewer for networks with many outputs."""
        return max(1, _CANARY_NUMBERS // self.shape.architecture.outputs)

    def _used(self, cuts: Sequence[CutRow]) -> dict[str, NDArray[Any]]:
        """Return the exact tensors, with zeros for units and exits that no cut has."""
        made = {name: np.zeros_like(value) for name, value in self._exact.items()}
        for cut in cuts:
            for name, size in exact_sizes(self.shape, cut.depth, cut.shell).items():
                place = tuple(slice(n) for n in size)
                made[name][place] = self._exact[name][place]
        return made

    def arrays(self, head: Head, encoding: Encoding, output: Output, canaries: Inputs) -> dict[str, NDArray[Any]]:
        """Return what the head sends as it is."""
        few = canaries.take(slice(0, head.canaries))
        rows = Inputs(trimmed_rows(few.numeric), few.codes)
        answers = np.zeros((len(head.cuts), head.canaries, self.shape.architecture.outputs), np.float16)
        for at, cut in enumerate(head.cuts):
            part = network(self.shape, self.tensors(cut.planes), cut.depth, cut.shell)
            answers[at] = part.outputs(rows)[:, 0]
        made: dict[str, NDArray[Any]] = {f"encoding.{key}": value for key, value in encoding.arrays().items()}
        made |= {"output": output.array()} | self._used(head.cuts)
        made |= {"canary.numeric": rows.numeric, "canary.codes": rows.codes, "canary.outputs": answers}
        return made


def _check_tensors(shape: Shape, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Check that every tensor is there.

    Raises:
        HeadError: one is missing or of another shape.
    """
    for name, size in (shape.coded | shape.exact).items():
        if name not in tensors:
            raise HeadError(f"a root must have the tensor {name!r} to be published")
        if tensors[name].shape != size:
            raise HeadError(f"a root's tensor {name!r} must have shape {size}, got {tensors[name].shape}")
