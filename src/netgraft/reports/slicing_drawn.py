"""What the drawings of a slicing study need, as one JSON value: curves, distributions, masks, matrices, gains, map.

Every series is `{"name", "label", "kind", "x", "y"}` with lists of one length and finite numbers only, ready to draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netgraft.reports.figures import finite, plain, round_to
from netgraft.reports.payload import thin
from netgraft.reports.slicing_methods import (
    COMPARED,
    DISSIMILAR,
    DRL,
    SIMILAR,
    Results,
    items,
    masks_of,
    measured,
    method,
    ordered,
    part,
)
from netgraft.reports.slicing_network import network
from netgraft.reports.slicing_similarity import similarity

_MOST_POINTS = 400
_COLOURS = 6
#: Methods without a curve whose mean is drawn as a level in figure 4.
_LEVELS = ("equal", "causal", "proportional", "oracle")
Series = dict[str, Any]


def drawn(results: Results) -> dict[str, Any]:
    """Return what the drawings need, None or an empty list for what is absent."""
    ccdf = part(results, "ccdf")
    return {
        "masks": masks(results),
        "training": training(results),
        "satisfaction": _distributions(part(ccdf, "satisfaction")),
        "delay": _distributions(part(ccdf, "delay_ms"), above=0.0),
        "similarity": similarity(results),
        "gain": gain(part(results, "gain")),
        "network": network(results),
    }


def _series(
    name: str, pairs: Iterable[Sequence[Any]], *, columns: Sequence[str] = ("x", "y"), **more: Any
) -> Series | None:
    """Return a series of the rows whose x and y are finite, or None where fewer than two are."""
    rows = [row for row in pairs if finite(row[0]) is not None and finite(row[1]) is not None]
    if len(rows) < 2:
        return None
    rows = thin(sorted(rows, key=lambda row: row[0]), _MOST_POINTS)
    shown = method(name)
    lists = {key: [round_to(row[index]) for row in rows] for index, key in enumerate(columns)}
    return {"name": name, "label": shown.label, "kind": shown.kind, "on": name in COMPARED, **lists, **more}


def _known(series: Iterable[Series | None]) -> list[Series]:
    """Return the series that are there; all are shown at first where none is among those the paper compares."""
    found = [each for each in series if each is not None]
    return found if any(each["on"] for each in found) else [{**each, "on": True} for each in found]


def colour(index: int) -> str:
    """Return the class that gives a series without a method its colour."""
    return f"s{index % _COLOURS}"


def masks(results: Results) -> list[Series]:
    """Return one series per mask; slices whose masks are the same share one."""
    shared: dict[tuple[float | None, ...], list[str]] = {}
    for name, mask in masks_of(results).items():
        shared.setdefault(tuple(mask), []).append(name)
    named = enumerate(shared.items())
    return _known(_series(", ".join(same), enumerate(mask), kind=colour(index)) for index, (mask, same) in named)


def training(results: Results) -> dict[str, Any] | None:
    """Return the curves of figure 4 and the levels of what does not train; `split` is where the transfers end."""
    curves = part(results, "curves")
    found = [_curve(name, part(curves, name)) for name in ordered(curves)]
    ends = [each["x"][-1] for each in found if each is not None]
    if not ends:
        return None
    levels = [_level(results, name, max(ends)) for name in _LEVELS if name not in curves]
    moved = [each["x"][-1] for each in found if each is not None and each["kind"] in ("similar", "dissimilar")]
    return {"series": _known([*found, *levels]), "split": max(moved, default=None), "long": DRL}


def _curve(name: str, curve: Mapping[str, Any]) -> Series | None:
    steps = items(curve, "step")
    columns = [items(curve, key) for key in ("reward", "low", "high")]
    padded = [column + [None] * (len(steps) - len(column)) for column in columns]
    return _series(name, zip(steps, *padded, strict=False), columns=("x", "y", "low", "high"))


def _level(results: Results, name: str, end: float) -> Series | None:
    reward = measured(results, name, "reward").mean
    return _series(name, [(0, reward), (end, reward)], level=True)


def _distributions(told: Mapping[str, Any], *, above: float | None = None) -> list[Series]:
    """Return one series per method from where it begins to fall; on a logarithmic axis only values above 0 have one."""
    pairs = {name: zip(items(told.get(name), "x"), items(told.get(name), "y"), strict=False) for name in ordered(told)}
    found = []
    for name, rows in pairs.items():
        kept = [(x, y) for x, y in rows if above is None or (finite(x) or 0.0) > above]
        flat = next((index for index, row in enumerate(kept) if row[1] != kept[0][1]), 1) - 1
        found.append(_series(name, kept[max(flat, 0) :]))
    return _known(found)


def gain(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return both drawings of figure 8, in percent: gain by steps of training, and by distance of the source."""
    steps, points = items(told, "steps"), [each for each in items(told, "points") if isinstance(each, Mapping)]
    by_step = [
        _series(name, zip(steps, map(_percent, items(told, key)), strict=False))
        for key, name in (("similar", SIMILAR), ("dissimilar", DISSIMILAR))
    ]
    counts = sorted({step for point in points for step in part(point, "gain")}, key=_as_number)
    by_distance = [_by_distance(points, step) for step in counts]
    found = {"by_step": _known(by_step), "by_distance": _known(by_distance)}
    for index, each in enumerate(found["by_distance"]):
        each["kind"] = colour(index)
    return found if any(found.values()) else None


def _by_distance(points: Sequence[Mapping[str, Any]], step: str) -> Series | None:
    name = f"after {plain(float(step)) if step.isdecimal() else step} steps"
    pairs = [(point.get("distance"), _percent(part(point, "gain").get(step))) for point in points]
    return _series(name, pairs, scatter=True)


def _percent(share: object) -> float | None:
    number = finite(share)
    return None if number is None else 100 * number


def _as_number(text: str) -> tuple[float, str]:
    return (float(text), "") if text.isdecimal() else (float("inf"), text)
