"""What was searched: counts, the space, the columns that were dropped, and the settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import finite, plain, quantity
from netgraft.reports.markup import Markup, tag
from netgraft.reports.points import Front
from netgraft.reports.sections import scroller, section

_COUNTS = {
    "evaluations": ("trained", "candidates, one evaluation each"),
    "scored": ("scored", "cuts of a supernet scored without training"),
    "rejected": ("rejected", "refused by a limit before training"),
    "skipped": ("skipped", "would not have fitted into memory"),
    "failed": ("failed", "gave no finite score"),
}
_LARGE = 1e4
_LEAST_CLOUD = 8


def searched(front: Front, details: Mapping[str, Any]) -> Markup | None:
    """Return the section on the search, or None where nothing is known of it."""
    blocks = [
        _counts(front, details),
        _choices(details),
        _space(front, details),
        _dropped(details),
        settings_list(details),
    ]
    known = [block for block in blocks if block is not None]
    return section("searched", "What was searched", *known) if known else None


def _counts(front: Front, details: Mapping[str, Any]) -> Markup | None:
    stated = {**{name: front.get(name) for name in ("evaluations", "scored")}, **(details.get("counts") or {})}
    tiles = [
        tag(
            "div",
            tag("dt", label),
            tag("dd", quantity(stated[name]), class_="value"),
            tag("dd", meaning, class_="note"),
        )
        for name, (label, meaning) in _COUNTS.items()
        if finite(stated.get(name)) is not None
    ]
    return tag("dl", *tiles, class_="tiles small") if tiles else None


def _choices(details: Mapping[str, Any]) -> Markup | None:
    """Return the place where a script draws the error against each choice."""
    tried = [each for each in details.get("evaluations") or [] if each.get("genes")]
    if len(tried) < _LEAST_CLOUD:
        return None
    title = tag("h3", "Error by choice")
    lead = tag(
        "p", "Each dot is a candidate that was tried: its choice across, its validation error up.", class_="lead"
    )
    return tag("div", title, lead, tag("div", id="choices", class_="multiples"))


def _space(front: Front, details: Mapping[str, Any]) -> Markup | None:
    space = [each for each in details.get("space") or [] if each.get("name")]
    if not space:
        return None
    head = tag("tr", tag("th", "choice", scope="col"), tag("th", "from", scope="col"))
    rows = [tag("tr", tag("th", each["name"], scope="row", class_="name"), tag("td", _range(each))) for each in space]
    bounds = front.get("space") or {}
    sizes = [finite(bounds.get(name)) for name in ("smallest_bytes", "largest_bytes")]
    span = f" Sizes from {quantity(sizes[0], 'byte')} to {quantity(sizes[1], 'byte')}." if None not in sizes else ""
    table = scroller("The search space", tag("table", tag("thead", head), tag("tbody", *rows), class_="space"))
    return _folded(f"The space: {len(space)} choices.{span}", table)


def _range(dimension: Mapping[str, Any]) -> str:
    if dimension.get("values") is not None:
        return ", ".join(_short(value) for value in dimension["values"])
    low, high = dimension.get("low"), dimension.get("high")
    return f"{_short(low)} to {_short(high)}{', on a log scale' if dimension.get('log') else ''}"


def _short(value: object) -> str:
    number = finite(value)
    if number is not None:
        return f"{number:.4g}" if abs(number) < _LARGE else plain(number)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _dropped(details: Mapping[str, Any]) -> Markup | None:
    rows = [
        tag("li", tag("b", each.get("name", ""), class_="name"), f": {each.get('reason', 'not used')}")
        for each in details.get("dropped") or []
    ]
    return _folded(f"Columns not used: {len(rows)}.", tag("ul", *rows)) if rows else None


def settings_list(details: Mapping[str, Any]) -> Markup | None:
    """Return how a search was set, folded, or nothing."""
    settings = details.get("settings") or {}
    rows = [
        tag("div", tag("dt", name), tag("dd", _short(value))) for name, value in settings.items() if value is not None
    ]
    return _folded("Settings.", tag("dl", *rows, class_="settings")) if rows else None


def _folded(summary: str, content: Markup) -> Markup:
    return tag("details", tag("summary", summary), content)
