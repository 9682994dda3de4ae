"""The picked point in words: what it is, and when the trees would be the better choice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import percent, plain, quantity
from netgraft.reports.points import (
    FAMILIES,
    Front,
    Point,
    metric_of,
    picked_of,
    points_of,
    references_of,
    shape_in_words,
    test_error,
    value_of,
)


def describe(front: Front, details: Mapping[str, Any]) -> list[str]:
    """Return sentences about the picked point: what it is, how it compares, when to use the reference instead."""
    picked = picked_of(front)
    if picked is None:
        return [
            "No point of this front is picked."
            if front.get("points")
            else "The front is empty: there is no point to show."
        ]
    said = [f"{picked.get('id')} is {shape_in_words(picked)}."]
    reference = _reference(front, details, picked)
    if reference is not None:
        said += _compare(front, picked, reference)
    return said


def _reference(front: Front, details: Mapping[str, Any], picked: Point) -> Point | None:
    """Return what to compare with: the trees, else the linear model; for a picked reference, the best network."""
    families = ["network"] if picked.get("family") in ("trees", "linear") else ["trees", "linear"]
    candidates = [point for family in families for point in _of_family(front, details, family)]
    comparable = [point for point in candidates if value_of(point, "error") is not None and point is not picked]
    return comparable[0] if comparable and value_of(picked, "error") is not None else None


def _of_family(front: Front, details: Mapping[str, Any], family: str) -> list[Point]:
    return references_of(front, {} if family == "network" else details, family)


def _compare(front: Front, picked: Point, reference: Point) -> list[str]:
    metric = metric_of(front)
    errors = test_error(picked, metric), test_error(reference, metric)
    rows = "test"
    if None in errors:
        errors, rows = (value_of(picked, "error"), value_of(reference, "error")), "validation"
    mine, theirs = errors[0] or 0.0, errors[1] or 0.0
    sentence = _ratios(picked, reference, f"error {plain(mine)} against {plain(theirs)} on {rows} rows")
    return [sentence, _advice(front, picked, reference, mine=mine, theirs=theirs, rows=rows)]


def _ratios(picked: Point, reference: Point, errors: str) -> str:
    name = _name(reference)
    sizes = value_of(picked, "size"), value_of(reference, "size")
    if not sizes[0] or not sizes[1]:
        return f"Beside the {name}: {errors}."
    ratio = sizes[0] / sizes[1]
    times = f"{percent(ratio)} of" if ratio <= 1 else f"{plain(round(ratio, 1))} times"
    shown = f"({quantity(sizes[0], 'byte')} against {quantity(sizes[1], 'byte')})"
    return f"It is {times} the size of the {name} {shown}, {errors}{_speed(picked, reference)}."


def _speed(picked: Point, reference: Point) -> str:
    mine, theirs = value_of(picked, "latency"), value_of(reference, "latency")
    if not mine or not theirs:
        return ""
    return f", latency {quantity(mine, 's')} against {quantity(theirs, 's')}"


def _name(point: Point) -> str:
    family = str(point.get("family"))
    return f"network {point.get('id')}" if family == "network" else FAMILIES.get(family, family)


def _advice(front: Front, picked: Point, reference: Point, *, mine: float, theirs: float, rows: str) -> str:
    name = _name(reference)
    it = "them" if reference.get("family") == "trees" else "it"
    if _within_noise(front, mine, theirs, rows):
        return f"The difference in error is within what this many {rows} rows can tell."
    smaller = (value_of(picked, "size") or 0.0) <= (value_of(reference, "size") or math.inf)
    if mine <= theirs:
        if smaller:
            return f"It is at least as good in both, so nothing speaks for the {name} here."
        return f"Use the {name} when size matters more than {plain(theirs - mine)} of error."
    if not smaller:
        do = "do" if reference.get("family") == "trees" else "does"
        return f"The {name} {do} better in both here: use {it} unless it has to be a network."
    spare = quantity((value_of(reference, "size") or 0.0) - (value_of(picked, "size") or 0.0), "byte")
    lower = f"an error lower by {plain(mine - theirs)}"
    return f"Use the {name} when {lower} is worth {spare} more{_better_network(front, picked, theirs, rows)}."


def _better_network(front: Front, picked: Point, theirs: float, rows: str) -> str:
    """Return the hint at a larger network of the front that also reaches the reference's error."""
    metric = metric_of(front)
    for point in points_of(front):
        error = test_error(point, metric) if rows == "test" else value_of(point, "error")
        if point.get("family") == "network" and point is not picked and error is not None and error <= theirs:
            return f"; {point.get('id')} ({quantity(value_of(point, 'size'), 'byte')}) reaches that error too"
    return ""


def _within_noise(front: Front, mine: float, theirs: float, rows: str) -> bool:
    """Return whether two error rates differ by less than one standard error of a rate on that many rows."""
    task = front.get("task") or {}
    count = (task.get("rows") or {}).get(rows) or 0
    if metric_of(front) != "accuracy" or count <= 0:
        return False
    rate = min(max((mine + theirs) / 2, 0.0), 1.0)
    return abs(mine - theirs) < math.sqrt(rate * (1 - rate) / count)
