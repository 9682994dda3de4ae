"""How well a source's network already describes the target: scores of its hidden units on the few target rows.

Unlike the distances of rows these need the source's network and not its rows. Larger is better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DoubleArray = NDArray[np.float64]
#: Penalties of the ridge head, in units of the largest squared singular value.
_PENALTIES = 10.0 ** np.arange(-6.0, 2.5, 0.5)
_ROUNDS = 50
_TOLERANCE = 1e-4


def ridge_score(features: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Return the leave-one-out R2 of a ridge regression on features, the mean over outcomes; at most 1.

    Every row is predicted by the head fitted to the other rows (in closed form from one singular value decomposition,
    Hastie et al. 2009, section 7.10), with the penalty that does best over all outcomes together.

    Args:
        features: [n, h], n >= 3.
        y: outcomes [n, c]; those that do not vary are not counted, and if none varies the score is 0.
    """
    left, scale, target = _decomposed(features, y)
    varying = np.square(target).sum(axis=0) > 0
    if not varying.any():
        return 0.0
    target = target[:, varying]
    n = len(target)
    total = np.square(target * n / (n - 1)).sum(axis=0)  # each row against the mean of the others
    best = -np.inf
    for penalty in _PENALTIES * max(float(scale.max(initial=0.0)), 1e-12):
        shrink = scale / (scale + penalty)
        fitted = left @ (shrink[:, None] * (left.T @ target))
        leverage = np.square(left) @ shrink + 1 / n
        residual = (target - fitted) / np.maximum(1 - leverage, 1e-9)[:, None]
        best = max(best, float((1 - np.square(residual).sum(axis=0) / total).mean()))
    return best


def log_evidence(features: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Return LogME: the log evidence per row of a Bayesian linear head, the mean over outcomes (You et al. 2021).

    The precisions of weights and noise are those that maximise the evidence, found by the fixed point iteration of
    MacKay in the basis of singular vectors. Features and outcomes are centred, which stands for a bias.

    Args:
        features: [n, h], n >= 3.
        y: outcomes [n, c].
    """
    left, scale, target = _decomposed(features, y)
    inside = np.square(left.T @ target)
    outside = np.maximum(np.square(target).sum(axis=0) - inside.sum(axis=0), 0.0)
    return float(np.mean([_evidence(scale, inside[:, j], outside[j], len(target)) for j in range(target.shape[1])]))


def _evidence(scale: DoubleArray, inside: DoubleArray, outside: float, n: int) -> float:
    """Return the largest log evidence per row.

    Args:
        scale: squared singular values [k].
        inside: squared coordinates of the outcome along the singular vectors [k].
        outside: squared length of the rest of the outcome.
        n: rows.
    """
    tiny = 1e-12 * n
    weight, noise = 1.0, 1.0  # alpha and beta of the paper
    for _ in range(_ROUNDS):
        ratio = weight / noise
        freedom = float((scale / (scale + ratio)).sum())
        size = float((scale * inside / np.square(scale + ratio)).sum())
        error = float((inside * np.square(ratio / (scale + ratio))).sum()) + outside
        new = freedom / (size + tiny), (n - freedom) / (error + tiny)
        done = abs(new[0] / new[1] / ratio - 1) < _TOLERANCE if freedom > 0 else True
        weight, noise = max(new[0], tiny), new[1]
        if done:
            break
    ratio = weight / noise
    size = float((scale * inside / np.square(scale + ratio)).sum())
    error = float((inside * np.square(ratio / (scale + ratio))).sum()) + outside
    fit = n * np.log(noise / (2 * np.pi)) - noise * error - weight * size
    return float(0.5 * (fit - np.log1p(scale / ratio).sum()) / n)


def _decomposed(
    features: NDArray[np.floating], y: NDArray[np.floating]
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Return left singular vectors [n, k] and squared singular values [k] of centred features, and centred y [n, c]."""
    centred = features - features.mean(axis=0, dtype=np.float64)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    kept = singular > 1e-6 * max(float(singular.max(initial=0.0)), 1e-12)
    return left[:, kept], np.square(singular[kept]), y - y.mean(axis=0, dtype=np.float64)
