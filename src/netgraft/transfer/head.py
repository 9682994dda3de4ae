"""The head that a target gets: what it makes of a source's outputs, by units and classes, then fitted to its rows.

A target of another scale or of other classes starts with the source's outputs times a matrix (`unit_head`). What is
left to learn is fitted to the target's few rows by so few numbers that little can go wrong: a slope and a bias for a
number, a sharpness and a bias per class for classes, all drawn to where they change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from netgraft.runtime import Output
from netgraft.runtime.encoding import FloatArray

# How many rows on which the source is right the prior counts as.
_PRIOR_ROWS = 10.0
_LEAST_SPREAD = 1e-12


@dataclass(frozen=True)
class Head:
    """What a target makes of a source's outputs: ``outputs @ matrix + bias``.

    Attributes:
        matrix: float32 [c of the source, c of the target].
        bias: float32 [c of the target].
    """

    matrix: FloatArray
    bias: FloatArray


def class_head(source: tuple[Any, ...], target: tuple[Any, ...]) -> Head:
    """Return the head for other classes: those that both have keep their outputs, new ones start at zero."""
    matrix = np.zeros((len(source), len(target)), np.float32)
    places = {str(label): i for i, label in enumerate(source)}  # a number in one file may be a text in another
    for j, label in enumerate(target):
        if str(label) in places:
            matrix[places[str(label)], j] = 1
    return Head(matrix, np.zeros(len(target), np.float32))


def affine_head(slope: float, bias: float) -> Head:
    """Return the head that moves and scales one output."""
    return Head(np.array([[slope]], np.float32), np.array([bias], np.float32))


def unit_head(source: Output, target: Output) -> Head:
    """Return the head under which the source's prediction stays what it is, in the target's unit and classes."""
    if target.kind == "classification":
        return class_head(source.classes, target.classes)
    if source.log1p != target.log1p:
        return affine_head(1.0, 0.0)
    return affine_head(source.scale / target.scale, (source.mean - target.mean) / target.scale)


def fitted_head(said: FloatArray, target: NDArray[np.generic]) -> tuple[float, float | FloatArray]:
    """Return the scale and the biases that fit outputs [n, c] to class indices (int64) or else to numbers [n]."""
    if target.dtype == np.int64:
        return fitted_classes(said, target)
    return fitted_line(said[:, 0], target)


def fitted_line(said: FloatArray, target: NDArray[np.generic]) -> tuple[float, float]:
    """Return slope and bias that take what a source says to the target, by least squares with a slope shrunk to 1.

    The shrinkage counts as ten rows on which the source is right but for a shift; the slope is not negative.

    Args:
        said: [n].
        target: [n], of the same unit.
    """
    x, y = said.astype(np.float64), np.asarray(target, np.float64)
    n = len(x)
    if n == 0:
        return 1.0, 0.0
    center, mean = x.mean(), y.mean()
    spread = ((x - center) ** 2).sum()
    prior = _PRIOR_ROWS * max(spread / n, _LEAST_SPREAD)
    slope = max(0.0, float((((x - center) * (y - mean)).sum() + prior) / (spread + prior)))
    return slope, float(mean - slope * center)


def fitted_classes(said: FloatArray, target: NDArray[np.generic]) -> tuple[float, FloatArray]:
    """Return the sharpness and the biases per class that make a source's outputs the likeliest.

    Both are drawn to 1 and 0, as by ten rows; the sharpness is positive. A class that the rows lack loses nothing but
    what the prior allows.

    Args:
        said: logits [n, c].
        target: class indices [n].
    """
    n, c = said.shape
    if n == 0:
        return 1.0, np.zeros(c, np.float32)
    logits, truth = said.astype(np.float64), np.eye(c)[np.asarray(target, np.int64)]

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the penalised log loss of all rows and its gradient."""
        sharpness = np.exp(x[0])
        scaled = sharpness * logits + x[1:]
        scaled -= scaled.max(axis=1, keepdims=True)
        total = np.exp(scaled).sum(axis=1, keepdims=True)
        gap = np.exp(scaled) / total - truth
        value = float(np.sum(np.log(total[:, 0]) - (scaled * truth).sum(axis=1)) + 0.5 * _PRIOR_ROWS * x[0] ** 2)
        value += 0.5 * float(x[1:] @ x[1:])
        slope = sharpness * float((gap * logits).sum()) + _PRIOR_ROWS * x[0]
        return value, np.concatenate([[slope], gap.sum(axis=0) + x[1:]])

    found = minimize(loss, np.zeros(c + 1), jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
    return float(np.exp(found[0])), found[1:].astype(np.float32)


def turned(parameters: dict[str, FloatArray], slope: float, bias: float | FloatArray) -> dict[str, FloatArray]:
    """Return a network's parameters after its outputs were scaled and moved.

    Args:
        parameters: by name; what begins with ``head`` or ``skip`` makes the outputs.
        slope: of every output.
        bias: of the outputs, one number or [c].
    """
    made = dict(parameters)
    for name, value in parameters.items():
        if name.startswith("head_bias"):
            made[name] = np.asarray(value * slope + bias, np.float32)
        elif name.startswith(("head", "skip")):
            made[name] = np.asarray(value * slope, np.float32)
    return made
