"""A root becomes a head and chunks: on one grid, judged at every cut, laid out by usefulness, with exact sizes.

The same input gives the same bytes. What goes out is what was judged: every accuracy in the table is that of the very
numbers that a device will have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from netgraft.delivery.coding.offered import make_tables
from netgraft.delivery.coding.root import CodedRoot, Recipe
from netgraft.delivery.coding.tolerance import Judge, fewest_exact
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.chain import Judged, Triple
from netgraft.delivery.format.chunk import MOST_BYTES
from netgraft.delivery.format.coverage import cut_regions
from netgraft.delivery.format.delta import encode_delta
from netgraft.delivery.format.document import full_bytes
from netgraft.delivery.format.head import CutRow, Delta, Head, OpenedHead, pack_arrays, pack_head
from netgraft.delivery.trust.accepting import SigningKey
from netgraft.runtime.encoding import Encoding, Inputs
from netgraft.runtime.model import Output
from netgraft.runtime.shapes import Shape, shape_to_json

_DELTA_ROW_BYTES = 150  # of one chunk of a delta in the document, about
_RECIPE = Recipe()


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
    shape: Shape,
    tensors: Mapping[str, NDArray[Any]],
    *,
    encoding: Encoding,
    output: Output,
    judge: Judge,
    canaries: Inputs,
    release: Release,
    recipe: Recipe = _RECIPE,
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
    parent = parent if parent is not None and parent.opened.head.network == shape_to_json(shape) else None
    root = CodedRoot(shape, tensors, recipe, None if parent is None else parent.opened.head.grid)
    judged = root.judge_all(encoding, output, judge)

    def coded(other: CodedRoot) -> Built:
        return _coded(
            other,
            other.sized(judged),
            encoding=encoding,
            output=output,
            canaries=canaries,
            release=release,
            parent=parent,
        )

    if recipe.tolerance is None:
        return coded(root)
    borne = fewest_exact(
        lambda planes: _opened(coded(root.with_exact(planes))), judge, recipe.tolerance, root.grid.planes
    )
    made = coded(root.with_exact(borne.exact_planes))
    about = made.head.about | {"tolerance": borne.to_json(recipe.tolerance)}
    return replace(made, head=replace(made.head, about=about))


def _opened(made: Built) -> tuple[OpenedHead, Mapping[str, bytes]]:
    """Return a head as a device has it when it was opened, and its chunks."""
    return OpenedHead(made.head, made.arrays, made.first, ""), made.chunks


def _coded(
    root: CodedRoot,
    judged: Mapping[Triple, Judged],
    *,
    encoding: Encoding,
    output: Output,
    canaries: Inputs,
    release: Release,
    parent: Assembly | None,
) -> Built:
    """Return a root that was judged as a head and chunks."""
    shape = root.shape
    tables = make_tables(root, judged, parent)
    deltas, more = _deltas(root, tables.cuts, parent)
    head = Head(
        name=release.name,
        version=release.version,
        published_s=release.published_s,
        expires_s=release.expires_s,
        network=shape_to_json(shape),
        grid=root.grid,
        columns=tuple(encoding.to_json()),
        output={"kind": output.kind, "classes": list(output.classes), "log1p": output.log1p},
        about=dict(release.about),
        cuts=tables.cuts,
        chunks=tables.chunks,
        arrays=("", 0, 0),
        parent=parent.opened.sha256 if parent is not None else None,
        deltas=deltas,
        lineage=dict(release.lineage),
        licence=release.licence,
        full_bytes=full_bytes(shape, {"kind": output.kind}),
        canaries=min(len(canaries), root.canaries),
    )
    arrays = root.arrays(head, encoding, output, canaries)
    first = tables.data[tables.chunks[0].sha256]
    return Built(replace(head, arrays=pack_arrays(head, arrays)[1]), arrays, first, tables.data | more)


def _deltas(
    root: CodedRoot, rows: Sequence[CutRow], parent: Assembly | None
) -> tuple[tuple[Delta, ...], dict[str, bytes]]:
    """Return differences from the parent's cuts where they are smaller than the plain chunks, and their chunks."""
    made, data = [], dict[str, bytes]()
    if parent is None or root.recipe.exact_planes is not None:
        return (), {}
    known = {row.id: row for row in parent.opened.head.cuts if parent.has(row)}
    for row in rows:
        if not row.chain or row.id not in known:
            continue
        regions = cut_regions(root.shape.regions, row.depth, row.shell)
        before = {r: parent.codes(r) for r in regions}
        after = {r: root.codes[r] for r in regions}
        parts = encode_delta(before, after, lowest=root.grid.planes - row.planes, codecs=root.recipe.codecs)
        size = sum(chunk.bytes + _DELTA_ROW_BYTES for chunk, _ in parts)
        if size < row.bytes and all(chunk.bytes <= MOST_BYTES for chunk, _ in parts):
            made.append(Delta(parent.opened.sha256, row.id, tuple(chunk for chunk, _ in parts)))
            data |= {chunk.sha256: encoded for chunk, encoded in parts}
    return tuple(made), data
