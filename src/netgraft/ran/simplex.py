"""The simplex as a space of Gymnasium."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from netgraft.ran.shares import on_simplex


class Simplex(Box):
    """Vectors [N] of numbers >= 0 that sum to 1 within 1e-6; a `Box` for what only reads bounds and shape.

    It is no product of intervals: a point of the box that is drawn or clipped by its bounds alone is not in the space.
    Agents that know only boxes use `netgraft.ran.cell_view`, whose actions are logits.
    """

    def __init__(self, size: int, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(low=0.0, high=1.0, shape=(size,), dtype=np.float32, seed=seed)

    def sample(self, mask: None = None, probability: None = None) -> NDArray[Any]:
        """Return a point drawn uniformly from the simplex; masks have no meaning here and are ignored."""
        drawn = self.np_random.standard_exponential(self.shape)
        return np.asarray(drawn / drawn.sum(), np.float32)

    def contains(self, x: Any) -> bool:
        """Return whether x is an array on the simplex."""
        return isinstance(x, np.ndarray) and x.shape == self.shape and bool(on_simplex(x))

    def __repr__(self) -> str:
        return f"Simplex({self.shape[0]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Simplex) and self.shape == other.shape

    __hash__ = None  # type: ignore[assignment]  # as of every space of Gymnasium
