"""What the report shows beyond the front: what was tried, and how the picked point does row by row and group by group.

Test rows are used where there are any, else validation rows. With repeated splits the validation rows' predictions are
those of the folds that did not train on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from netgraft.lifecycle.points import INTERVAL_LEVEL, Point
from netgraft.lifecycle.search import Front
from netgraft.reports import Details
from netgraft.root.calibration import expected_calibration_error
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import Prediction, finish
from netgraft.search import Evaluation
from netgraft.tables import METRICS, Rows, report

_MOST_TRIED = 2_000
_MOST_PREDICTED = 1_000
_MOST_GROUPS = 200
_MOST_CLASSES = 30
_BINS = 10
_LEAST_VARIANCE = 1e-300
_STATES = ("rejected", "skipped", "failed")
_GROUP_METRICS = {"regression": ("mae", "nmae"), "classification": ("balanced_accuracy",)}


@dataclass(frozen=True)
class Judged:
    """The rows that the picked point is shown on, with its predictions.

    Attributes:
        on: ``test`` or ``validation``.
        rows: labelled.
        prediction: of the picked point.
        before: float32 [n, c] probabilities without temperature, or None where they are not known.
    """

    on: str
    rows: Rows
    prediction: Prediction
    before: FloatArray | None

    @property
    def y(self) -> NDArray[Any]:
        """Return the target."""
        assert self.rows.y is not None
        return self.rows.y


def details_of(front: Front, folder: str) -> Details:
    """Return the content of ``details.json``.

    Args:
        front: the result of a search.
        folder: as the user named it.
    """
    task, settings, archive = front.task, front.settings, front.archive
    found = cast(
        "Details",
        {
            "folder": folder,
            "notes": list(front.notes),
            "dropped": [{"name": each.name, "reason": each.reason} for each in task.dropped],
            "settings": {**settings.that_determine(), "budget_s": settings.budget_s, "jobs": settings.jobs},
            **({"transfer_curve": front.transfer_curve} if front.transfer_curve else {}),
            "limits": {limit.objective: limit.value for limit in settings.limits},
            "space": front.space.get("genes", []),
            "counts": {
                "evaluations": archive.trained,
                "scored": front.scored,
                **{state: sum(e.state == state for e in archive.evaluations) for state in _STATES},
            },
            "evaluations": [_tried(e) for e in thinned(archive.done)],
            "references": [point.id for point in front.points if point.family in ("trees", "linear")],
        },
    )  # fmt: skip
    if not settings.limits:
        found.pop("limits")
    judged = judge(front, front.point())
    groups = _groups(front, judged)
    if groups is not None:
        found["groups"] = cast("Any", groups)
    return cast("Details", {**found, **(_regression if task.kind == "regression" else _classification)(front, judged)})


def thinned(evaluations: list[Evaluation]) -> list[Evaluation]:
    """Return at most 2,000 evaluations, evenly spaced."""
    if len(evaluations) <= _MOST_TRIED:
        return evaluations
    return [evaluations[i] for i in np.linspace(0, len(evaluations) - 1, _MOST_TRIED).astype(int)]


def _tried(evaluation: Evaluation) -> dict[str, Any]:
    """Return one candidate that was trained."""
    return {
        "id": f"n{evaluation.id}",
        "values": {name: float(f"{value:.6g}") for name, value in evaluation.values.items()},
        "genes": dict(evaluation.genes),
        "state": evaluation.state,
    }


def judge(front: Front, point: Point) -> Judged:
    """Return the rows a point is shown on and what it predicts for them."""
    task, model = front.task, point.model
    plain = replace(model, output=replace(model.output, temperature=1.0))
    is_single = len(model.parts) == 1 and model.output.kind == "classification"
    if task.test is not None:
        before = plain.predict(task.test.raw).probabilities if is_single else None
        return Judged("test", task.test, model.predict(task.test.raw), before)
    rows = task.rows.take(np.concatenate([split.validation for split in task.splits]))
    before = plain.predict(rows.raw).probabilities if is_single and len(task.splits) == 1 else None
    return Judged("validation", rows, finish(model.output, point.mixed), before)


def _groups(front: Front, judged: Judged) -> dict[str, Any] | None:
    """Return the errors by group, largest groups first, or None without groups."""
    task, rows = front.task, judged.rows
    if rows.groups is None or task.schema.group is None:
        return None
    names, codes, counts = np.unique(rows.groups.astype(str), return_inverse=True, return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:_MOST_GROUPS]
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    found = []
    for group in largest:
        members = order[starts[group] : starts[group + 1]]
        found.append({"group": str(names[group]), "rows": int(counts[group]), **_group_metrics(front, judged, members)})
    return {"column": task.schema.group, "on": judged.on, "rows": found}


def _group_metrics(front: Front, judged: Judged, members: NDArray[np.int64]) -> dict[str, float]:
    """Return the error of some rows by the task's metric, and further metrics.

    For R2 the mean square error is divided by the variance of all rows, not of the group's: the groups' errors average
    to the error, and a group whose target hardly varies has no large one.
    """
    prediction, y = judged.prediction, judged.y[members]
    values = prediction.values[members]
    probabilities = None if prediction.probabilities is None else prediction.probabilities[members]
    weights = None if judged.rows.weights is None else judged.rows.weights[members]
    kind, metric = front.task.kind, front.task.metric
    error = METRICS[metric].error(y, values, probabilities, weights)
    if metric == "r2":
        error = float(np.average((y - values) ** 2, weights=weights) / max(float(judged.y.var()), _LEAST_VARIANCE))
    metrics = report(kind, y, values, None, weights)  # without probabilities: an area under a curve per group is slow
    return {"error": error} | {name: metrics[name] for name in _GROUP_METRICS[kind] if name in metrics}


def _regression(front: Front, judged: Judged) -> dict[str, Any]:
    """Return true and predicted values with intervals."""
    width = front.point().model.output.interval
    n = len(judged.y)
    kept = np.linspace(0, n - 1, min(n, _MOST_PREDICTED)).astype(int)
    true, predicted = judged.y[kept].astype(float), judged.prediction.values[kept].astype(float)
    shown: dict[str, Any] = {"on": judged.on, "true": _rounded(true), "predicted": _rounded(predicted)}
    if not np.isfinite(width):
        return {"predicted": shown}
    shown |= {"low": _rounded(predicted - width), "high": _rounded(predicted + width)}
    conformal = {"level": INTERVAL_LEVEL, "half_width": float(width)}
    if judged.on == "test":
        conformal["coverage_test"] = float((np.abs(judged.y - judged.prediction.values) <= width).mean())
    return {"predicted": shown, "conformal": conformal}


def _rounded(values: NDArray[np.float64]) -> list[float]:
    """Return numbers with six significant digits."""
    return [float(f"{value:.6g}") for value in values]


def _classification(front: Front, judged: Judged) -> dict[str, Any]:
    """Return the confusion matrix and the calibration."""
    labels = [str(label) for label in front.task.classes]
    known = judged.y >= 0
    y, prediction = judged.y[known], judged.prediction
    found: dict[str, Any] = {}
    if len(labels) <= _MOST_CLASSES:
        cells = y.astype(np.int64) * len(labels) + prediction.values[known]
        counts = np.bincount(cells, minlength=len(labels) ** 2).reshape(len(labels), -1)
        found["confusion"] = {"on": judged.on, "labels": labels, "counts": counts.tolist()}
    assert prediction.probabilities is not None
    after = prediction.probabilities[known]
    told: dict[str, Any] = {"on": judged.on, "bins": reliability(after, y)}
    if len(front.point().model.parts) == 1:
        told["temperature"] = front.point().model.output.temperature
    told["ece_after"] = expected_calibration_error(after, y)
    if judged.before is not None:
        told["ece_before"] = expected_calibration_error(judged.before[known], y)
        told["bins_before"] = reliability(judged.before[known], y)
    return found | {"calibration": told}


def reliability(probabilities: FloatArray, y: NDArray[Any]) -> list[dict[str, float]]:
    """Return a reliability diagram: per bin of confidence its mean, the share that was right, the rows.

    Guo et al. 2017, "On calibration of modern neural networks", figure 1; ten bins of equal width.

    Args:
        probabilities: float [n, c].
        y: class indices [n].
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return [
        {
            "confidence": float(confidence[bins == b].mean()),
            "accuracy": float(right[bins == b].mean()),
            "rows": int((bins == b).sum()),
        }
        for b in range(_BINS)
        if (bins == b).any()
    ]
