"""What validation rows say about trained models: temperature, interval, calibration error, weights of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from netgraft.errors import SettingError
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import softmax

TaskKind = Literal["regression", "classification"]
DoubleArray = NDArray[np.float64]
_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.05, 20.0
_BLEND_ROUNDS = 50
_LEAST_PROBABILITY = 1e-7
_CALIBRATION_ROWS = 50_000


def fit_temperature(logits: FloatArray, y: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """Return the temperature with the least log loss of the member-averaged softmax, between 0.05 and 20.

    The method is that of Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2, for an ensemble
    whose members share one temperature. At most 50,000 rows, evenly spaced, are read.

    Args:
        logits: float32 [n, k, c] of validation rows.
        y: class indices [n].
        weights: row weights [n].

    Returns:
        1 when there are no rows.
    """
    if len(logits) == 0:
        return 1.0
    rows = slice(None, None, -(-len(logits) // _CALIBRATION_ROWS))
    kept, target = np.asarray(logits, np.float32)[rows], np.asarray(y, np.int64)[rows]
    share = _shares(len(kept) if weights is None else np.asarray(weights)[rows])

    def loss(log_temperature: float) -> float:
        probability = softmax(kept / np.float32(np.exp(log_temperature)))[np.arange(len(kept)), :, target].mean(axis=1)
        return -float(share @ np.log(np.maximum(probability, _LEAST_PROBABILITY)))

    # the loss of a mean of members need not have one valley only, so a grid comes first
    grid = np.linspace(np.log(_LOWEST_TEMPERATURE), np.log(_HIGHEST_TEMPERATURE), 25)
    best = int(np.argmin([loss(value) for value in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = scipy.optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    log_temperature = found.x if found.fun <= loss(0.0) else 0.0
    return float(np.float32(np.exp(log_temperature)))


def conformal_half_width(residuals: NDArray[Any], level: float = 0.9) -> float:
    """Return the half-width of the split-conformal prediction interval.

    It is the ``ceil((n + 1) level)``-th smallest absolute residual of rows the model was not trained on (Lei et al.
    2018, "Distribution-Free Predictive Inference for Regression", algorithm 2).

    Args:
        residuals: prediction less target [n].
        level: share of new rows that the interval shall hold, at least.

    Returns:
        NaN when n is too small for the level, as no finite width holds it.

    Raises:
        SettingError: the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise SettingError(f"the level of an interval must be between 0 and 1, got {level}")
    absolute = np.abs(np.asarray(residuals, np.float64))
    # the tiny amount keeps 0.9 * 10 from being 10 in floating point
    rank = int(np.ceil((len(absolute) + 1) * level - 1e-9))
    if rank > len(absolute):
        return float("nan")
    return float(np.partition(absolute, rank - 1)[rank - 1])


def expected_calibration_error(probabilities: FloatArray, y: NDArray[Any], bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal width (Guo et al. 2017, eq. 3).

    Args:
        probabilities: float32 [n, c].
        y: class indices [n].
        bins: of the confidence between 0 and 1.
    """
    if len(probabilities) == 0:
        return 0.0
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == np.asarray(y)).astype(np.float64)
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def blend(
    outputs: Sequence[FloatArray], y: NDArray[Any], kind: TaskKind, weights: NDArray[Any] | None = None
) -> FloatArray:
    """Return the weights of a stack by greedy selection with replacement; float32 [parts], they sum to one.

    In each of 50 rounds the part joins whose addition lowers the loss of the mean most (Caruana et al. 2004, "Ensemble
    Selection from Libraries of Models"); the best round is kept, the earliest on a tie.

    Args:
        outputs: for each part the outputs on validation rows: the standardised target [n] or [n, 1], or probabilities
            [n, c].
        y: the standardised target [n], or class indices [n].
        kind: regression (squared error) or classification (log loss).
        weights: row weights [n].

    Raises:
        SettingError: there are no parts.
    """
    if not outputs:
        raise SettingError("a stack requires at least 1 part, got 0")
    if kind == "classification":
        rows = np.arange(len(y))
        stacked = np.stack([np.asarray(o, np.float64)[rows, np.asarray(y, np.int64)] for o in outputs])
    else:
        stacked = np.stack([np.asarray(o, np.float64).reshape(len(y)) for o in outputs])
    share = _shares(len(y) if weights is None else weights)
    target = np.asarray(y, np.float64)
    total, counts = np.zeros(len(y)), np.zeros(len(outputs))
    best, least = counts, np.inf
    for size in range(1, _BLEND_ROUNDS + 1):
        losses = [_loss((total + part) / size, target, share, kind) for part in stacked]
        chosen = int(np.argmin(losses))
        total, counts = total + stacked[chosen], counts + (np.arange(len(outputs)) == chosen)
        if losses[chosen] < least - 1e-12:
            best, least = counts, losses[chosen]
    if not best.any():  # no rows to tell by
        best = np.ones(len(outputs))
    return (best / best.sum()).astype(np.float32)


def _shares(weights: int | NDArray[Any]) -> DoubleArray:
    """Return row weights that sum to one; equal ones for a number of rows."""
    if isinstance(weights, int):
        return np.full(weights, 1 / max(weights, 1))
    return np.asarray(weights, np.float64) / np.sum(weights, dtype=np.float64)


def _loss(mean: DoubleArray, target: DoubleArray, share: DoubleArray, kind: TaskKind) -> float:
    """Return the squared error, or the log loss of the probabilities of the true classes."""
    if kind == "classification":
        return -float(share @ np.log(np.maximum(mean, _LEAST_PROBABILITY)))
    return float(share @ (mean - target) ** 2)
