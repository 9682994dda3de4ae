"""The matrices of figure 7: how far cells are from each other, and what it costs to swap policies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from netgraft.reports.figures import finite, round_to
from netgraft.reports.slicing_methods import Results, cell_groups, cell_names, items, part

_MOST_MEASURES = 12
SWAPPED = "cost of a swap"


def similarity(results: Results) -> dict[str, Any] | None:
    """Return the matrices of figure 7, cells in the order of their groups.

    Returns:
        `{"cells", "numbers", "groups", "measures"}`; each measure has `name`, `chosen`, `matrix` of numbers or None,
        and `nearest`: per row the place of the nearest source, or None. What it costs a cell in reward to decide as
        another does, where that is known, comes last and has `cost`.
    """
    told = part(results, "similarity")
    named = {str(name): rows for name in told if (rows := _square(items(part(told, name), "matrix")))}
    costs = _costs(_square(items(results, "swapped")))
    count = max(map(len, [*named.values(), costs]))
    if not count:
        return None
    groups, cells = cell_groups(results, count), cell_names(results, count)
    order = sorted(range(count), key=lambda cell: (groups[cell], cell))
    names = sorted(named, key=lambda name: name != told.get("chosen"))[:_MOST_MEASURES]
    measures = [_measure(name, named[name], items(part(told, name), "nearest"), order) for name in names]
    for each in measures:
        each["chosen"] = each["name"] == told.get("chosen")
    if costs:
        measures.append({**_measure(SWAPPED, costs, _least(costs), order), "chosen": False, "cost": True})
    return {
        "cells": [cells[cell] for cell in order],
        "numbers": [_numbers(cells)[cell] for cell in order],
        "groups": [groups[cell] for cell in order],
        "measures": measures,
    }


def _costs(rows: list[list[Any]]) -> list[list[float | None]]:
    """Return how much less each row's cell gets by another's policy than by its own."""
    known = [([finite(value) for value in row], finite(row[place])) for place, row in enumerate(rows)]
    return [[None if own is None or value is None else own - value for value in row] for row, own in known]


def _least(rows: list[list[float | None]]) -> list[int | None]:
    """Return which other column of each row is least."""
    known = [[(value, j) for j, value in enumerate(row) if j != i and value is not None] for i, row in enumerate(rows)]
    return [min(row)[1] if row else None for row in known]


def _numbers(names: Sequence[str]) -> list[str]:
    """Return what is short for cells: the numbers in their names where these differ, else their places from 1."""
    found = [match[0] if (match := re.search(r"\d{1,4}$", name)) else "" for name in names]
    return found if all(found) and len(set(found)) == len(found) else [str(place + 1) for place in range(len(names))]


def _square(rows: list[Any]) -> list[list[Any]]:
    whole = all(isinstance(row, list | tuple) and len(row) == len(rows) for row in rows)
    return [list(row) for row in rows] if whole else []


def _measure(name: str, rows: Sequence[Sequence[Any]], nearest: Sequence[Any], order: Sequence[int]) -> dict[str, Any]:
    kept = [cell for cell in order if cell < len(rows)]
    places = {cell: place for place, cell in enumerate(kept)}
    found = [finite(nearest[cell]) if cell < len(nearest) else None for cell in kept]
    return {
        "name": name,
        "matrix": [[round_to(rows[i][j], 4) for j in kept] for i in kept],
        "nearest": [None if cell is None else places.get(int(cell)) for cell in found],
    }
