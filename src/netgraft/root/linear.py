"""Linear references: ridge and multinomial logistic regression, expressed as networks of depth 0.

Each code column is one-hot; its coefficients become one short row per category (their best approximation of low rank,
exact for up to nine classes) and a block of the linear path. Only the most frequent codes get coefficients of their
own; the others, and the unknown slot when no train row had it, stay at zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray

from netgraft.errors import SettingError
from netgraft.runtime import Architecture, Inputs, Network
from netgraft.runtime.encoding import FloatArray
from netgraft.seeds import generator

TaskKind = Literal["regression", "classification"]
IntArray = NDArray[np.int64]
DoubleArray = NDArray[np.float64]
_MOST_CODES = 512
_LOGISTIC_ROWS = 20_000
_BLOCK_ROWS = 65_536
_RIDGE_GRID = 10.0 ** np.arange(-6.0, 1.5, 0.5)
_LOGISTIC_GRID = 10.0 ** np.array([-2.0, -3.0, -4.0, -5.0])
_RANK = 8


@dataclass(frozen=True)
class _Design:
    """Rows of the linear model: numeric features, then the kept one-hot codes.

    Attributes:
        numeric: float32 [n, d].
        codes: sparse float64 [n, p].
    """

    numeric: FloatArray
    codes: Any

    def __matmul__(self, weights: DoubleArray) -> DoubleArray:
        d = self.numeric.shape[1]
        return np.asarray(self.numeric @ weights[:d] + self.codes @ weights[d:])

    def adjoint(self, residual: DoubleArray) -> DoubleArray:
        """Return the design transposed times the residuals."""
        return np.concatenate([self.numeric.T @ residual, self.codes.T @ residual])


def fit_linear(
    inputs: Inputs,
    y: NDArray[Any],
    *,
    kind: TaskKind,
    outputs: int,
    slots: tuple[int, ...],
    train: IntArray,
    validation: IntArray,
    weights: NDArray[Any] | None = None,
    seed: int,
) -> Network:
    """Return a linear model of the encoded rows as a network of depth 0.

    Args:
        inputs: n encoded rows.
        y: the standardised target [n], or class indices [n] below ``outputs``.
        kind: regression (ridge) or classification (multinomial logistic regression).
        outputs: 1 for regression, the number of classes otherwise.
        slots: slots of each code column, the unknown slot included.
        train: indices of the rows to fit.
        validation: indices of the rows that choose the penalty; if there are none a middling one is taken.
        weights: row weights [n].
        seed: of the sample of train rows that a logistic regression is fitted to (20,000 at most).

    Raises:
        SettingError: there are no train rows.
    """
    if len(train) == 0:
        raise SettingError("a linear model requires at least 1 train row, got 0")
    if kind == "classification" and len(train) > _LOGISTIC_ROWS:
        train = np.sort(generator(seed, "linear", "train").permutation(train)[:_LOGISTIC_ROWS])
    if kind == "classification" and len(validation) > _LOGISTIC_ROWS:
        validation = np.sort(generator(seed, "linear", "validation").permutation(validation)[:_LOGISTIC_ROWS])
    kept = _kept_codes(inputs, slots, train)
    designs = [_design(inputs.take(rows), slots, kept) for rows in (train, validation)]
    every = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    targets = [np.asarray(y)[rows] for rows in (train, validation)]
    row_weights = [every[rows] for rows in (train, validation)]
    if kind == "regression":
        coefficients, bias = _ridge(designs, targets, row_weights)
    else:
        coefficients, bias = _logistic(designs, targets, row_weights, outputs)
    return _network(inputs.numeric.shape[1], slots, outputs, kept, coefficients, bias)


def _kept_codes(inputs: Inputs, slots: tuple[int, ...], train: IntArray) -> IntArray:
    """Return the columns of the full one-hot design that get a coefficient: the most frequent ones; int64 [p]."""
    counts = [np.bincount(inputs.codes[train, j], minlength=count) for j, count in enumerate(slots)]
    count = np.concatenate([*counts, np.zeros(0, np.int64)])
    return np.sort(np.argsort(-count, kind="stable")[: min(_MOST_CODES, int((count > 0).sum()))])


def _design(inputs: Inputs, slots: tuple[int, ...], kept: IntArray) -> _Design:
    """Return the design of some rows."""
    n, q = inputs.codes.shape
    offset = np.concatenate([[0], np.cumsum(slots)])[:q].astype(np.int64)
    place = np.full(sum(slots), -1)
    place[kept] = np.arange(len(kept))
    columns = place[inputs.codes + offset] if q else np.zeros((n, 0), np.int64)
    row, _ = np.nonzero(columns >= 0)
    entries = (np.ones(len(row)), (row, columns[columns >= 0]))
    return _Design(inputs.numeric, scipy.sparse.csr_array(entries, shape=(n, len(kept))))


def _ridge(
    designs: list[_Design], targets: list[NDArray[Any]], weights: list[DoubleArray]
) -> tuple[DoubleArray, DoubleArray]:
    """Return coefficients [d + p, 1] and bias [1] of the ridge regression that does best on validation rows."""
    train, validation = designs
    gram, moment, mean, center = _moments(train, np.asarray(targets[0], np.float64), weights[0])
    value, vector = np.linalg.eigh(gram)
    value = np.maximum(value, 0.0)
    projected = vector.T @ moment
    grid = _RIDGE_GRID if len(targets[1]) else np.array([1e-3])
    solutions = vector @ (projected[:, None] / (value[:, None] + grid))  # [d + p, penalties]
    biases = mean - center @ solutions
    best = 0
    if len(targets[1]):
        error = (validation @ solutions + biases - targets[1][:, None]) ** 2
        best = int(np.argmin(np.average(error, axis=0, weights=weights[1])))
    return solutions[:, [best]], biases[[best]]


def _moments(
    design: _Design, target: DoubleArray, weight: DoubleArray
) -> tuple[DoubleArray, DoubleArray, float, DoubleArray]:
    """Return weighted moments: covariance [d + p, d + p], that with the target [d + p], target mean, means [d + p]."""
    total = weight.sum()
    d, p = design.numeric.shape[1], design.codes.shape[1]
    gram = np.zeros((d + p, d + p))
    for start in range(0, len(target), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        weighted = design.numeric[rows] * weight[rows, None].astype(np.float32)
        gram[:d, :d] += weighted.T @ design.numeric[rows]
        gram[d:, :d] += design.codes[rows].T @ weighted
    gram[d:, d:] = (design.codes.T @ (design.codes * weight[:, None])).toarray()
    gram[:d, d:] = gram[d:, :d].T
    mean = float(np.average(target, weights=weight))
    center = design.adjoint(weight[:, None])[:, 0] / total
    moment = design.adjoint((weight * (target - mean))[:, None])[:, 0] / total
    return gram / total - np.outer(center, center), moment, mean, center


def _logistic(
    designs: list[_Design], targets: list[NDArray[Any]], weights: list[DoubleArray], outputs: int
) -> tuple[DoubleArray, DoubleArray]:
    """Return coefficients [d + p, c] and bias [c] of the logistic regression that does best on validation rows.

    Penalties go from strong to weak, each fit starting from the one before, until the validation loss no longer falls.
    """
    validated = len(targets[1]) > 0
    width = designs[0].numeric.shape[1] + designs[0].codes.shape[1]
    flat = np.zeros((width + 1) * outputs)
    best, least = flat, np.inf
    for penalty in _LOGISTIC_GRID if validated else (1e-3,):
        found = scipy.optimize.minimize(
            _loss,
            flat,
            args=(designs[0], np.asarray(targets[0], np.int64), weights[0], outputs, penalty),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 60, "maxcor": 10},
        )
        flat = found.x
        checked = (designs[1], np.asarray(targets[1], np.int64), weights[1]) if validated else None
        loss = _loss(flat, *checked, outputs, 0.0)[0] if checked else 0.0
        if loss >= least:
            break
        best, least = flat, loss
    table = best.reshape(width + 1, outputs)
    return table[:-1], table[-1]


def _loss(
    flat: DoubleArray, design: _Design, target: IntArray, weight: DoubleArray, outputs: int, penalty: float
) -> tuple[float, DoubleArray]:
    """Return the weighted mean log loss with half the penalty times the squared coefficients, and its gradient."""
    table = flat.reshape(-1, outputs)
    logits = design @ table[:-1] + table[-1]
    logits -= logits.max(axis=1, keepdims=True)
    total = np.exp(logits).sum(axis=1, keepdims=True)
    share = weight / weight.sum()
    rows = np.arange(len(target))
    log_loss = float(share @ (np.log(total[:, 0]) - logits[rows, target]))
    residual = np.exp(logits) / total
    residual[rows, target] -= 1.0
    residual *= share[:, None]
    # a hint of a penalty keeps the bias of a class without rows finite
    decay = np.concatenate([np.full(len(table) - 1, penalty), [1e-6]])[:, None]
    gradient = np.concatenate([design.adjoint(residual), residual.sum(axis=0, keepdims=True)]) + decay * table
    return log_loss + 0.5 * float((decay * table**2).sum()), gradient.ravel()


def _network(
    numeric: int, slots: tuple[int, ...], outputs: int, kept: IntArray, coefficients: DoubleArray, bias: DoubleArray
) -> Network:
    """Return the network of depth 0 with these coefficients."""
    full = np.zeros((sum(slots), outputs))
    full[kept] = coefficients[numeric:]
    rank = 1 if outputs <= 2 else min(outputs - 1, _RANK)
    rows, blocks, bias = [np.zeros((0, rank))], [coefficients[:numeric]], bias.copy()
    if outputs > 1:  # a softmax ignores what all outputs share
        blocks[0] = blocks[0] - blocks[0].mean(axis=1, keepdims=True)
        bias -= bias.mean()
    for part in np.split(full, np.cumsum(slots)[:-1]) if slots else []:
        centred = part - part.mean(axis=1, keepdims=True) if outputs > 1 else part
        left, scale, right = np.linalg.svd(centred, full_matrices=False)
        found = min(rank, len(scale))
        row, block = np.zeros((len(part), rank)), np.zeros((rank, outputs))
        row[:, :found], block[:found] = left[:, :found] * scale[:found], right[:found]
        rows.append(row)
        blocks.append(block)
    architecture = Architecture(
        numeric, slots, outputs, basis="linear", bins=1, token=1, category=rank, widths=(), members=1, skip=True
    )
    tensors: dict[str, FloatArray] = {"categories": np.concatenate(rows).astype(np.float32)} if slots else {}
    tensors["head_bias"] = bias[None].astype(np.float32)
    tensors["skip"] = np.concatenate(blocks).astype(np.float32)
    return Network(architecture, tensors)
