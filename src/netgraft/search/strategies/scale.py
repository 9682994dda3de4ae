"""Cheap objectives on one scale: the logarithm, 0 for the smallest candidate and 1 for the largest."""

from __future__ import annotations

import numpy as np

from netgraft.search.strategies.strategy import Setup

_TINY = 1e-30


class CheapScale:
    """Scales the cheap objectives by the bounds of the setup, else by those of the values given."""

    def __init__(self, setup: Setup, costs: np.ndarray) -> None:
        """Fix the scale.

        Args:
            setup: the bounds known and the limits; a limit is an upper bound.
            costs: values to take the other bounds from [n, m - 1].
        """
        limits = {limit.objective: limit.value for limit in setup.limits}
        low, high = [], []
        for name, column in zip(setup.cheap, costs.T, strict=True):
            least, most = setup.bounds.get(name, (column.min(), column.max()))
            low.append(np.log(max(least, _TINY)))
            high.append(np.log(max(min(most, limits.get(name, most)), least, _TINY)))
        self._low = np.array(low)
        span = np.array(high) - self._low
        self._span = np.where(span > 0, span, 1.0)

    def __call__(self, costs: np.ndarray) -> np.ndarray:
        """Return the scaled logarithms, float64 [n, m - 1]."""
        return np.asarray((np.log(np.maximum(costs, _TINY)) - self._low) / self._span)
