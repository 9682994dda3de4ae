"""A small table that networks can learn, as encoded rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from netgraft.root import Data, Fold, fold_weights
from netgraft.runtime.encoding import Inputs

SLOTS = (4, 3)


def made_data(*, rows: int = 600, classes: int = 0, folds: int = 1, seed: int = 0) -> Data:
    """Return rows whose target depends on numbers, thresholds and categories."""
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(rows, 5)).astype(np.float32)
    codes = np.stack([rng.integers(0, s, rows) for s in SLOTS], axis=1)
    signal = np.sin(2 * numeric[:, 0]) + (numeric[:, 1] > 0.3) + 0.5 * codes[:, 0] + 0.1 * rng.normal(size=rows)
    target: np.ndarray[Any, Any]
    if classes:
        target = np.digitize(signal, np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1])).astype(np.int64)
    else:
        target = ((signal - signal.mean()) / signal.std()).astype(np.float32)
    order = rng.permutation(rows)
    if folds == 1:
        parts = (Fold(order[rows // 4 :], order[: rows // 4]),)
    else:
        blocks = np.array_split(order, folds)
        parts = (
            *(Fold(np.concatenate(blocks[:f] + blocks[f + 1 :]), blocks[f]) for f in range(folds)),
            Fold(order, np.zeros(0, np.int64)),
        )

    def error(mixed: np.ndarray[Any, Any], judged: np.ndarray[Any, Any]) -> float:
        if classes:
            return float((mixed.argmax(axis=1) != target[judged]).mean())
        return float(((mixed[:, 0] - target[judged]) ** 2).mean() / target[judged].var())

    inputs = Inputs(numeric, codes.astype(np.int64))
    return Data(inputs, target, max(1, classes), SLOTS, fold_weights(rows, parts, None), parts, error)
