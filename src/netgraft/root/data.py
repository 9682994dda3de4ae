"""The encoded rows that networks are trained and judged on, with one row weight per fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netgraft.runtime.encoding import FloatArray, Inputs

#: Share of category codes replaced by the unknown slot while training, so that its row means "some category".
UNKNOWN_RATE = 0.02


@dataclass(frozen=True)
class Fold:
    """One way to train: which rows count, and which rows judge (none: the fold that trains the model to deploy)."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True)
class SoftRows:
    """Rows labelled by a teacher: train rows whose columns were resampled.

    Attributes:
        inputs: m encoded rows.
        targets: float32 [F, m, c]: standardised targets (c = 1) or probabilities, by the teacher of each fold.
    """

    inputs: Inputs
    targets: FloatArray


@dataclass(frozen=True)
class Data:
    """Encoded rows as tensors.

    With one split there is one fold. With repeated splits there are K folds that judge, and a last one, without
    validation rows, that trains the model to deploy on all rows and is stopped where the others did best.

    Attributes:
        inputs: n encoded rows.
        target: float32 [n] standardised target, or int64 [n] class index.
        outputs: number of outputs c; 1 for regression.
        slots: slots of each code column.
        weights: float32 [F, n] weight of each row in each fold's loss.
        folds: the F folds.
        row_weights: float32 [n] weight of each row, or None.
        soft: rows labelled by the teacher, or None.
        error: maps mixed outputs [rows, c] (standardised target, or probabilities) and the rows' indices to the error.
    """

    inputs: Inputs
    target: NDArray[np.float32] | NDArray[np.int64]
    outputs: int
    slots: tuple[int, ...]
    weights: FloatArray
    folds: tuple[Fold, ...]
    error: Callable[[FloatArray, NDArray[np.int64]], float]
    row_weights: FloatArray | None = None
    soft: SoftRows | None = None

    @property
    def is_classification(self) -> bool:
        """Return whether the target is a class index."""
        return self.target.dtype == np.int64

    @property
    def train_rows(self) -> NDArray[np.int64]:
        """Return the rows that count in any fold."""
        return np.flatnonzero(self.weights.max(axis=0) > 0)

    @property
    def judges(self) -> int:
        """Return the number of folds that have validation rows."""
        return sum(len(fold.validation) > 0 for fold in self.folds)

    @property
    def deployed(self) -> int:
        """Return the fold whose network is deployed: the last."""
        return len(self.folds) - 1


def fold_weights(n: int, folds: tuple[Fold, ...], row_weights: FloatArray | None) -> FloatArray:
    """Return the weight of each row in each fold's loss; float32 [F, n]."""
    weights = np.zeros((len(folds), n), np.float32)
    for f, fold in enumerate(folds):
        weights[f, fold.train] = 1.0 if row_weights is None else row_weights[fold.train]
    return weights


def resample_columns(inputs: Inputs, rows: int, share: float, generator: np.random.Generator) -> Inputs:
    """Return rows in which each column of each row was, with probability ``share``, taken from another row."""
    n = len(inputs)
    base = generator.integers(0, n, rows)
    numeric, codes = inputs.numeric[base], inputs.codes[base]
    for array, source in ((numeric, inputs.numeric), (codes, inputs.codes)):
        for j in range(array.shape[1]):
            swapped = np.flatnonzero(generator.random(rows) < share)
            array[swapped, j] = source[generator.integers(0, n, len(swapped)), j]
    return Inputs(numeric, codes)


class Batches:
    """Endless minibatches of shuffled train rows; when asked, half of a minibatch are soft rows."""

    def __init__(self, data: Data, batch: int, seed: int, *, soft: bool) -> None:
        """Prepare tensors that share memory with the data."""
        self._data = data
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._rows = data.train_rows
        self._use_soft = soft and data.soft is not None
        self._labelled = max(1, min(batch // 2 if self._use_soft else batch, len(self._rows)))
        self._taught = batch - batch // 2
        self._order = np.zeros(0, np.int64)
        self._numeric = torch.from_numpy(data.inputs.numeric)
        self._codes = torch.from_numpy(data.inputs.codes)
        self._target = torch.from_numpy(data.target)
        self._weights = torch.from_numpy(data.weights)
        if data.soft is not None:
            self._soft = [torch.from_numpy(a) for a in (data.soft.inputs.numeric, data.soft.inputs.codes)]
            self._soft_targets = torch.from_numpy(data.soft.targets)

    def next(self) -> Batch:
        """Return the next minibatch."""
        if len(self._order) < self._labelled:
            self._order = np.concatenate([self._order, self._generator.permutation(self._rows)])
        rows = torch.from_numpy(self._order[: self._labelled])
        self._order = self._order[self._labelled :]
        numeric, codes = self._numeric[rows], self._codes[rows]
        soft_targets = None
        if self._use_soft:
            drawn = torch.from_numpy(self._generator.integers(0, len(self._soft[0]), self._taught))
            numeric = torch.cat([numeric, self._soft[0][drawn]])
            codes = torch.cat([codes, self._soft[1][drawn]])
            soft_targets = self._soft_targets[:, drawn]
        if codes.shape[1]:
            known = torch.from_numpy(self._generator.random(codes.shape, np.float32) >= UNKNOWN_RATE)
            codes = codes * known
        return Batch(numeric, codes, self._target[rows], self._weights[:, rows], soft_targets)


@dataclass(frozen=True)
class Batch:
    """One minibatch: b labelled rows, then soft rows when ``soft_targets`` [F, soft rows, c] is given."""

    numeric: Tensor
    codes: Tensor
    target: Tensor
    weights: Tensor
    soft_targets: Tensor | None
