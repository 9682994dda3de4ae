"""The document of a head: its fields as JSON values, and every check when they come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netgraft.delivery.format.arrays import OUTPUT_NUMBERS, array_layout, layout_bytes
from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.chunk_table import chunks_to_json, read_chunks
from netgraft.delivery.format.container import SECTION_BYTES
from netgraft.delivery.format.coverage import cover
from netgraft.delivery.format.cut_table import cuts_to_json, deltas_to_json, read_cuts, read_deltas
from netgraft.delivery.format.head import FORMAT, RUNTIME, Head, shape_of
from netgraft.delivery.format.reading import Fields, name, number, sha256, text
from netgraft.errors import HeadError, ModelError
from netgraft.runtime.encoding import DATETIME_PARTS, KINDS
from netgraft.runtime.grid import Grid
from netgraft.runtime.shapes import Shape, cost

_MOST_DELTAS = 64
_MOST_COLUMNS = 100_000
_MOST_WORDS = 1_000_000


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
        "cuts": cuts_to_json(head.cuts),
        "chunks": chunks_to_json(head.chunks),
        "arrays": {"sha256": head.arrays[0], "bytes": head.arrays[1], "decoded_bytes": head.arrays[2]},
        "canaries": head.canaries,
        "deltas": deltas_to_json(head.deltas),
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
    sizes = [region.numbers for region in shape.regions]
    chunks = read_chunks(fields.any("chunks"), "a head's chunks", len(sizes), grid.planes)
    if not chunks:
        raise HeadError("a head must have 1 chunk or more, got none")
    coverage = cover(chunks, sizes, grid.planes)
    _check_exact(chunks, grid.planes)
    cuts = read_cuts(fields.any("cuts"), shape, grid, chunks, coverage)
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
        deltas=read_deltas(fields.list("deltas", _MOST_DELTAS), parent, shape, cuts, sizes),
        lineage=fields.object("lineage"),
        licence=_licence(fields.any("licence")),
        minimum_runtime=runtime,
        full_bytes=full_bytes(shape, output),
        canaries=fields.integer("canaries", 0, 4_096),
    )
    fields.done()
    vars(head).update(shape=shape, sizes=tuple(sizes))  # they need not be found again
    _check(head)
    return head


def full_bytes(shape: Shape, output: Mapping[str, Any]) -> int:
    """Return the bytes of the largest cut as a plain model in float32: network, encoding and output."""
    numbers = cost(shape, shape.depth, shape.shells - 1).parameters + len(shape.bins) + 4 * shape.architecture.numeric
    return 4 * (numbers + OUTPUT_NUMBERS[output["kind"]])


def _check(head: Head) -> None:
    """Check what fields say about each other.

    Raises:
        HeadError: they disagree.
    """
    if head.expires_s <= head.published_s:
        raise HeadError(f"a head must expire after {head.published_s}, when it is published, got {head.expires_s}")
    expected = layout_bytes(array_layout(head))
    if expected > SECTION_BYTES[1]:
        raise HeadError(f"a head's arrays must have at most {SECTION_BYTES[1]} bytes, got {expected}")
    if head.arrays[2] != expected:
        raise HeadError(f"a head's arrays must have {expected} bytes, got {head.arrays[2]}")


def _check_exact(chunks: Sequence[ChunkRow], planes: int) -> None:
    """Check that the highest plane of each region, with its signs, is exact: noise must not make up a region.

    Raises:
        HeadError: one is tolerant.
    """
    for at, row in enumerate(chunks):
        if row.protection == "tolerant" and any(plane == planes - 1 for _, plane in row.cells):
            raise HeadError(f"the highest plane of each region must be exact, got one in chunk {at}, which is tolerant")


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
