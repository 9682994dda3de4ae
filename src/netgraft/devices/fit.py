"""Fits the figures of a profile to measured times: non-negative least squares of the relative error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.devices.layer import RATE_NAMES, Layer
from netgraft.devices.profile import LayerRate

#: Layers whose time grows with the numbers they handle. A raw column is always one number, so `input` is not here.
SIZED = tuple(name for name in RATE_NAMES if name != "input")
#: Bounds that keep a figure finite where no model here was large enough to show it.
FASTEST_OPERATIONS_PER_S = 1e13
FASTEST_BYTES_PER_S = 1e12
_RUN, _OPERATIONS, _BYTES = 0, 1, 2
_FIRST_KIND = 3
_FIRST_SIZED = _FIRST_KIND + len(RATE_NAMES)


@dataclass(frozen=True)
class Fit:
    """The figures of the latency model that fit measured times best.

    Attributes:
        overhead_s: seconds per run.
        operations_per_s, bandwidth_bytes_per_s: rates of one core.
        layers: what each kind of layer costs.
        median_error: the median relative error of the fit on its own measurements.
    """

    overhead_s: float
    operations_per_s: float
    bandwidth_bytes_per_s: float
    layers: dict[str, LayerRate]
    median_error: float


def fit_latency(models: Sequence[Sequence[Layer]], times_s: Sequence[float]) -> Fit:
    """Return the latency model that fits the measured times of models best.

    Solves ``min |A c / t - 1|`` for non-negative c (Lawson and Hanson 1974, chapter 23), so that a model of
    microseconds counts as much as one of milliseconds.

    Args:
        models: the layers of m models.
        times_s: the measured seconds of each, all positive.
    """
    from scipy.optimize import nnls

    times = np.asarray(times_s, float)
    features = np.stack([_features(layers) for layers in models])
    # columns differ by ten orders of magnitude: each is scaled to a largest entry of 1
    scale = np.maximum(features.max(axis=0), 1.0)
    weighted = features / scale / times[:, None]
    solution, _ = nnls(weighted, np.ones(len(times)))
    coefficients = solution / scale
    errors = np.abs(features @ coefficients / times - 1)
    return Fit(
        overhead_s=float(coefficients[_RUN]),
        operations_per_s=1 / max(float(coefficients[_OPERATIONS]), 1 / FASTEST_OPERATIONS_PER_S),
        bandwidth_bytes_per_s=1 / max(float(coefficients[_BYTES]), 1 / FASTEST_BYTES_PER_S),
        layers=_rates(coefficients),
        median_error=float(np.median(errors)),
    )


def _features(layers: Sequence[Layer]) -> NDArray[np.float64]:
    """Return what the coefficients of the latency model multiply for one model."""
    row = np.zeros(_FIRST_SIZED + len(SIZED))
    row[_RUN] = 1
    for layer in layers:
        row[_OPERATIONS] += layer.operations
        row[_BYTES] += layer.read_bytes
        row[_FIRST_KIND + RATE_NAMES.index(layer.rate_name)] += 1
        if layer.rate_name in SIZED:
            row[_FIRST_SIZED + SIZED.index(layer.rate_name)] += layer.numbers
    return row


def _rates(coefficients: NDArray[np.float64]) -> dict[str, LayerRate]:
    per_layer = coefficients[_FIRST_KIND:_FIRST_SIZED]
    per_number = dict(zip(SIZED, coefficients[_FIRST_SIZED:], strict=True))
    return {
        name: LayerRate(float(per_layer[place]), float(per_number.get(name, 0.0)))
        for place, name in enumerate(RATE_NAMES)
    }
