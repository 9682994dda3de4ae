"""How good predictions are. Every metric has an error that is minimised, and a value in its natural direction.

Predictions of classes are class indices; a row of the class -1 (a label that training never saw) is wrong whatever is
predicted. A weight of a row counts it so many times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SettingError, unknown_name
from netgraft.tables.target import TaskKind

Array = NDArray[Any]
#: value(y, prediction, probabilities, weights); nothing where the metric is not defined.
Value = Callable[[Array, Array, Array | None, Array | None], float | None]
#: A probability is never taken to be smaller in a logarithm (the resolution of float32).
_SMALLEST = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Metric:
    """One measure of quality.

    Attributes:
        name: as the user says it.
        kind: the kind of task it is for.
        needs_probabilities: whether class probabilities are required.
        is_error: whether the natural value is already one to minimise; otherwise the error is 1 - value.
        value: the natural value.
    """

    name: str
    kind: TaskKind
    needs_probabilities: bool
    is_error: bool
    value: Value

    def error(
        self, y: Array, prediction: Array, probabilities: Array | None = None, weights: Array | None = None
    ) -> float:
        """Return the error to minimise.

        Args:
            y: float [n], or int class indices [n].
            prediction: the same, predicted.
            probabilities: float [n, c], for classification.
            weights: float [n].

        Returns:
            a finite number; where the metric is not defined on these rows, the worst value a score can have by chance
            (1), and infinity never.

        Raises:
            SettingError: the metric needs probabilities and none came.
        """
        if self.needs_probabilities and probabilities is None:
            raise SettingError(f"the metric {self.name} needs class probabilities, got none")
        value = self.value(y, prediction, probabilities, weights)
        if value is None or not np.isfinite(value):
            return 1.0
        return value if self.is_error else 1.0 - value


def find_metric(name: str | None, kind: TaskKind) -> Metric:
    """Return a metric by name, or the default of a kind of task: r2, accuracy.

    Raises:
        SettingError: there is no such metric for that kind.
    """
    if name is None:
        name = "r2" if kind == "regression" else "accuracy"
    known = {metric.name: metric for metric in METRICS.values() if metric.kind == kind}
    if name not in known:
        raise SettingError(unknown_name(f"a metric of {kind}", name, known))
    return known[name]


def report(
    kind: TaskKind,
    y: Array,
    prediction: Array,
    probabilities: Array | None = None,
    weights: Array | None = None,
) -> dict[str, float]:
    """Return all metrics of a kind in their natural direction; those that are not defined here are left out.

    Args:
        kind: the kind of task.
        y: float [n], or int class indices [n].
        prediction: the same, predicted.
        probabilities: float [n, c], for classification.
        weights: float [n].
    """
    found = {}
    for metric in METRICS.values():
        if metric.kind != kind or (metric.needs_probabilities and probabilities is None):
            continue
        value = metric.value(y, prediction, probabilities, weights)
        if value is not None and np.isfinite(value):
            found[metric.name] = float(value)
    return found


def _mean(values: Array, weights: Array | None) -> float:
    """Return the weighted mean in double precision."""
    if weights is None:
        return float(np.mean(values, dtype=np.float64))
    heavy = weights.astype(np.float64)
    return float(heavy @ values.astype(np.float64) / heavy.sum())


def _r2(y: Array, prediction: Array, _: Array | None, weights: Array | None) -> float | None:
    """Return 1 - residual / total sum of squares; not defined where the target does not vary."""
    y = y.astype(np.float64)
    total = _mean((y - _mean(y, weights)) ** 2, weights)
    return 1 - _mean((y - prediction) ** 2, weights) / total if total > 0 else None


def _mae(y: Array, prediction: Array, _: Array | None, weights: Array | None) -> float:
    """Return the mean absolute error, in the target's unit."""
    return _mean(np.abs(y.astype(np.float64) - prediction), weights)


def _rmse(y: Array, prediction: Array, _: Array | None, weights: Array | None) -> float:
    """Return the root mean square error, in the target's unit."""
    return float(np.sqrt(_mean((y.astype(np.float64) - prediction) ** 2, weights)))


def _nmae(y: Array, prediction: Array, _: Array | None, weights: Array | None) -> float | None:
    """Return the mean absolute error over the mean absolute target."""
    size = _mean(np.abs(y), weights)
    return _mae(y, prediction, None, weights) / size if size > 0 else None


def _accuracy(y: Array, prediction: Array, _: Array | None, weights: Array | None) -> float:
    """Return the share of rows that are right."""
    return _mean(y == prediction, weights)


def _confusion(y: Array, prediction: Array, weights: Array | None) -> NDArray[np.float64]:
    """Return the weight of each pair (true, predicted), float64 [c, c]; a class -1 is row and column 0."""
    true, guess = y.astype(np.int64) + 1, prediction.astype(np.int64) + 1
    width = int(max(true.max(), guess.max())) + 1
    return np.bincount(true * width + guess, weights, width * width).reshape(width, width).astype(np.float64)


def _balanced_accuracy(y: Array, prediction: Array, _: Array | None, weights: Array | None) -> float | None:
    """Return the mean over the classes in ``y`` of the share of its rows that are right."""
    table = _confusion(y, prediction, weights)
    rows = table.sum(axis=1)
    present = rows > 0
    return float((np.diag(table)[present] / rows[present]).mean()) if present.any() else None


def _macro_f1(y: Array, prediction: Array, _: Array | None, weights: Array | None) -> float | None:
    """Return the mean F1 over the classes that are true or predicted anywhere."""
    table = _confusion(y, prediction, weights)
    both = table.sum(axis=0) + table.sum(axis=1)
    present = both > 0
    return float((2 * np.diag(table)[present] / both[present]).mean()) if present.any() else None


def _log_loss(y: Array, _: Array, probabilities: Array | None, weights: Array | None) -> float | None:
    """Return the mean negative log probability of the true class, in nats."""
    if probabilities is None:
        return None
    true = probabilities[np.arange(len(y)), np.maximum(y, 0)].astype(np.float64)
    return _mean(-np.log(np.clip(np.where(y < 0, 0.0, true), _SMALLEST, 1.0)), weights)


def _auc(y: Array, _: Array, probabilities: Array | None, weights: Array | None) -> float | None:
    """Return the area under the ROC curve, each class against the rest, averaged over the classes in ``y``."""
    from sklearn.metrics import roc_auc_score

    if probabilities is None:
        return None
    if weights is not None and (weights == 0).any():
        kept = weights > 0
        y, probabilities, weights = y[kept], probabilities[kept], weights[kept]
    present = [k for k in np.unique(y) if k >= 0]
    present = [k for k in present if len(y) > 0 and not (y == k).all()]
    if probabilities.shape[1] == 2:
        present = [k for k in present if k == 1] or present[:1]
    areas = [roc_auc_score(y == k, probabilities[:, k], sample_weight=weights) for k in present]
    return float(np.mean(areas)) if areas else None


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("r2", "regression", False, False, _r2),
        Metric("mae", "regression", False, True, _mae),
        Metric("rmse", "regression", False, True, _rmse),
        Metric("nmae", "regression", False, True, _nmae),
        Metric("accuracy", "classification", False, False, _accuracy),
        Metric("balanced_accuracy", "classification", False, False, _balanced_accuracy),
        Metric("macro_f1", "classification", False, False, _macro_f1),
        Metric("log_loss", "classification", True, True, _log_loss),
        Metric("auc", "classification", True, False, _auc),
    )
}
