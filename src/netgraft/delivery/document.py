"""The document of a head: its fields as JSON values, and every check when they come back.

Tables lie in columns, cells in blocks of neighbouring regions and planes, because that is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, get_args

from netgraft.delivery.arrays import OUTPUT_NUMBERS, array_layout, layout_bytes
from netgraft.delivery.chunk import MOST_BYTES, MOST_DECODED, ChunkRow, Codec, Protection
from netgraft.delivery.container import SECTION_BYTES
from netgraft.delivery.coverage import Coverage, check_sizes, cover, cut_cells, cut_regions
from netgraft.delivery.head import FORMAT, RUNTIME, CutRow, Delta, Head, shape_of
from netgraft.delivery.planes import Cell
from netgraft.delivery.reading import Fields, integer, name, number, sha256, text
from netgraft.errors import HeadError, ModelError
from netgraft.runtime.encoding import DATETIME_PARTS, KINDS
from netgraft.runtime.grid import MOST_PLANES, Grid
from netgraft.runtime.nested import NestedShape, cost

MOST_CUTS = 64
MOST_CHUNKS = 65_536
_MOST_DELTAS = 64
_MOST_COLUMNS = 100_000
_MOST_WORDS = 1_000_000
_MOST_CELLS = 1_000_000
_LEAST_ACCURACY = -1e9
_CODECS: tuple[Codec, ...] = get_args(Codec)
_PROTECTIONS: tuple[Protection, ...] = get_args(Protection)


def to_document(head: Head) -> dict[str, Any]:
    """Return a head as JSON values."""
    return {
        "format": FORMAT,
        "minimum_runtime": head.minimum_runtime,
        "name": head.name,
        "version": head.version,
        "published_s": head.published_s,
        "expires_s": head.expires_s,
        "licence": head.licence,
        "lineage": head.lineage,
        "parent": head.parent,
        "network": head.network,
        "grid": head.grid.to_json(),
        "columns": [dict(column) for column in head.columns],
        "output": head.output,
        "about": head.about,
        "cuts": {
            key: [getattr(row, key) for row in head.cuts]
            for key in ("depth", "shell", "planes", "accuracy", "low", "high")
        }
        | {"chain": [int(row.chain) for row in head.cuts]},
        "chunks": _chunks_to_json(head.chunks),
        "arrays": {"sha256": head.arrays[0], "bytes": head.arrays[1], "decoded_bytes": head.arrays[2]},
        "canaries": head.canaries,
        "deltas": [{"cut": delta.cut, "chunks": _chunks_to_json(delta.chunks)} for delta in head.deltas],
    }


def from_document(value: Any) -> Head:
    """Return the head that a document says, after every check.

    Raises:
        HeadError: a field is missing, unknown, of another type, out of range, or against another.
    """
    fields = Fields(value, "a head")
    fields.integer("format", FORMAT, FORMAT)
    runtime = fields.integer("minimum_runtime", 1, RUNTIME)
    shape, grid = shape_of(network := fields.object("network")), _grid(fields.any("grid"))
    sizes = [len(region.indices) for region in shape.regions]
    chunks = _chunks(fields.any("chunks"), "a head's chunks", len(sizes), grid.planes)
    if not chunks:
        raise HeadError("a head must have 1 chunk or more, got none")
    coverage = cover(chunks, sizes, grid.planes)
    cuts = _cuts(fields.any("cuts"), shape, grid, chunks, coverage)
    parent, output = fields.any("parent"), _output(fields.any("output"))
    head = Head(
        name=name(fields.any("name"), "a head's name"),
        version=fields.integer("version", 1),
        published_s=fields.integer("published_s"),
        expires_s=fields.integer("expires_s", 1),
        network=network,
        grid=grid,
        columns=_columns(fields.list("columns", _MOST_COLUMNS)),
        output=output,
        about=fields.object("about"),
        cuts=cuts,
        chunks=chunks,
        arrays=_arrays(fields.any("arrays")),
        parent=None if parent is None else sha256(parent, "a head's parent"),
        deltas=_deltas(fields.list("deltas", _MOST_DELTAS), parent, shape, cuts, sizes),
        lineage=fields.object("lineage"),
        licence=_licence(fields.any("licence")),
        minimum_runtime=runtime,
        full_bytes=full_bytes(shape, output),
        canaries=fields.integer("canaries", 0, 4_096),
    )
    fields.done()
    _check(head)
    return head


def full_bytes(shape: NestedShape, output: Mapping[str, Any]) -> int:
    """Return the bytes of the largest cut as a plain model in float32: network, encoding and output."""
    numbers = cost(shape, shape.depth, shape.shells - 1).parameters + len(shape.bins) + 4 * shape.architecture.numeric
    return 4 * (numbers + OUTPUT_NUMBERS[output["kind"]])


def cut_id(depth: int, shell: int, planes: int) -> str:
    """Return the id of a cut."""
    return f"d{depth}s{shell}p{planes}"


def _check(head: Head) -> None:
    """Check what fields say about each other.

    Raises:
        HeadError: they disagree.
    """
    if head.expires_s <= head.published_s:
        raise HeadError(f"a head must expire after {head.published_s}, when it is published, got {head.expires_s}")
    expected = layout_bytes(array_layout(head))
    if head.arrays[2] != expected:
        raise HeadError(f"a head's arrays must have {expected} bytes, got {head.arrays[2]}")


def _chunks_to_json(chunks: Sequence[ChunkRow]) -> dict[str, Any]:
    """Return a table of chunks as JSON values."""
    return {
        "sha256": [row.sha256 for row in chunks],
        "bytes": [row.bytes for row in chunks],
        "decoded_sha256": [row.decoded_sha256 for row in chunks],
        "decoded_bytes": [row.decoded_bytes for row in chunks],
        "codec": [_CODECS.index(row.codec) for row in chunks],
        "protection": [_PROTECTIONS.index(row.protection) for row in chunks],
        "cells": [blocks_of(row.cells) for row in chunks],
    }


def blocks_of(cells: Sequence[Cell]) -> list[int]:
    """Return cells as blocks, four numbers each: first region, regions, highest plane, planes.

    A block's cells are in the order of their planes from the highest, and within a plane in the order of regions.
    """
    runs: list[list[int]] = []  # first region, regions, plane
    for region, plane in cells:
        if runs and runs[-1][2] == plane and runs[-1][0] + runs[-1][1] == region:
            runs[-1][1] += 1
        else:
            runs.append([region, 1, plane])
    blocks: list[list[int]] = []
    for first, count, plane in runs:
        last = blocks[-1] if blocks else None
        if last and last[:2] == [first, count] and last[2] - last[3] == plane:
            last[3] += 1
        else:
            blocks.append([first, count, plane, 1])
    return [n for block in blocks for n in block]


def _cells_of(blocks: Any, regions: int, planes: int) -> Iterator[Cell]:
    """Yield the cells of blocks; no more than there can be.

    Raises:
        HeadError: a block is none, or has cells that do not exist.
    """
    if not isinstance(blocks, list) or len(blocks) % 4 or not blocks:
        raise HeadError("a chunk's cells must be blocks of four whole numbers, got something else")
    for at in range(0, len(blocks), 4):
        first = integer(blocks[at], "a block's first region", 0, regions - 1)
        count = integer(blocks[at + 1], "a block's regions", 1, regions - first)
        plane = integer(blocks[at + 2], "a block's highest plane", 0, planes - 1)
        deep = integer(blocks[at + 3], "a block's planes", 1, plane + 1)
        for down in range(deep):
            for region in range(first, first + count):
                yield region, plane - down


def _chunks(value: Any, where: str, regions: int, planes: int) -> tuple[ChunkRow, ...]:
    """Return a table of chunks.

    Raises:
        HeadError: a field is missing or out of range, the columns differ in length, or cells are too many.
    """
    fields = Fields(value, where)
    digests = fields.list("sha256", MOST_CHUNKS)
    columns = {key: fields.list(key, len(digests), len(digests)) for key in
               ("bytes", "decoded_sha256", "decoded_bytes", "codec", "protection", "cells")}  # fmt: skip
    fields.done()
    made, left = [], min(regions * planes, _MOST_CELLS)
    for at, digest in enumerate(digests):
        cells = []
        for cell in _cells_of(columns["cells"][at], regions, planes):
            left -= 1
            if left < 0:
                raise HeadError(f"{where} must hold each cell once, got more than {regions * planes} cells")
            cells.append(cell)
        made.append(
            ChunkRow(
                sha256(digest, f"{where}.sha256"),
                integer(columns["bytes"][at], f"{where}.bytes", 1, MOST_BYTES),
                sha256(columns["decoded_sha256"][at], f"{where}.decoded_sha256"),
                integer(columns["decoded_bytes"][at], f"{where}.decoded_bytes", 1, MOST_DECODED),
                _CODECS[integer(columns["codec"][at], f"{where}.codec", 0, len(_CODECS) - 1)],
                _PROTECTIONS[integer(columns["protection"][at], f"{where}.protection", 0, 1)],
                tuple(cells),
            )
        )
        if made[-1].protection == "tolerant" and made[-1].codec != "raw":
            raise HeadError(f"a tolerant chunk must be raw, got {made[-1].codec}")
    if len({row.sha256 for row in made}) != len(made):
        raise HeadError(f"{where} must have different SHA-256, got one twice")
    return tuple(made)


def _cuts(
    value: Any, shape: NestedShape, grid: Grid, chunks: Sequence[ChunkRow], coverage: Coverage
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
    shape: NestedShape,
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


def _deltas(
    values: list[Any], parent: Any, shape: NestedShape, cuts: Sequence[CutRow], sizes: Sequence[int]
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
        chunks = _chunks(fields.any("chunks"), "a delta's chunks", len(sizes), MOST_PLANES + 1)
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


def _grid(value: Any) -> Grid:
    """Return the grid.

    Raises:
        HeadError: it says what cannot be.
    """
    try:
        return Grid.from_json(value)
    except ModelError as error:
        raise HeadError(f"a head's grid cannot be: {error}") from error


def _arrays(value: Any) -> tuple[str, int, int]:
    """Return SHA-256, bytes and decoded bytes of the arrays."""
    fields = Fields(value, "a head's arrays")
    made = fields.sha256("sha256"), fields.integer("bytes", 1, SECTION_BYTES[1]), fields.integer("decoded_bytes", 1)
    fields.done()
    return made


def _licence(value: Any) -> str | None:
    """Return the licence."""
    return None if value is None else text(value, "a head's licence", 200)


def _output(value: Any) -> dict[str, Any]:
    """Return what the output is.

    Raises:
        HeadError: its kind is unknown, or it has classes where it must have none.
    """
    fields = Fields(value, "a head's output")
    kind, classes, log1p = fields.any("kind"), fields.list("classes", _MOST_WORDS), fields.any("log1p")
    fields.done()
    if kind not in ("regression", "classification") or type(log1p) is not bool:
        raise HeadError(f"a head's output must be a regression or classification, on log(1 + y) or not, got {kind!r}")
    if (kind == "regression") != (not classes):
        raise HeadError(f"a head's output must have classes for classification only, got {len(classes)}")
    if not all(isinstance(label, str | int | float) for label in classes):
        raise HeadError("a head's classes must be texts, numbers or booleans, got others")
    return {"kind": kind, "classes": classes, "log1p": log1p}


def _columns(values: list[Any]) -> tuple[dict[str, Any], ...]:
    """Return the encoding's columns.

    Raises:
        HeadError: a column has an unknown kind or part, or a field of another type.
    """
    made, words = [], 0
    for value in values:
        fields = Fields(value, "a head's column")
        label, kind = text(fields.any("name"), "a column's name"), fields.any("kind")
        vocabulary, parts = fields.list("vocabulary", _MOST_WORDS), fields.list("parts", len(DATETIME_PARTS))
        indicator = fields.any("indicator")
        fields.done()
        words += len(vocabulary)
        if kind not in KINDS or type(indicator) is not bool or not all(part in DATETIME_PARTS for part in parts):
            raise HeadError(
                f"a head's column must have a known kind, known parts and an indicator or not, got {label!r}"
            )
        if kind == "code":
            vocabulary = [number(word, "a code") for word in vocabulary]
        else:
            vocabulary = [text(word, "a category") for word in vocabulary]
        made.append({"name": label, "kind": kind, "vocabulary": vocabulary, "parts": parts, "indicator": indicator})
    if words > _MOST_WORDS:
        raise HeadError(f"a head's columns must have at most {_MOST_WORDS} categories, got {words}")
    return tuple(made)
