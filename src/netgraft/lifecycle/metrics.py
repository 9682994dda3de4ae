"""How good a model is on labelled rows; needs nothing that trains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.runtime import Model, Prediction
from netgraft.runtime.encoding import FloatArray
from netgraft.tables import METRICS, Rows, TaskKind, report


def metrics_of(model: Model, rows: Rows, metric: str) -> dict[str, float]:
    """Return the metrics of a model on labelled rows, with ``error`` by the task's metric."""
    prediction = model.predict(rows.raw)
    found = prediction_metrics(prediction, np.asarray(rows.y), rows.weights, model.output.kind)
    error = METRICS[metric].error(np.asarray(rows.y), prediction.values, prediction.probabilities, rows.weights)
    return {"error": float(error)} | found


def prediction_metrics(
    prediction: Prediction, y: NDArray[Any], weights: FloatArray | None, kind: TaskKind
) -> dict[str, float]:
    """Return the metrics of predictions."""
    return {k: float(v) for k, v in report(kind, y, prediction.values, prediction.probabilities, weights).items()}
