"""The map of the network and its player: cells as wedges at their sites, and what happened in them step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import finite, round_to
from netgraft.reports.markup import Markup, tag
from netgraft.reports.payload import thin
from netgraft.reports.sections import section
from netgraft.reports.slicing_methods import Results, items, method, ordered, part

_MOST_FRAMES = 200
_SHOWN = ("load", "satisfaction", "users")


def network(results: Results) -> dict[str, Any] | None:
    """Return the map and the frames of each method, or None where no cell has a place.

    Returns:
        `{"cells", "methods"}`: cells with `name`, `site`, `group`, `x`, `y` in metres and `azimuth` in degrees
        counterclockwise from the x axis; methods with `name`, `label`, `step` [T] and per measure lists [T][K] of
        numbers or None.
    """
    told = part(results, "network")
    cells = [_cell(index, cell) for index, cell in enumerate(items(told, "cells")) if isinstance(cell, Mapping)]
    if not any(cell["x"] is not None and cell["y"] is not None for cell in cells):
        return None
    frames = part(told, "frames")
    methods = [_frames(name, part(frames, name), len(cells)) for name in ordered(frames)]
    return {"cells": cells, "methods": [each for each in methods if each["step"]]}


def _cell(index: int, cell: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": str(cell.get("name") or f"cell {index + 1}"),
        "site": None if cell.get("site") is None else str(cell["site"]),
        "group": int(finite(cell.get("group")) or 0),
        "x": round_to(cell.get("x_m")),
        "y": round_to(cell.get("y_m")),
        "azimuth": round_to(cell.get("azimuth_deg")) or 0.0,
    }


def _frames(name: str, told: Mapping[str, Any], cells: int) -> dict[str, Any]:
    rows = {key: items(told, key) for key in _SHOWN}
    kept = thin([index for index, step in enumerate(items(told, "step")) if finite(step) is not None], _MOST_FRAMES)
    shown = {
        key: [_numbers(values[index] if index < len(values) else None, cells) for index in kept]
        for key, values in rows.items()
        if values
    }
    return {"name": name, "label": method(name).label, "step": [items(told, "step")[index] for index in kept], **shown}


def _numbers(row: object, count: int) -> list[float | None]:
    values = [round_to(value, 3) for value in row] if isinstance(row, list | tuple) else []
    return (values + [None] * count)[:count]


def network_section(drawn: Mapping[str, Any] | None) -> Markup | None:
    """Return the section that a script fills with the map and its player."""
    if not drawn:
        return None
    lead = "Each wedge is a cell, at its site and in the direction of its antenna."
    if drawn["methods"]:
        lead += (
            " On the slider, space plays and pauses and arrow keys go step by step; on the map, arrow keys go from cell"
            " to cell and enter chooses one, which is then drawn over time."
        )
    return section("network", "The network", tag("div", id="network-player", class_="player"), lead=lead)
