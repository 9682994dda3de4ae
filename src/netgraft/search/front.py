"""Pareto fronts: which points no other dominates, how good a set of points is, how crowded it lies.

Every objective is minimised. Points are float arrays [n, m] (n candidates, m objectives). Equal points do not dominate
each other; of equal points the first counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np


def non_dominated(points: np.ndarray) -> np.ndarray:
    """Return which points no other dominates, bool [n]; of equal points the first.

    Args:
        points: finite numbers [n, m].
    """
    points = np.asarray(points, dtype=np.float64)
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    if points.shape[1] == 1:
        # moocore needs two objectives or more
        return np.arange(len(points)) == int(np.argmin(points[:, 0]))
    return np.asarray(moocore.is_nondominated(points, keep_weakly=False), dtype=bool)


def ranks(points: np.ndarray) -> np.ndarray:
    """Return the front each point lies on, int64 [n]: 0 non-dominated, 1 non-dominated without those, and so on.

    Non-dominated sorting of NSGA-II (Deb et al. 2002, section III-A); equal points share a rank.
    """
    points = np.asarray(points, dtype=np.float64)
    if len(points) == 0:
        return np.zeros(0, dtype=np.int64)
    if points.shape[1] == 1:
        return np.unique(points[:, 0], return_inverse=True)[1].astype(np.int64)
    return np.asarray(moocore.pareto_rank(points), dtype=np.int64)


def crowding(points: np.ndarray) -> np.ndarray:
    """Return the crowding distance of each point of one front, float64 [n]; the ends of each objective are infinite.

    NSGA-II (Deb et al. 2002, section III-B): the sum over objectives of the gap between both neighbours, as a share of
    the objective's range. Large means lonely.
    """
    points = np.asarray(points, dtype=np.float64)
    total = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]] if len(order) else 0.0
        if len(order) > 2 and span > 0:
            total[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
        total[order[[0, -1]] if len(order) else order] = np.inf
    return total


def hypervolume(points: np.ndarray, reference: Sequence[float]) -> float:
    """Return the exact volume that the points dominate, bounded by the reference point (moocore).

    Args:
        points: [n, m]; those that do not lie below the reference in every objective count nothing.
        reference: the worst value of each objective [m].
    """
    worst = np.asarray(reference, dtype=np.float64)
    points = np.asarray(points, dtype=np.float64).reshape(-1, len(worst))
    inside = points[np.all(points < worst, axis=1)]
    if len(inside) == 0:
        return 0.0
    if len(worst) == 1:
        return float(worst[0] - inside.min())
    return float(moocore.hypervolume(inside, ref=worst))


def front_hypervolume(
    errors: Sequence[float] | np.ndarray,
    sizes: Sequence[float] | np.ndarray,
    smallest_bytes: float,
    largest_bytes: float,
) -> float:
    """Return the hypervolume of a search, 0 to 1.

    Over the error clipped to [0, 1] and log10 of the size scaled so that the smallest candidate of the space is 0 and
    the largest 1, with the reference (1, 1).

    Args:
        errors: the error of each candidate [n].
        sizes: the size of each candidate in bytes [n].
        smallest_bytes: the size of the smallest candidate of the space.
        largest_bytes: the size of the largest.
    """
    error = np.clip(np.asarray(errors, dtype=np.float64), 0.0, 1.0)
    low, high = np.log10(smallest_bytes), np.log10(largest_bytes)
    span = high - low if high > low else 1.0
    size = np.maximum((np.log10(np.asarray(sizes, dtype=np.float64)) - low) / span, 0.0)
    return hypervolume(np.column_stack([error, size]), (1.0, 1.0))
