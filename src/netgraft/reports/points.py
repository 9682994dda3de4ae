"""What the points of a front are: their shape in words, their errors, the picked one and the references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import ABSENT, finite, unit_of

Point = Mapping[str, Any]
Front = Mapping[str, Any]

FAMILIES = {"network": "network", "trees": "boosted trees", "linear": "linear model", "stack": "stacked model"}
_BETTER_HIGH = frozenset({
    "r2", "explained_variance", "pearson", "spearman", "accuracy", "balanced_accuracy", "f1", "f1_macro", "macro_f1",
    "f1_micro", "f1_weighted", "weighted_f1", "roc_auc", "auc", "average_precision", "precision", "recall", "mcc",
})  # fmt: skip
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
_METRICS = {
    "r2": "R²", "mae": "MAE", "nmae": "NMAE", "rmse": "RMSE", "mse": "MSE", "auc": "AUC", "roc_auc": "ROC AUC",
    "mape": "MAPE", "macro_f1": "macro F1", "f1_macro": "macro F1", "ece": "ECE", "mcc": "MCC", "f1": "F1",
}  # fmt: skip


def points_of(front: Front) -> list[Point]:
    """Return the front's points, smallest first; those without a size last."""
    return sorted(front.get("points") or [], key=_size_order)


def _size_order(point: Point) -> tuple[bool, float, str]:
    size = value_of(point, "size")
    return (size is None, size or 0.0, str(point.get("id")))


def value_of(point: Point, name: str) -> float | None:
    """Return the point's value of an objective, or None."""
    return finite((point.get("values") or {}).get(name))


def picked_of(front: Front) -> Point | None:
    """Return the picked point, or None where the front has none of that id."""
    found = [point for point in front.get("points") or [] if point.get("id") == front.get("picked")]
    return found[0] if found else None


def references_of(front: Front, details: Mapping[str, Any], family: str) -> list[Point]:
    """Return the reference points of a family, most accurate first."""
    named = details.get("references")
    chosen = [
        point
        for point in front.get("points") or []
        if point.get("family") == family and (named is None or point.get("id") in named)
    ]
    return sorted(chosen, key=lambda point: value_of(point, "error") or float("inf"))


def metric_label(metric: str) -> str:
    """Return how a metric is written, such as `macro F1`."""
    return _METRICS.get(metric, metric.replace("_", " "))


def higher_is_better(metric: str) -> bool:
    """Return whether a larger value of the metric is better."""
    return metric.lower() in _BETTER_HIGH


def metric_of(front: Front) -> str:
    """Return the task's metric: as stated, or the default of its kind."""
    task = front.get("task") or {}
    return str(task.get("metric") or ("accuracy" if task.get("kind") == "classification" else "r2"))


def error_label(front: Front) -> str:
    """Return what `error` means on this front, such as `1 - R²`."""
    metric = metric_of(front)
    return f"1 {MINUS} {metric_label(metric)}" if higher_is_better(metric) else metric_label(metric)


def test_error(point: Point, metric: str) -> float | None:
    """Return the error on test rows, in the sense of the objective `error`, or None without test rows."""
    metrics = point.get("test") or {}
    stated = finite(metrics.get("error"))
    if stated is not None:
        return stated
    value = finite(metrics.get(metric))
    return 1.0 - value if value is not None and higher_is_better(metric) else value


def shape_of(point: Point) -> str:
    """Return the architecture in short: `64-32`, with members and bits where they are not 1 and 32.

    >>> shape_of({"cut": {"depth": 2, "widths": [64, 32], "members": 1, "bits": 8}})
    '64-32, 8 bit'
    """
    cut = point.get("cut") or {}
    if not cut:
        return ABSENT
    shape = "-".join(str(width) for width in cut.get("widths") or []) or f"depth {cut.get('depth', 0)}"
    members = f" {TIMES}{cut['members']}" if cut.get("members", 1) != 1 else ""
    bits = f", {cut['bits']} bit" if cut.get("bits", 32) != 32 else ""
    return shape + members + bits


def shape_in_words(point: Point) -> str:
    """Return the architecture as a phrase: `a network of 2 hidden layers (64 and 32 units)`."""
    family = str(point.get("family", "network"))
    if family != "network":
        article = "" if family == "trees" else "a "
        return article + FAMILIES.get(family, family)
    cut = point.get("cut") or {}
    widths = [str(width) for width in cut.get("widths") or []]
    if not widths:
        return "a network"
    layers = "1 hidden layer" if len(widths) == 1 else f"{len(widths)} hidden layers"
    units = widths[0] if len(widths) == 1 else f"{', '.join(widths[:-1])} and {widths[-1]}"
    members = f", {cut['members']} members" if cut.get("members", 1) != 1 else ""
    bits = f", {cut['bits']}-bit weights" if cut.get("bits", 32) != 32 else ""
    return f"a network of {layers} ({units} units{members}{bits})"


def objectives_of(front: Front) -> list[dict[str, str]]:
    """Return `{"name", "unit", "origin"}` of each value of the points: the objectives, then what else is told."""
    stated = [dict(objective) for objective in front.get("objectives") or []]
    names = {objective.get("name") for objective in stated}
    others = sorted({name for point in front.get("points") or [] for name in point.get("values") or {}} - names)
    return [
        {
            "name": str(each["name"]),
            "unit": unit_of(str(each["name"]), each.get("unit")),
            "origin": each.get("origin") or "",
        }
        for each in [*stated, *({"name": name} for name in others)]
    ]
