"""Which candidates promise the most: expected gain of hypervolume when the error alone is uncertain.

The front is described by its attainment: for each place in the space of the cheap objectives, the least error of the
points that are at least as good there. The hypervolume is the mean of (1 - attained error) over places, so a candidate
with cheap values z and error e gains the mean over the places that z reaches of max(0, attained - e); with a normal e
the expectation is the expected improvement at each place (Jones et al. 1998, equation 15). Exact but for the finite
number of places, for any number of objectives.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

_PLACES = 256


def places(dimensions: int) -> np.ndarray:
    """Return places spread evenly over the unit cube, float64 [s, dimensions].

    A lattice of rank one: a grid in the first dimension, multiples of powers of the generalised golden ratio in the
    others (the R sequence of Roberts 2018).
    """
    if dimensions == 0:
        return np.zeros((1, 0))
    ratio = 2.0
    for _ in range(50):
        ratio = (1.0 + ratio) ** (1.0 / dimensions)
    steps = np.arange(_PLACES) + 0.5
    columns = [steps / _PLACES, *((steps * ratio**-power) % 1.0 for power in range(1, dimensions))]
    return np.column_stack(columns)


def reaches(cheap: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return which candidates are at least as good as which places, bool [n, s].

    Args:
        cheap: the scaled cheap objectives of the candidates [n, m - 1].
        where: places [s, m - 1].
    """
    return np.all(cheap[:, None, :] <= where[None, :, :], axis=2)


def attained(errors: np.ndarray, reached: np.ndarray, worst: float) -> np.ndarray:
    """Return the least error at each place, float64 [s]; `worst` where no point reaches.

    Args:
        errors: the error of each point [n].
        reached: which point reaches which place, bool [n, s].
        worst: the error of the reference point.
    """
    level = np.full(reached.shape[1], worst)
    if len(errors):
        level = np.minimum(level, np.where(reached, errors[:, None], worst).min(axis=0))
    return level


def expected_improvement(level: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return E[max(0, level - e)] for normal e with this mean and (positive) standard deviation; they broadcast."""
    gap = level - mean
    z = gap / deviation
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return np.asarray(gap * ndtr(z) + deviation * density)


def choose(
    count: int, mean: np.ndarray, deviation: np.ndarray, reached: np.ndarray, level: np.ndarray, free: np.ndarray
) -> list[int]:
    """Return candidates chosen one after the other for the largest expected gain of hypervolume.

    After each choice the front is taken to hold the candidate at its mean (the kriging believer of Ginsbourger et al.
    2010), so that the next one goes elsewhere.

    Args:
        count: how many to choose at most.
        mean: the predicted error [n].
        deviation: its standard deviation, positive [n].
        reached: which candidate reaches which place, bool [n, s].
        level: the attained error at each place [s].
        free: which candidates may be chosen, bool [n]; chosen ones are cleared in place.

    Returns:
        indices, the best first.
    """
    chosen: list[int] = []
    level = level.copy()
    gain = _gains(np.arange(len(mean)), mean, deviation, reached, level)
    while len(chosen) < count and free.any():
        best = int(np.argmax(np.where(free, gain, -np.inf)))
        chosen.append(best)
        free[best] = False
        lowered = reached[best] & (level > mean[best])
        level = np.where(lowered, mean[best], level)
        # gains only shrink, and only where a place changed
        touched = np.flatnonzero(free & (reached & lowered).any(axis=1))
        gain[touched] = _gains(touched, mean, deviation, reached, level)
    return chosen


def _gains(
    which: np.ndarray, mean: np.ndarray, deviation: np.ndarray, reached: np.ndarray, level: np.ndarray
) -> np.ndarray:
    """Return the expected gain of hypervolume of some candidates, float64 [len(which)]."""
    improvement = expected_improvement(level[None, :], mean[which, None], deviation[which, None])
    return np.asarray((improvement * reached[which]).mean(axis=1))
