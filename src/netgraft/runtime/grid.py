"""One common grid of steps for all numbers of a model, whose magnitudes are sent bit by bit, the highest first.

A number becomes a sign and a magnitude in whole steps, rounded towards zero (a dead zone twice as wide as a step lies
around zero). A device that has only the higher bits ("planes") of a magnitude knows an interval, and takes the mean
that the numbers in such intervals had when the grid was fitted (the centroid).

Since all tensors share one step, a tensor of larger numbers gets more bits by itself, which is what the theory of
reverse water-filling asks for (Cover and Thomas, "Elements of Information Theory", section 10.3.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import ModelError
from netgraft.runtime.encoding import FloatArray

MOST_PLANES = 15
_LEAST_CENTROID = 0.01
_DIGITS = 2
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class Grid:
    """A common step and what a magnitude is taken for when only its higher planes are known.

    Attributes:
        step: the width of an interval of the finest plane, plane 0.
        planes: how many bits a magnitude has; the highest plane is ``planes - 1``.
        centroids: for each plane, the place in (0, 1) of a number within its interval when that plane is the lowest
            that is known: for magnitudes whose only bit so far is that plane's, and for larger ones.
    """

    step: float
    planes: int
    centroids: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ModelError: the step is not positive and finite, or the planes or centroids are out of range.
        """
        if not (math.isfinite(self.step) and self.step > 0):
            raise ModelError(f"a grid must have a step > 0, got {self.step!r}")
        if not 1 <= self.planes <= MOST_PLANES:
            raise ModelError(f"a grid must have 1 to {MOST_PLANES} planes, got {self.planes}")
        if len(self.centroids) != self.planes:
            raise ModelError(f"a grid must have centroids for {self.planes} planes, got {len(self.centroids)}")
        for pair in self.centroids:
            if len(pair) != 2 or not all(0 < place < 1 for place in pair):
                raise ModelError(f"a centroid must be two numbers between 0 and 1, got {pair!r}")

    def levels(self, lowest: int) -> FloatArray:
        """Return what magnitudes stand for when ``lowest`` is the lowest plane known; float32 [2^(planes - lowest)].

        Entry m stands for the interval of magnitudes ``m * 2^lowest`` to ``(m + 1) * 2^lowest`` steps.

        Raises:
            ModelError: there is no such plane.
        """
        if not 0 <= lowest <= self.planes:
            raise ModelError(f"a lowest plane must be from 0 to {self.planes}, got {lowest}")
        made = np.zeros(2 ** (self.planes - lowest), np.float64)
        if lowest < self.planes:
            first, later = self.centroids[lowest]
            made[1:] = (np.arange(1, len(made)) + later) * (2.0**lowest * self.step)
            made[1] = (1 + first) * (2.0**lowest * self.step)
        return made.astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the grid as JSON values."""
        return {"step": self.step, "planes": self.planes, "centroids": [list(pair) for pair in self.centroids]}

    @staticmethod
    def from_json(value: Any) -> Grid:
        """Return the grid stored by `to_json`.

        Raises:
            ModelError: a field is missing, unknown, of another type or out of range.
        """
        if not isinstance(value, Mapping) or set(value) != {"step", "planes", "centroids"}:
            raise ModelError("a grid must have a step, planes and centroids")
        step, planes, pairs = value["step"], value["planes"], value["centroids"]
        if not _is_number(step) or type(planes) is not int or not isinstance(pairs, list):
            raise ModelError("a grid must have a number as step, a whole number of planes and a list of centroids")
        if not all(isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair)) for pair in pairs):
            raise ModelError("a grid must have centroids in pairs of numbers")
        return Grid(float(step), planes, tuple((float(first), float(later)) for first, later in pairs))


def quantise(values: NDArray[Any], step: float, planes: int) -> Codes:
    """Return each value's sign times its magnitude in whole steps, at most ``2^planes - 1``; int32, same shape."""
    most = 2**planes - 1
    steps = np.asarray(values, np.float64) / step
    return np.clip(steps, -most, most, out=steps).astype(np.int32)  # which rounds towards zero


def dequantise(codes: NDArray[Any], grid: Grid, lowest: int | NDArray[Any]) -> FloatArray:
    """Return the numbers that codes stand for when the planes below ``lowest`` are unknown; float32, of the same shape.

    Args:
        codes: int, signed magnitudes; bits below ``lowest`` are ignored.
        grid: the step and the centroids.
        lowest: the lowest known plane of all numbers, or of each.

    Raises:
        ModelError: there is no such plane.
    """
    codes = np.asarray(codes)
    if isinstance(lowest, int | np.integer):
        return _values(codes, grid, int(lowest))
    each = np.broadcast_to(lowest, codes.shape)
    made = np.zeros(codes.shape, np.float32)
    for plane in np.unique(each):
        chosen = each == plane
        made[chosen] = _values(codes[chosen], grid, int(plane))
    return made


def fit_grid(values: Sequence[NDArray[Any]], planes: int = 8, step: float | None = None) -> Grid:
    """Return a grid for the numbers of some tensors.

    Args:
        values: the tensors.
        planes: bits of a magnitude.
        step: the common step; from the largest magnitude unless given.

    Raises:
        ModelError: a number is not finite, or planes or step are out of range.
    """
    magnitudes = [np.abs(np.asarray(v, np.float64)).ravel() for v in values]
    every = np.concatenate(magnitudes) if magnitudes else np.zeros(0)
    if not np.isfinite(every).all():
        raise ModelError("the numbers of a model must be finite to be put on a grid, got infinity or NaN")
    if not 1 <= planes <= MOST_PLANES:
        raise ModelError(f"a grid must have 1 to {MOST_PLANES} planes, got {planes}")
    largest = float(every.max()) if len(every) else 0.0
    chosen = step if step is not None else (largest / 2**planes or 1.0)
    if not (math.isfinite(chosen) and chosen > 0):
        raise ModelError(f"a grid must have a step > 0, got {chosen!r}")
    steps = np.minimum(every / chosen, np.nextafter(2.0**planes, 0))
    return Grid(chosen, planes, tuple(_centroids(steps, plane) for plane in range(planes)))


def _centroids(steps: NDArray[np.float64], plane: int) -> tuple[float, float]:
    """Return the mean place in their intervals of numbers whose highest bit is this plane, and of larger ones."""
    scaled = steps / 2.0**plane
    whole = np.floor(scaled)
    return _mean_place(scaled[whole == 1] - 1), _mean_place(scaled[whole > 1] - whole[whole > 1])


def _mean_place(places: NDArray[np.float64]) -> float:
    """Return the mean of some places, kept away from both ends."""
    mean = float(places.mean()) if len(places) else 0.5
    return round(min(max(mean, _LEAST_CENTROID), 1 - _LEAST_CENTROID), _DIGITS)


def _values(codes: NDArray[Any], grid: Grid, lowest: int) -> FloatArray:
    """Return the numbers that codes stand for at one lowest plane."""
    levels = grid.levels(lowest)
    both = np.concatenate([-levels[:0:-1], levels])  # from the most negative magnitude to the largest
    magnitude = np.abs(codes) >> lowest
    return both[np.where(codes < 0, -magnitude, magnitude) + (len(levels) - 1)]


def _is_number(value: Any) -> bool:
    """Return whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
