"""Distances of two samples from the distances of their rows: energy distance and maximum mean discrepancy (MMD).

Both are unbiased (U-statistics: a row is not paired with itself), so of two samples of one distribution they are zero
on average, and may be a little negative. They cost the product of the row counts, so of many rows 2,000 are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netgraft.seeds import generator

DoubleArray = NDArray[np.float64]
Kernel = Literal["energy", "mmd"]
_MOST_ROWS = 2_000


@dataclass(frozen=True, eq=False)
class Cloud:
    """Rows of a sample, with what they are to each other.

    Attributes:
        rows: [n, p], at most 2,000.
        kernel: how two rows are compared.
        own: mean dissimilarity of two different rows of the sample.
    """

    rows: DoubleArray
    kernel: Kernel
    own: float

    @classmethod
    def of(cls, rows: NDArray[np.floating], kernel: Kernel, *, seed: int) -> Cloud:
        """Return the cloud of standardised rows [n, p], n >= 2; a larger sample is drawn from by the seed."""
        drawn = np.asarray(rows, np.float64)
        if len(rows) > _MOST_ROWS:
            drawn = drawn[generator(seed, "cloud").permutation(len(rows))[:_MOST_ROWS]]
        pairs = _dissimilarity(drawn, drawn, kernel)
        np.fill_diagonal(pairs, 0.0)
        return cls(drawn, kernel, float(pairs.sum() / (len(drawn) * (len(drawn) - 1))))


def cloud_distance(source: Cloud, target: Cloud) -> float:
    """Return 2 E d(x, y) - E d(x, x') - E d(y, y') over the rows of two clouds.

    With d the Euclidean distance it is the energy distance (Szekely and Rizzo 2013). With d = -k it is the squared MMD
    (Gretton et al. 2012, eq. 3). Its kernel k is the rational quadratic 1 / (1 + |x - y|^2 / 2p), a mixture of Gaussian
    kernels of all widths around the mean distance of standardised rows of p numbers, so no width has to be chosen.
    """
    cross = float(_dissimilarity(source.rows, target.rows, target.kernel).mean())
    return 2 * cross - source.own - target.own


def _dissimilarity(a: DoubleArray, b: DoubleArray, kernel: Kernel) -> DoubleArray:
    """Return d of each row of a [n, p] and each of b [m, p]; [n, m]."""
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * (a @ b.T)
    np.maximum(squares, 0.0, out=squares)
    if kernel == "energy":
        return np.sqrt(squares, out=squares)
    return -1 / (1 + squares / (2 * a.shape[1]))
