"""Small heads for the planner: a network of three layers in three shells, and tables of cuts that nobody trained."""

from __future__ import annotations

import hashlib

import numpy as np

from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.head import CutRow, Delta, Head
from netgraft.runtime.grid import Grid
from netgraft.runtime.nested import NestedShape
from netgraft.runtime.network import Architecture

WIDTHS = ((4, 4, 4), (8, 8, 8), (16, 16, 16))
SHAPE = NestedShape(Architecture(3, (), 2, "linear", 1, 1, 4, WIDTHS[-1], 1, "relu", True), WIDTHS, True)
COLUMNS = tuple(
    {"name": f"x{j}", "kind": "numeric", "vocabulary": [], "parts": [], "indicator": False} for j in range(3)
)
RAW_BITS = 96


def chunk(index: int, size: int, codec: str = "zstd") -> ChunkRow:
    """Return a chunk of so many bytes; its cells are of no interest here."""
    digest = hashlib.sha256(f"{index}-{size}".encode()).hexdigest()
    return ChunkRow(digest, size, digest, size, codec, "exact", ())  # type: ignore[arg-type]


def cut(
    depth: int, shell: int, planes: int, accuracy: float, chunks: tuple[int, ...], sizes: list[int], memory: int
) -> CutRow:
    """Return a row of the table."""
    return CutRow(
        id=f"d{depth}s{shell}p{planes}",
        depth=depth,
        shell=shell,
        planes=planes,
        bytes=sum(sizes[i] for i in chunks),
        accuracy=accuracy,
        low=accuracy,
        high=accuracy,
        parameters=memory // 4,
        operations=memory // 2,
        memory_bytes=memory,
        chunks=chunks,
        chain=True,
    )


def head(
    cuts: list[CutRow], sizes: list[int], deltas: tuple[Delta, ...] = (), codecs: dict[int, str] | None = None
) -> Head:
    """Return a head with this table."""
    rows = tuple(chunk(index, size, (codecs or {}).get(index, "zstd")) for index, size in enumerate(sizes))
    return Head(
        name="cell",
        version=2,
        published_s=0,
        expires_s=10**10,
        network={"kind": "nested", **SHAPE.to_json()},
        grid=Grid(0.1, 8, ((0.5, 0.5),) * 8),
        columns=COLUMNS,
        output={"kind": "classification", "classes": ["a", "b"], "log1p": False},
        about={},
        cuts=tuple(cuts),
        chunks=rows,
        arrays=("0" * 64, 1, 1),
        parent="f" * 64 if deltas else None,
        deltas=deltas,
    )


def chain_head() -> Head:
    """Return a head of four cuts, each contained in the next: 1, 3, 7 and 15 KB of chunks."""
    sizes = [1_000, 2_000, 4_000, 8_000]
    cuts = [
        cut(0, 0, 4, 0.70, (0,), sizes, 2_000),
        cut(1, 0, 4, 0.80, (0, 1), sizes, 4_000),
        cut(2, 1, 4, 0.90, (0, 1, 2), sizes, 8_000),
        cut(3, 2, 4, 0.95, (0, 1, 2, 3), sizes, 16_000),
    ]
    return head(cuts, sizes)


def random_head(seed: int, count: int = 24, pieces: int = 10) -> Head:
    """Return a head with random cuts: any chunks, accuracies that often tie, distinct ids."""
    rng = np.random.default_rng(seed)
    sizes = [int(size) for size in rng.integers(100, 20_000, pieces)]
    names = [(d, s, p) for d in range(4) for s in range(3) for p in (2, 4, 6, 8)]
    chosen = [names[i] for i in rng.choice(len(names), min(count, len(names)), replace=False)]
    cuts = []
    for depth, shell, planes in chosen:
        chunks = tuple(sorted({0, *(int(i) for i in rng.choice(pieces, int(rng.integers(1, pieces)), replace=False))}))
        accuracy = round(float(rng.uniform(0.5, 0.99)), 2)
        cuts.append(cut(depth, shell, planes, accuracy, chunks, sizes, int(rng.integers(500, 50_000))))
    return head(cuts, sizes)
