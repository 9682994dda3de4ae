"""Chunks become models: what is held so far, the best cut it makes, and its numbers.

A smaller cut's numbers never change when more chunks come: a cut is made of its own cells and no others. Models share
nothing that changes, so one that answers goes on answering as it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.format.chunk import ChunkRow, check_bytes, decode_chunk, decode_content
from netgraft.delivery.format.coverage import cut_regions
from netgraft.delivery.format.delta import apply_delta
from netgraft.delivery.format.head import CutRow, Delta, OpenedHead
from netgraft.delivery.format.planes import Cells, pack_cell
from netgraft.errors import ChunkError
from netgraft.runtime.encoding import Inputs
from netgraft.runtime.grid import Codes, dequantise
from netgraft.runtime.model import Model
from netgraft.runtime.shapes import network

#: How far a canary's outputs may be from the head's, relative to the largest: float16, and another order of sums.
_CANARY_TOLERANCE = 0.005
#: The same where bits of tolerant chunks may be wrong: far enough for noise, too near for nonsense.
_DAMAGED_TOLERANCE = 0.5


class Assembly:
    """The chunks of one head that are held, decoded as far as they go.

    Chunks may come in any order; those whose planes above are missing wait. The head's own first chunk is held from
    the beginning.
    """

    def __init__(self, opened: OpenedHead) -> None:
        """Begin with the first chunk.

        Args:
            opened: the head.

        Raises:
            ChunkError: its first chunk holds no cells.
        """
        self.opened = opened
        self._cells = Cells(opened.head.sizes, opened.head.grid.planes)
        self._waiting: dict[int, tuple[bytes, NDArray[np.bool_] | None]] = {}
        self._decoded: set[int] = set()
        self._damaged: set[int] = set()
        self.add(0, opened.first)

    @property
    def held(self) -> frozenset[int]:
        """Return the places of all chunks that came, those that wait for others included."""
        return frozenset(self._decoded | set(self._waiting))

    @property
    def damaged(self) -> frozenset[int]:
        """Return the places of tolerant chunks that came with wrong bits."""
        return frozenset(self._damaged)

    def add(self, index: int, data: bytes, lost: NDArray[np.bool_] | None = None) -> None:
        """Add a chunk; one that is held already changes nothing.

        Args:
            index: its place in the head's table.
            data: its bytes.
            lost: bool [bytes], which bytes of a tolerant chunk are missing; their numbers count to the planes above.

        Raises:
            ChunkError: there is no such chunk, or its size, hash or form is wrong.
        """
        row = self._row(index)
        if not check_bytes(row, data):
            self._damaged.add(index)
        if index in self._decoded:
            return
        self._waiting[index] = data, lost
        self._settle()

    def add_content(self, index: int, content: bytes) -> None:
        """Add a chunk by its decoded bytes, which came by another way than its own encoding.

        Raises:
            ChunkError: there is no such chunk, it is tolerant, its content is wrong, or planes above it are missing.
        """
        row = self._row(index)
        if row.protection != "exact":
            raise ChunkError(f"chunk {index} must be exact to be added by its content, got a tolerant one")
        if index in self._decoded:
            return
        decode_content(row, content, self._cells)
        self._waiting.pop(index, None)
        self._decoded.add(index)
        self._settle()

    def content(self, index: int) -> bytes:
        """Return the decoded bytes of an exact chunk that is held, for `add_content`.

        Raises:
            ChunkError: it is not held, or tolerant.
        """
        row = self._row(index)
        if index not in self._decoded or row.protection != "exact":
            raise ChunkError(f"chunk {index} must be exact and held to have a content, got another")
        return b"".join(pack_cell(self._cells.codes[region], plane) for region, plane in row.cells)

    def codes(self, region: int) -> Codes:
        """Return what is known of a region: signed magnitudes, zeros where nothing came; int32 [n]."""
        return self._cells.codes.get(region, np.zeros(self.opened.head.sizes[region], np.int32))

    def _row(self, index: int) -> ChunkRow:
        """Return the row of a chunk.

        Raises:
            ChunkError: there is none.
        """
        chunks = self.opened.head.chunks
        if type(index) is not int or not 0 <= index < len(chunks):
            raise ChunkError(f"a chunk must be one of 0 to {len(chunks) - 1}, got {index!r}")
        return chunks[index]

    def _settle(self) -> None:
        """Decode every waiting chunk whose planes above are known."""
        for index in sorted(self._waiting):
            row = self.opened.head.chunks[index]
            if not self._fits(row):
                continue
            data, lost = self._waiting.pop(index)
            decode_chunk(row, data, self._cells, lost)
            self._decoded.add(index)
        if any(self._fits(self.opened.head.chunks[index]) for index in self._waiting):
            self._settle()

    def _fits(self, row: ChunkRow) -> bool:
        """Return whether the planes above a chunk's cells are known, or come in the chunk itself."""
        begun: dict[int, int] = {}
        for region, plane in row.cells:
            if region not in begun and not self._cells.expects(region, plane):
                return False
            begun[region] = plane
        return True

    def has(self, cut: CutRow) -> bool:
        """Return whether every chunk of a cut is held."""
        return self._decoded.issuperset(cut.chunks)

    def ready(self) -> CutRow | None:
        """Return the most accurate cut whose chunks are all held, of equals the one with fewest bytes; None if none."""
        held = [cut for cut in self.opened.head.cuts if self.has(cut)]
        return max(held, key=lambda cut: (cut.accuracy, -cut.bytes), default=None)

    def tensors(self, cut: CutRow) -> dict[str, NDArray[Any]]:
        """Return the tensors of a cut by name, those of greater depth left out, zeros beyond its shell.

        Raises:
            ChunkError: chunks of the cut are missing.
        """
        if not self.has(cut):
            missing = sorted(set(cut.chunks) - self._decoded)
            raise ChunkError(f"cut {cut.id} requires the chunks {', '.join(map(str, missing[:8]))}, got none of them")
        head, made = self.opened.head, dict[str, NDArray[Any]]()
        for at in cut_regions(head.shape.regions, cut.depth, cut.shell):
            region = head.shape.regions[at]
            if region.tensor not in made:
                made[region.tensor] = np.zeros(head.shape.coded[region.tensor], np.float32)
            floors, lowest = self._cells.floors.get(at), head.lowest(cut)
            known = lowest if floors is None else np.maximum(floors, lowest)
            values = dequantise(self._cells.codes[at], head.grid, known)
            made[region.tensor].reshape(-1)[region.indices] = values
        return made | {name: self.opened.arrays[name] for name in head.shape.exact}

    def model(self, cut: CutRow) -> Model:
        """Return the model of a cut.

        Raises:
            ChunkError: chunks of the cut are missing.
        """
        head = self.opened.head
        part = network(head.shape, self.tensors(cut), cut.depth, cut.shell)
        delivered = {"name": head.name, "version": head.version, "cut": cut.id, "head": self.opened.sha256}
        about = dict(head.about) | {"delivered": delivered}
        return Model(self.opened.encoding, (part,), np.ones(1, np.float32), self.opened.output, about)

    def check(self, cut: CutRow, model: Model) -> None:
        """Let a model answer the head's canary rows.

        Raises:
            ChunkError: its answers are not the head's.
        """
        arrays, at = self.opened.arrays, self.opened.head.cuts.index(cut)
        expected = arrays["canary.outputs"][at].astype(np.float32)  # [r, c]
        if not len(expected):
            return
        inputs = Inputs(arrays["canary.numeric"], arrays["canary.codes"].astype(np.int64))
        found = model.parts[0].outputs(inputs)[:, 0]  # [r, c]
        share = _DAMAGED_TOLERANCE if self._damaged & set(cut.chunks) else _CANARY_TOLERANCE
        allowed = share * max(1.0, float(np.abs(expected).max()))
        worst = float(np.abs(found - expected).max()) if np.isfinite(found).all() else np.inf
        if worst > allowed:
            raise ChunkError(f"the canary of cut {cut.id} must be answered within {allowed:.3g}, got {worst:.3g} off")

    def add_delta(self, index: int, parent: Assembly, data: Sequence[bytes]) -> None:
        """Add the chunks of a cut by what changed since the parent's cut of the same id.

        Args:
            index: place of the delta in the head.
            parent: of the head that the delta names, with the cut held.
            data: bytes of the delta's chunks in order.

        Raises:
            ChunkError: the parent is another or lacks the cut, a chunk is wrong, or the result is not this version's.
        """
        delta, cut = self._delta(index, parent)
        head = self.opened.head
        regions = cut_regions(head.shape.regions, cut.depth, cut.shell)
        held = {r: parent.codes(r) for r in regions}
        lowest = head.lowest(cut)
        made = apply_delta(delta.chunks, data, held, sizes=head.sizes, lowest=lowest, planes=cut.planes)
        self._take_codes(cut, made, lowest)

    def _delta(self, index: int, parent: Assembly) -> tuple[Delta, CutRow]:
        """Return a delta and its cut, after a look at the parent.

        Raises:
            ChunkError: there is no such delta, or the parent is another or lacks the cut.
        """
        head = self.opened.head
        if type(index) is not int or not 0 <= index < len(head.deltas):
            raise ChunkError(f"a delta must be one of {len(head.deltas)}, got {index!r}")
        delta = head.deltas[index]
        if parent.opened.sha256 != delta.parent:
            raise ChunkError(f"a delta must start from the head {delta.parent[:12]}, got {parent.opened.sha256[:12]}")
        before = parent.opened.head
        if (before.network, before.grid.step, before.grid.planes) != (head.network, head.grid.step, head.grid.planes):
            raise ChunkError("a delta must start from a network of the same shape and grid, got another")
        known = {row.id: row for row in before.cuts}
        if delta.cut not in known or not parent.has(known[delta.cut]):
            raise ChunkError(f"a delta must start from the parent's cut {delta.cut}, got a parent without it")
        return delta, head.cut(delta.cut)

    def _take_codes(self, cut: CutRow, codes: dict[int, Codes], lowest: int) -> None:
        """Take codes of a cut for its chunks' cells, after their contents were compared with the head's hashes.

        Raises:
            ChunkError: a chunk holds other cells too, or the contents are not the head's.
        """
        head = self.opened.head
        made = Cells(head.sizes, head.grid.planes)
        for index in cut.chunks:
            row = head.chunks[index]
            if any(region not in codes or plane < lowest for region, plane in row.cells):
                raise ChunkError(f"chunk {index} must hold cells of cut {cut.id} only to come by a delta, got others")
            content = b"".join(pack_cell(codes[region], plane) for region, plane in row.cells)
            decode_content(row, content, made)
        for index in cut.chunks:
            self._waiting.pop(index, None)
        fresh = [r for r in made.codes if made.lowest[r] < self._cells.lowest.get(r, head.grid.planes)]
        self._cells.codes |= {r: made.codes[r] for r in fresh}
        self._cells.lowest |= {r: made.lowest[r] for r in fresh}
        self._decoded |= set(cut.chunks)
        self._settle()
