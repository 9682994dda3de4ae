"""The table of chunks in a head's document: columns, with cells in blocks of neighbouring regions and planes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from netgraft.delivery.format.chunk import MOST_BYTES, MOST_DECODED, ChunkRow, Codec, Protection
from netgraft.delivery.format.planes import Cell
from netgraft.delivery.format.reading import Fields, integer, sha256, shown
from netgraft.errors import HeadError

MOST_CHUNKS = 65_536
_MOST_CELLS = 1_000_000
_CODECS: tuple[Codec, ...] = get_args(Codec)
_PROTECTIONS: tuple[Protection, ...] = get_args(Protection)


def chunks_to_json(chunks: Sequence[ChunkRow]) -> dict[str, Any]:
    """Return a table of chunks as JSON values."""
    return {
        "sha256": [row.sha256 for row in chunks],
        "bytes": [row.bytes for row in chunks],
        "decoded_sha256": [None if row.codec == "raw" else row.decoded_sha256 for row in chunks],
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


def read_chunks(value: Any, where: str, regions: int, planes: int) -> tuple[ChunkRow, ...]:
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
        codec = _CODECS[integer(columns["codec"][at], f"{where}.codec", 0, len(_CODECS) - 1)]
        made.append(
            ChunkRow(
                sha256(digest, f"{where}.sha256"),
                integer(columns["bytes"][at], f"{where}.bytes", 1, MOST_BYTES),
                _decoded(columns["decoded_sha256"][at], digest, codec, where),
                integer(columns["decoded_bytes"][at], f"{where}.decoded_bytes", 1, MOST_DECODED),
                codec,
                _PROTECTIONS[integer(columns["protection"][at], f"{where}.protection", 0, 1)],
                tuple(cells),
            )
        )
        if made[-1].protection == "tolerant" and made[-1].codec != "raw":
            raise HeadError(f"a tolerant chunk must be raw, got {made[-1].codec}")
    if len({row.sha256 for row in made}) != len(made):
        raise HeadError(f"{where} must have different SHA-256, got one twice")
    return tuple(made)


def _decoded(value: Any, digest: str, codec: Codec, where: str) -> str:
    """Return the hash of a chunk's content: its own where it is raw, which is not said twice.

    Raises:
        HeadError: it is said of a raw chunk, or is none.
    """
    if codec != "raw":
        return sha256(value, f"{where}.decoded_sha256")
    if value is not None:
        raise HeadError(f"{where}.decoded_sha256 must be null for a raw chunk, got {shown(value)}")
    return digest
