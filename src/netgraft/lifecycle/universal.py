"""What earlier searches say of architectures: an accuracy predictor over all sources, whose residual is learnt here.

XferNAS (Wistuba 2019, section 3) predicts the accuracy of an architecture as a universal part, learnt from the
searches of other tasks, plus a residual of the task. Here the universal part is a ridge regression on the encoded
genes, fitted to the ranks of the errors in each source's archive; the residual is learnt by the surrogate of the
search, which takes the score of a candidate as its prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.search import Genes, MixedSpace

_PENALTY = 1.0
_FEWEST = 12


class Universal:
    """Predicts how good an architecture is from the archives of sources."""

    def __init__(self, space: MixedSpace, archives: Sequence[Sequence[dict[str, Any]]]) -> None:
        """Fit the predictor.

        Args:
            space: of the task; genes of sources are moved to the nearest of it.
            archives: per source what was tried: ``genes`` and ``error``.
        """
        self._space = space
        rows, targets = [], []
        for archive in archives:
            if len(archive) < _FEWEST:
                continue
            errors = np.array([each["error"] for each in archive], np.float64)
            order = errors.argsort().argsort() / (len(errors) - 1) - 0.5  # ranks: scales of errors differ
            rows.append(space.encode([space.nearest(each["genes"]) for each in archive]))
            targets.append(order)
        self._center: NDArray[np.float64] | None = None
        if rows:
            x, y = np.concatenate(rows), np.concatenate(targets)
            self._center = x.mean(axis=0)
            centred = x - self._center
            gram = centred.T @ centred + _PENALTY * np.eye(x.shape[1])
            self._weights = np.linalg.solve(gram, centred.T @ y)

    def __call__(self, candidates: Sequence[Genes], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores with what sources say of the candidates added, on the scores' own scale.

        Args:
            candidates: genes of the space, n of them.
            scores: estimates of the error [n].
        """
        if self._center is None or len(candidates) == 0:
            return scores
        said = (self._space.encode(candidates) - self._center) @ self._weights
        return np.asarray(scores + said * scores.std(), np.float64)
