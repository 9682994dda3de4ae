"""Anytime curves of searches: after each evaluation, how good on test rows is the front that validation rows chose?

The hypervolume is the one of Netgraft's ``front.json``, with test errors in place of validation errors: over the error
clipped to [0, 1] and log10 of the size, scaled from the smallest network of the space to the largest, reference (1, 1).
Time is CPU time of the process; what only the benchmark needs (predicting test rows) is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from netgraft.search import front_hypervolume, non_dominated

#: (CPU-seconds, hypervolume on test rows, evaluations)
Curve = list[tuple[float, float, int]]


class CpuClock:
    """CPU-seconds of this process since the start, pauses left out."""

    def __init__(self) -> None:
        """Start now."""
        self._began = time.process_time()

    def __call__(self) -> float:
        """Return the seconds."""
        return time.process_time() - self._began

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out what happens inside."""
        started = time.process_time()
        try:
            yield
        finally:
            self._began += time.process_time() - started


class Watched:
    """The evaluations of one search and its curve."""

    def __init__(self, bounds: tuple[float, float]) -> None:
        """Begin with nothing.

        Args:
            bounds: bytes of the smallest and the largest network of the space.
        """
        self._bounds = bounds
        self.curve: Curve = []
        self.errors: list[float] = []
        self.sizes: list[float] = []
        self.tests: list[float] = []

    def add(self, seconds: float, errors: Sequence[float], sizes: Sequence[float], tests: Sequence[float]) -> None:
        """Add evaluations that were finished together: validation errors, bytes, test errors."""
        self.errors += errors
        self.sizes += sizes
        self.tests += tests
        front = non_dominated(np.column_stack([self.errors, self.sizes]))
        self.append(seconds, np.array(self.tests)[front], np.array(self.sizes)[front], len(self.errors))

    def append(self, seconds: float, tests: np.ndarray, sizes: np.ndarray, evaluations: int) -> None:
        """Add a point of the curve from the test errors and bytes of the present front."""
        volume = front_hypervolume(tests, sizes, *self._bounds)
        self.curve.append((round(seconds, 4), round(volume, 6), evaluations))


def first_reached(curve: Sequence[Sequence[float]], volume: float) -> float | None:
    """Return the CPU-seconds when a curve first reached a hypervolume, or None."""
    return next((point[0] for point in curve if point[1] >= volume - 1e-9), None)


def final(curve: Sequence[Sequence[float]]) -> float:
    """Return the last hypervolume of a curve; 0 of an empty one."""
    return curve[-1][1] if curve else 0.0


def better(curves: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Return the name of the curve that ends highest."""
    return max(curves, key=lambda name: final(curves[name]))
