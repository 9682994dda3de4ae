"""The blocks of the page that stand in the HTML itself and so need no script: headline, points, commands, notes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import duration, finite, quantity, unbroken
from netgraft.reports.headline import describe
from netgraft.reports.markup import Markup, join, tag
from netgraft.reports.points import (
    FAMILIES,
    Front,
    Point,
    error_label,
    metric_of,
    objectives_of,
    picked_of,
    points_of,
    shape_of,
    test_error,
    value_of,
)

LONGEST_FIGURE = 14


def section(identity: str, title: str, *content: object, lead: object = None, wide: bool = False) -> Markup:
    """Return a section with its heading and an optional line that says how to read it."""
    heading = tag("h2", title, id=f"{identity}-title")
    words = tag("p", lead, class_="lead") if lead else None
    return tag(
        "section",
        heading,
        words,
        *content,
        id=identity,
        aria_labelledby=f"{identity}-title",
        class_="wide" if wide else None,
    )


def scroller(label: str, content: Markup) -> Markup:
    """Return wide content in a box that scrolls by itself, by keyboard too."""
    return tag("div", content, class_="scroll", role="region", aria_label=label, tabindex="0")


def facts(front: Front) -> Markup:
    """Return the line of facts under the title: kind of task, rows, device, time, evaluations."""
    task = front.get("task") or {}
    rows = task.get("rows") or {}
    split = ", ".join(f"{quantity(rows[name])} {name}" for name in ("train", "validation", "test") if rows.get(name))
    columns = task.get("columns") or []
    shown = {
        "Task": task.get("kind"),
        "Error": error_label(front) if front.get("task") else None,
        "Rows": split or None,
        "Inputs": f"{len(columns)} column{'s' * (len(columns) > 1)}" if columns else None,
        "Device": front.get("device"),
        "Search": _search(front),
    }
    return tag("dl", *(fact(name, value) for name, value in shown.items() if value), class_="facts")


def fact(name: str, value: object) -> Markup:
    """Return one name and value of a list of facts."""
    return tag("div", tag("dt", name), tag("dd", value))


def _search(front: Front) -> str:
    evaluations = finite(front.get("evaluations"))
    parts = [
        str(front["strategy"]) if front.get("strategy") else None,
        f"{quantity(evaluations)} evaluations" if evaluations is not None else None,
        duration(front["seconds"]) if finite(front.get("seconds")) is not None else None,
        f"seed {front['seed']}" if front.get("seed") is not None else None,
    ]
    return ", ".join(part for part in parts if part)


def headline(front: Front, details: Mapping[str, Any]) -> Markup:
    """Return the figures of the picked point and the sentences that compare it."""
    picked = picked_of(front)
    sentences = tag("p", unbroken(" ".join(describe(front, details))), class_="verdict")
    return sentences if picked is None else join(_tiles(front, picked, details), sentences)


def _tiles(front: Front, picked: Point, details: Mapping[str, Any]) -> Markup:
    tested = test_error(picked, metric_of(front))
    tiles = [
        (
            "picked",
            str(picked.get("id")),
            shape_of(picked) if picked.get("cut") else FAMILIES.get(str(picked.get("family"))),
        )
    ]
    if tested is not None:
        tiles.append(("test error", quantity(tested), f"validation {quantity(value_of(picked, 'error'))}"))
    for each in objectives_of(front):
        value = value_of(picked, each["name"])
        if value is not None and not (each["name"] == "error" and tested is not None):
            tiles.append((each["name"], quantity(value, each["unit"]), each["origin"]))
    if finite(picked.get("parameters")) is not None:
        tiles.append(("parameters", quantity(picked["parameters"]), ""))
    tiles += _coverage(details)
    return tag("dl", *(tile(*each) for each in tiles), class_="tiles")


def _coverage(details: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    conformal = details.get("conformal") or {}
    width = finite(conformal.get("half_width"))
    if width is None:
        return []
    level = finite(conformal.get("level"))
    return [("interval", f"± {quantity(width)}", f"for {100 * level:.0f} % of rows" if level else "")]


def tile(name: str, value: str, note: str | None) -> Markup:
    """Return one figure with its name and a note."""
    small = tag("dd", note, class_="note") if note else None
    return tag(
        "div",
        tag("dt", name),
        tag("dd", value, class_="value" if len(value) <= LONGEST_FIGURE else "value long"),
        small,
    )


def points_table(front: Front) -> Markup:
    """Return the sortable table of all points."""
    points = points_of(front)
    objectives = objectives_of(front)
    tested = any(test_error(point, metric_of(front)) is not None for point in points)
    numeric = [*(each["name"] for each in objectives), *(["test error"] if tested else []), "parameters"]
    cells = [
        sort_head("point"),
        sort_head("family", "kind"),
        *(sort_head(name, "number") for name in numeric),
        sort_head("shape"),
    ]
    head = tag("tr", *cells)
    rows = [_row(front, point, objectives, tested=tested) for point in points]
    caption = tag("caption", "All points of the front, smallest first", class_="unseen")
    table = tag("table", caption, tag("thead", head), tag("tbody", *rows), id="points-table", class_="sortable points")
    lead = f"{len(points)} point{'s' * (len(points) > 1)}. Choose one to see it in the plot and in the commands."
    return section("points", "Points", scroller("All points", table), lead=lead)


def sort_head(name: str, kind: str = "text") -> Markup:
    """Return the head of a column by which a table can be sorted."""
    return tag("th", tag("button", name, type="button"), scope="col", class_=kind, aria_sort="none")


def _row(front: Front, point: Point, objectives: list[dict[str, str]], *, tested: bool) -> Markup:
    identity, family = str(point.get("id", "")), str(point.get("family", "network"))
    picked = point.get("id") == front.get("picked")
    mark = tag("span", "picked", class_="badge") if picked else None
    choose = tag("button", identity, type="button", class_=f"choose family {family if family in FAMILIES else 'other'}")
    cells = [number_cell(value_of(point, each["name"]), each["unit"]) for each in objectives]
    cells += [number_cell(test_error(point, metric_of(front)))] if tested else []
    cells += [number_cell(point.get("parameters")), tag("td", shape_of(point))]
    first = tag("th", choose, mark, scope="row", data_sort=identity)
    name = tag("td", FAMILIES.get(family, family), class_="kind")
    return tag("tr", first, name, *cells, data_id=identity, class_="picked" if picked else None)


def number_cell(value: object, unit: str = "") -> Markup:
    """Return a table cell with a number as people read it and, to sort by, as it is."""
    number = finite(value)
    return tag("td", quantity(number, unit), class_="number", data_sort="" if number is None else repr(number))


def commands(front: Front, details: Mapping[str, Any]) -> Markup | None:
    """Return the commands that use the picked point; a script writes another id when another point is chosen."""
    picked = picked_of(front)
    if picked is None:
        return None
    folder = shlex.quote(str(details.get("folder") or "DIR"))
    lines = {
        "Predict a table": "predict {folder} TABLE --point {point} --out predictions.csv",
        "Measure it on a labelled table": "evaluate {folder} TABLE --point {point} --json",
        "Export it: raw columns in, prediction out": "export {folder} --format onnx --point {point} --out model.onnx",
    }
    blocks = [_command(title, line, folder, str(picked.get("id"))) for title, line in lines.items()]
    return section(
        "use", "Use it", *blocks, lead="The commands name the chosen point; TABLE is a file with the same columns."
    )


def _command(title: str, line: str, folder: str, identity: str) -> Markup:
    before, after = line.replace("{folder}", folder).split("{point}")
    code = tag("code", f"netgraft {before}", tag("span", shlex.quote(identity), class_="point"), after)
    copy = tag("button", "Copy", type="button", class_="copy", aria_label=f"Copy: {title}", hidden=True)
    box = tag("div", tag("pre", code), copy, class_="command")
    return tag("div", tag("h3", title), box)


def notes(details: Mapping[str, Any]) -> Markup | None:
    """Return what the search had to say about the data and itself."""
    said = [tag("li", note) for note in details.get("notes") or []]
    return section("notes", "Notes", tag("ul", *said)) if said else None
