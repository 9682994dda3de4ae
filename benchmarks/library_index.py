"""How long a library of 100,000 entries takes to list and to rank, from its index alone.

    python -m benchmarks.library_index [--entries 100000] [--quick] [--report]

Each entry has 12 columns, 2 kB of facts, 3 files and a sketch of 128 numbers. The rows are written straight into the
index of a folder (SQLite), since adding a hundred thousand models one by one is not what is measured. `list` gives all
headings, `sketches` all sketches, `rank` orders them by the dot product with one sketch; each is the median of five.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median
from typing import Any

import numpy as np

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from netgraft.library import Draft, Library, schema
from netgraft.library.record import encode
from netgraft.records import sha256_hex

SKETCH, REPEATS = 128, 5


def drafts(entries: int, seed: int) -> Iterator[Draft]:
    """Yield models to add."""
    rng = np.random.default_rng(seed)
    for number in range(entries):
        yield Draft(
            name=f"site {number:06d}",
            domain=f"region {number % 50}",
            kind=("regression", "classification")[number % 2],
            target="power_w",
            metric="r2",
            error=float(rng.random()),
            rows=int(rng.integers(100, 100_000)),
            columns=tuple((f"column {i}", "number") for i in range(12)),
            licence="CC-BY-4.0",
            lineage={"sources": None, "data": f"{number:064x}", "versions": {"netgraft": "0.1.0"}, "seed": number},
            facts={"moments": [float(x) for x in rng.random(100).round(6)], "note": "x" * 1000},
            blobs={name: f"{name} {number}".encode() for name in ("weights", "encoding", "manifest")},
            sketch=rng.standard_normal(SKETCH).astype(np.float32),
        )


def fill(library: Library, entries: int, seed: int) -> None:
    """Write entries into the index of a library in one transaction."""
    with library._index.writing() as connection:
        schema.set_meta(connection, schema.SKETCH, str(SKETCH))
        for batch in batched(drafts(entries, seed), 1000):
            rows = [(draft.entry("2026-01-01T00:00:00+00:00"), draft.sketch_bytes()) for draft in batch]
            schema.insert(connection, [(*row, sha256_hex(encode(*row))) for row in rows])


def batched(values: Iterator[Draft], size: int) -> Iterator[list[Draft]]:
    """Yield the values in lists of a size."""
    while batch := list(islice(values, size)):
        yield batch


def timed(call: Callable[[], Any]) -> float:
    """Return the median seconds of a call."""
    found = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return round(median(found), 4)


def run_case(entries: int, seed: int = 0) -> Row:
    """Make a library and time it."""
    with tempfile.TemporaryDirectory() as folder:
        library = Library.init(f"{folder}/library")
        fill(library, entries, seed)
        query = np.random.default_rng(seed + 1).standard_normal(SKETCH).astype(np.float32)

        def rank() -> list[str]:
            names, values = library.sketches()
            return [names[i] for i in np.argsort(-(values @ query))]

        assert len(rank()) == len(library.list()) == entries

        def both() -> None:
            library.list()
            rank()

        return {
            "list_s": timed(library.list),
            "sketches_s": timed(library.sketches),
            "rank_s": timed(rank),
            "both_s": timed(both),
            "get_s": timed(lambda: library.get("site 000007")),
            "index_bytes": library._index.path.stat().st_size if library._index.path else 0,
        }


def summary(rows: list[Row]) -> str:
    """Return the table of the page."""
    head = ["entries", "list, s", "sketches, s", "rank, s", "list and rank, s", "get one, ms", "index, MB"]
    lines = [
        [
            f"{row['entries']:,}",
            *(f"{row[name]:.2f}" for name in ("list_s", "sketches_s", "rank_s", "both_s")),
            f"{row['get_s'] * 1e3:.1f}",
            f"{row['index_bytes'] / 1e6:.0f}",
        ]
        for row in rows
    ]
    return markdown_table(head, lines)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000, help="how many entries")
    parser.add_argument("--quick", action="store_true", help="1,000 entries; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    raw = Raw("library_index", ("entries", "seed"), quick=given.quick)
    cell = {"entries": 1_000 if given.quick else given.entries, "seed": 0}
    if not given.report and not raw.has(**cell):
        raw.add(cell | run_case(cell["entries"], cell["seed"]))
    text = summary(raw.rows())
    if given.report:
        page("library_index", "Listing and ranking a large library", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
