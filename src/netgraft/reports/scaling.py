"""Places on a plane for things of which only the distances are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def classical_scaling(distances: ArrayLike) -> tuple[NDArray[np.float64], float]:
    """Return places on a plane whose distances are near the given ones, and the share of the spread that they keep.

    Classical multidimensional scaling (Torgerson, "Multidimensional scaling: I. Theory and method", Psychometrika 17,
    1952, section 4): the squared distances, centred on both sides and times -1/2, are the scalar products of the places
    from their mean, and the eigenvectors of the two largest eigenvalues are the best places of rank two. Distances in a
    plane come back exactly. Axes mean nothing; each is turned so that its largest coordinate is positive, so that the
    same distances always give the same picture. The share is the kept eigenvalues over the sum of all absolute ones
    (Mardia, "Some properties of classical multi-dimensional scaling", 1978, eq. 2.8).

    Args:
        distances: finite, [n, n]; the mean with the transpose is used, and the diagonal is taken as zero.

    Returns:
        Places, float64 [n, 2], their mean at the origin; the share in [0, 1], 1 where all places are one.
    """
    given = np.asarray(distances, np.float64)
    count = len(given)
    squares = ((given + given.T) / 2) ** 2
    np.fill_diagonal(squares, 0)
    centring = np.eye(count) - 1 / max(count, 1)
    values, vectors = np.linalg.eigh(-0.5 * centring @ squares @ centring)  # ascending
    kept = np.zeros(2)
    axes = np.zeros((count, 2))
    found = min(count, 2)
    kept[:found] = np.maximum(values[::-1][:found], 0)
    axes[:, :found] = vectors[:, ::-1][:, :found]
    places = axes * np.sqrt(kept)
    for axis in range(found):
        places[:, axis] *= -1 if places[np.argmax(np.abs(places[:, axis])), axis] < 0 else 1
    spread = float(np.abs(values).sum())
    return places, float(kept.sum() / spread) if spread > 0 else 1.0
