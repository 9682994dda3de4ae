"""What the drawings of a transfer need: who is how far from whom, places on a plane, and the learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netgraft.reports.details import MOST_HISTORY
from netgraft.reports.figures import finite, round_to
from netgraft.reports.payload import thin
from netgraft.reports.points import Front, error_label
from netgraft.reports.scaling import classical_scaling

MOST_MAPPED = 40


def drawn(front: Front, details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the drawings of a transfer need: `{"map", "curve", "error"}`, None for what is absent."""
    return {
        "map": map_of(front.get("transfer") or {}),
        "curve": curve_of(details),
        "error": error_label(front),
    }


def map_of(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the map of the ranked entries and the table, at most 40 of them, or None where it is not whole.

    Returns:
        `{"names", "ranks", "distances", "table", "used", "places", "kept"}`, the table first, then the entries as they
        are ranked. The table is the last name that is not ranked, its index may be None; ranks count from 1, None for
        the table; distances are a matrix of numbers or None; used are the indices of the sources. Where every distance
        is known there are places `[x, y]` and the share of the spread that they keep.
    """
    given = told.get("map") or {}
    names = [str(name) for name in given.get("names") or []]
    rows = given.get("distances") or []
    if len(rows) != len(names) or any(len(row) != len(names) for row in rows):
        return None
    ranks = {str(each.get("name")): rank for rank, each in enumerate(told.get("ranked") or [], start=1)}
    table = max((index for index, name in enumerate(names) if ranks and name not in ranks), default=None)
    order = sorted(range(len(names)), key=lambda i: 0 if i == table else ranks.get(names[i], len(names) + 1))
    order = order[:MOST_MAPPED]
    distances = [[round_to(rows[i][j], 4) for j in order] for i in order]
    if not any(value is not None for i, row in enumerate(distances) for j, value in enumerate(row) if i != j):
        return None
    used = {str(each.get("name")) for each in told.get("sources") or []}
    return {
        "names": [names[index] for index in order],
        "ranks": [ranks.get(names[index]) for index in order],
        "distances": distances,
        "table": None if table is None else 0,
        "used": [place for place, index in enumerate(order) if names[index] in used and index != table],
        **_placed(distances),
    }


def _placed(distances: Sequence[Sequence[float | None]]) -> dict[str, Any]:
    """Return places on a plane and the share of the spread that they keep, None where a distance is not known."""
    if any(value is None for i, row in enumerate(distances) for j, value in enumerate(row) if i != j):
        return {"places": None, "kept": None}
    places, kept = classical_scaling([[value or 0.0 for value in row] for row in distances])
    return {"places": [[round_to(x), round_to(y)] for x, y in places.tolist()], "kept": kept}


def curve_of(details: Mapping[str, Any]) -> dict[str, list[list[float | None]]] | None:
    """Return both learning curves, `[seconds, error]` in the order of time, or None unless both are known."""
    told = details.get("transfer_curve") or {}
    curves = {name: _in_time(told.get(name) or []) for name in ("with", "cold")}
    return curves if all(curves.values()) else None


def _in_time(pairs: Sequence[Sequence[Any]]) -> list[list[float | None]]:
    whole = [pair for pair in pairs if len(pair) == 2 and finite(pair[0]) is not None and finite(pair[1]) is not None]
    return [[round_to(value) for value in pair] for pair in thin(sorted(whole, key=lambda pair: pair[0]), MOST_HISTORY)]
