"""Intervals, curves and distributions of what was measured over seeds and periods.

Periods that follow each other are alike, so whole blocks of them are drawn with replacement (block bootstrap, Kuensch
1989). A block is one period of the preset's traffic. Blocks of all seeds are drawn together: with them the difference
between seeds counts too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.seeds import generator

Floats = NDArray[np.float64]
BLOCK_STEPS = 100
_DRAWS = 2_000
_COVERAGE = 0.95
_DIGITS = 6
_SMOOTHED_STEPS = 50
_MOST_POINTS = 300
_MOST_TAIL_POINTS = 200


def interval(series: Floats, *, block: int = BLOCK_STEPS) -> dict[str, float]:
    """Return the mean of values [seeds, T] and the 95 % interval of the mean by block bootstrap.

    Args:
        series: one row of periods per seed.
        block: periods that are drawn together.
    """
    parts = max(series.shape[1] // block, 1)
    blocks = np.concatenate([[part.mean() for part in np.array_split(row, parts)] for row in series])
    drawn = generator(0, "block bootstrap").integers(len(blocks), size=(_DRAWS, len(blocks)))
    tail = (1 - _COVERAGE) / 2
    low, high = np.quantile(blocks[drawn].mean(axis=1), [tail, 1 - tail])
    mean = float(series.mean())
    return {"mean": rounded(mean), "low": rounded(min(float(low), mean)), "high": rounded(max(float(high), mean))}


def smoothed(series: Floats) -> dict[str, list[Any]]:
    """Return the curve of values [seeds, T] over steps: the mean, and the least and greatest seed.

    Each point is the mean of the 50 steps before it, or of as many as there are; at most 300 points.
    """
    steps = series.shape[1]
    summed = np.concatenate([np.zeros((len(series), 1)), series.cumsum(axis=1)], axis=1)
    ends = np.unique(np.linspace(1, steps, min(steps, _MOST_POINTS)).round().astype(int))
    starts = np.maximum(ends - _SMOOTHED_STEPS, 0)
    means = (summed[:, ends] - summed[:, starts]) / (ends - starts)
    return {
        "step": ends.tolist(),
        "reward": listed(means.mean(axis=0)),
        "low": listed(means.min(axis=0)),
        "high": listed(means.max(axis=0)),
    }


def tail(values: Floats, points: Floats) -> dict[str, list[float]]:
    """Return the share of values above each point (the complementary distribution)."""
    ordered = np.sort(values.ravel())
    above = 1 - np.searchsorted(ordered, points, side="right") / ordered.size
    return {"x": listed(points), "y": listed(above)}


def tail_points(values: Floats, *, low: float | None = None, high: float | None = None) -> Floats:
    """Return points that cover values evenly, from `low` to `high`; None: the least value, the 99.5 % quantile."""
    first = float(values.min()) if low is None else low
    last = float(np.quantile(values, 0.995)) if high is None else high
    return np.linspace(first, last, _MOST_TAIL_POINTS)


def listed(values: NDArray[Any]) -> list[float]:
    """Return numbers as JSON has them, to six digits after the point."""
    return [rounded(float(value)) for value in values.ravel()]


def table(values: NDArray[Any]) -> list[list[float]]:
    """Return the rows of a matrix as JSON has them."""
    return [listed(row) for row in values]


def rounded(value: float | np.floating[Any]) -> float:
    """Return a number with six digits after the point."""
    return round(float(value), _DIGITS)
