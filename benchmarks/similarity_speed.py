"""How much faster the mean divergence of all pairs is in linear time: two sets of 5,000 Gaussians, 4 latent numbers.

    python -m benchmarks.similarity_speed [--repeats 5] [--quick] [--report]

The paper's distance (Hu et al. 2022, eq. 7 with 8), 25 million pairs, in four ways that must agree: two loops in Python
(timed on the first 20 rows of the source and multiplied up), one loop over the source's rows with each against all of
the target in NumPy, all pairs at once by broadcasting (one latent number at a time, as four would not fit), and the
linear form, from raw means and variances to the number. CPU time, the least of the repeats; one thread.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from netgraft.transfer import LatentMoments, mean_pairwise_kl

Gaussians = tuple[NDArray[Any], NDArray[Any]]
LATENT = 4
_LOOPED_ROWS = 20


def linear(source: Gaussians, target: Gaussians) -> float:
    """Return the mean divergence in linear time."""
    return mean_pairwise_kl(LatentMoments.of(*source), LatentMoments.of(*target))


def two_loops(source: Gaussians, target: Gaussians) -> float:
    """Return the mean divergence, pair by pair."""
    total = 0.0
    means, logs = (part.tolist() for part in target)
    for mean_n, log_n in zip(*(part.tolist() for part in source), strict=True):
        for mean_m, log_m in zip(means, logs, strict=True):
            for u, a, v, b in zip(mean_n, log_n, mean_m, log_m, strict=True):
                total += 0.5 * (b - a - 1 + (math.exp(a) + (u - v) ** 2) / math.exp(b))
    return total / (len(source[0]) * len(target[0]))


def row_loop(source: Gaussians, target: Gaussians) -> float:
    """Return the mean divergence, one row of the source against all of the target at a time."""
    total = 0.0
    mean_m, log_m = target
    variance_m = np.exp(log_m)
    for mean_n, log_n in zip(*source, strict=True):
        total += (0.5 * (log_m - log_n - 1 + (np.exp(log_n) + (mean_n - mean_m) ** 2) / variance_m)).sum()
    return float(total / (len(source[0]) * len(target[0])))


def broadcast(source: Gaussians, target: Gaussians) -> float:
    """Return the mean divergence, all pairs at once."""
    total = 0.0
    for u, a, v, b in zip(*(part.T for part in (*source, *target)), strict=True):
        squares = np.square(u[:, None] - v)
        total += float((0.5 * (b - a[:, None] - 1 + (np.exp(a)[:, None] + squares) / np.exp(b))).mean())
    return total


WAYS: dict[str, Callable[[Gaussians, Gaussians], float]] = {
    "two loops": two_loops,
    "row loop": row_loop,
    "broadcast": broadcast,
    "linear": linear,
}


def gaussians(n: int, seed: int) -> Gaussians:
    """Return means and log-variances [n, l] like those of a trained encoder: variances around 1e-4."""
    random = np.random.default_rng(seed)
    return random.normal(0.1 * seed, 1, (n, LATENT)), random.normal(-9, 1, (n, LATENT))


def run_case(way: str, n: int, repeats: int) -> Row:
    """Return the time of one way, and what it computed."""
    source, target = gaussians(n, 0), gaussians(n, 1)
    part = 1.0
    if way == "two loops":
        part = _LOOPED_ROWS / n
        source = source[0][:_LOOPED_ROWS], source[1][:_LOOPED_ROWS]
    call, times, value = WAYS[way], [], 0.0
    for _ in range(repeats):
        started = time.process_time()
        value = call(source, target)
        times.append((time.process_time() - started) / part)
    reference = linear(source, target)
    return {"cpu_s": min(times), "slowest_s": max(times), "extrapolated": part < 1, "apart": abs(value / reference - 1)}


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every way that is not done."""
    for way in WAYS:
        cell = {"way": way, "rows": given.rows, "repeats": given.repeats}
        if not raw.has(**cell):
            repeats = 200 if way == "linear" else given.repeats
            raw.add(cell | run_case(way, given.rows, repeats))
            print(f"{cell}: done", file=sys.stderr, flush=True)


def summary(rows: list[Row]) -> str:
    """Return the table of the page."""
    linear_s = next(row["cpu_s"] for row in rows if row["way"] == "linear")
    lines = [
        [
            row["way"] + (" (multiplied up)" if row["extrapolated"] else ""),
            f"{row['rows']:,} x {row['rows']:,}",
            f"{row['cpu_s'] * 1e3:,.3g}",
            f"{row['slowest_s'] * 1e3:,.3g}",
            f"{row['cpu_s'] / linear_s:,.0f}",
            f"{row['apart']:.1e}",
        ]
        for row in rows
    ]
    head = ["way", "pairs", "least CPU time, ms", "most, ms", "times the linear form", "relative difference from it"]
    return markdown_table(head, lines)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="of each way; the linear form is repeated 200 times")
    parser.add_argument("--quick", action="store_true", help="500 x 500; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    given.rows = 500 if given.quick else 5_000
    raw = Raw("similarity_speed", ("way", "rows", "repeats"), quick=given.quick)
    if not given.report:
        run(given, raw)
    text = summary([row for row in raw.rows() if row["repeats"] == given.repeats])
    if given.report:
        page("similarity_speed", "Similarity in linear time", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
