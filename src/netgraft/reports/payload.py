"""What the page's drawings need, as one JSON value: axes, points, the cloud of candidates, history, predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netgraft.reports.details import MOST_EVALUATIONS, MOST_HISTORY, MOST_PREDICTED
from netgraft.reports.figures import finite, round_to
from netgraft.reports.points import (
    FAMILIES,
    Front,
    Point,
    error_label,
    higher_is_better,
    metric_label,
    metric_of,
    objectives_of,
    points_of,
    shape_of,
    test_error,
)


def payload(front: Front, details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the drawings need, numbers rounded to five significant digits."""
    axes = axes_of(front)
    return {
        "axes": axes,
        "points": [_point(front, point, axes) for point in points_of(front)],
        "picked": None if front.get("picked") is None else str(front["picked"]),
        "limits": {
            f"values.{name}": bound
            for name, bound in (details.get("limits") or front.get("limits") or {}).items()
            if finite(bound) is not None
        },
        "cloud": _cloud(details),
        "history": _history(front),
        "predicted": _predicted(details),
        "calibration": details.get("calibration"),
        "target": str((front.get("task") or {}).get("target", "")),
    }


def thin(items: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many items, evenly spaced, the first and the last among them.

    >>> thin(range(10), 4)
    [0, 3, 6, 9]
    """
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def axes_of(front: Front) -> list[dict[str, Any]]:
    """Return what may be drawn: `{"key", "label", "unit", "group", "high", "origin"}`, objectives first."""
    points = points_of(front)
    axes = [
        _axis(
            f"values.{each['name']}",
            _objective_label(front, each["name"]),
            "Values",
            unit=each["unit"],
            origin=each["origin"],
        )
        for each in objectives_of(front)
    ]
    if any(test_error(point, metric_of(front)) is not None for point in points):
        axes.append(_axis("test error", f"test error ({error_label(front)})", "Test rows"))
    axes.append(_axis("parameters", "parameters", "Values"))
    for rows in ("test", "validation"):
        names = dict.fromkeys(name for point in points for name in point.get(rows) or {} if name != "error")
        group = f"{rows.capitalize()} rows"
        axes += [
            _axis(f"{rows}.{name}", f"{rows} {metric_label(name)}", group, high=higher_is_better(name))
            for name in names
        ]
    return axes


def _objective_label(front: Front, name: str) -> str:
    return f"error ({error_label(front)})" if name == "error" else name


def _axis(key: str, label: str, group: str, *, unit: str = "", origin: str = "", high: bool = False) -> dict[str, Any]:
    return {"key": key, "label": label, "group": group, "unit": unit, "origin": origin, "high": high}


def _point(front: Front, point: Point, axes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    family = str(point.get("family", "network"))
    at = {axis["key"]: _at(front, point, axis["key"]) for axis in axes}
    return {
        "id": str(point.get("id", "")),
        "family": family,
        "name": FAMILIES.get(family, family),
        "shape": shape_of(point),
        "at": {key: value for key, value in at.items() if value is not None},
    }


def _at(front: Front, point: Point, key: str) -> float | None:
    if key == "test error":
        return round_to(test_error(point, metric_of(front)))
    if key == "parameters":
        return finite(point.get("parameters"))
    part, name = key.split(".", 1)
    return round_to((point.get(part) or {}).get(name))


def _cloud(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the candidates column by column: the names once, not in each of 2,000 records."""
    tried = thin(details.get("evaluations") or [], MOST_EVALUATIONS)
    names = dict.fromkeys(name for each in tried for name in each.get("values") or {})
    genes = dict.fromkeys(name for each in tried for name in each.get("genes") or {})
    return {
        "values": {
            f"values.{name}": [round_to((each.get("values") or {}).get(name), 4) for each in tried] for name in names
        },
        "genes": {name: [_gene((each.get("genes") or {}).get(name)) for each in tried] for name in genes},
        "total": len(details.get("evaluations") or []),
    }


def _gene(value: Any) -> Any:
    """Return a choice as a number or a short text, None where the candidate has none."""
    if value is None or finite(value) is not None:
        return value if isinstance(value, int) else round_to(value, 4)
    if isinstance(value, list | tuple):
        value = "-".join(str(item) for item in value)
    return str(value)[:40]


def _history(front: Front) -> list[list[float | None]]:
    rows = thin(front.get("history") or [], MOST_HISTORY)
    return [[round_to(row.get(name)) for name in ("seconds", "evaluations", "hypervolume")] for row in rows]


def _predicted(details: Mapping[str, Any]) -> dict[str, Any] | None:
    shown = details.get("predicted") or {}
    columns = {name: list(shown.get(name) or []) for name in ("true", "predicted", "low", "high")}
    count = len(columns["true"])
    if count == 0 or len(columns["predicted"]) != count:
        return None
    kept = thin(range(count), MOST_PREDICTED)
    return {name: [round_to(values[row]) for row in kept] for name, values in columns.items() if len(values) == count}
