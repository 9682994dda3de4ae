"""What is known of one data set when it is compared with others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import InputError


@dataclass(frozen=True, eq=False)
class Sample:
    """What is known of one data set; a measure says which of it it needs.

    Attributes:
        x: columns [n, d], standardised over the rows of all samples that are compared, without missing cells.
        y: outcomes [n, c], standardised in the same way, or one-hot classes.
        features: of a source: what its network makes of the target's m rows (hidden units) [m, h].
        sketch: of the table (see `sketch_of`) [SKETCH].

    Raises:
        InputError: rows are fewer than 3 or not finite, or x and y do not fit each other.
    """

    x: NDArray[np.floating] | None = None
    y: NDArray[np.floating] | None = None
    features: NDArray[np.floating] | None = None
    sketch: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        matrices = {"x": self.x, "y": self.y, "features": self.features}
        for name, values in matrices.items():
            if values is None:
                continue
            if values.ndim != 2 or len(values) < 3:
                raise InputError(f"{name} of a sample must have 2 dimensions and 3 rows or more, got {values.shape}")
            if not np.isfinite(values).all():
                raise InputError(f"{name} of a sample must be finite, got {(~np.isfinite(values)).sum()} cells not")
        if self.x is not None and self.y is not None and len(self.x) != len(self.y):
            raise InputError(f"x and y of a sample must have as many rows, got {len(self.x)} and {len(self.y)}")

    @property
    def rows(self) -> NDArray[np.float64]:
        """Return columns and outcomes side by side, float64 [n, d + c]."""
        assert self.x is not None
        assert self.y is not None
        return np.concatenate([self.x, self.y], axis=1, dtype=np.float64)

    @property
    def width(self) -> tuple[int, int]:
        """Return the numbers of columns and of outcomes (d, c)."""
        assert self.x is not None
        assert self.y is not None
        return self.x.shape[1], self.y.shape[1]
