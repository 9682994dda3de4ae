"""How the picked point does: by group, and by class. Tables with bars and shades, readable without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netgraft.reports.figures import ABSENT, finite, quantity
from netgraft.reports.markup import Markup, join, tag
from netgraft.reports.points import metric_label
from netgraft.reports.sections import number_cell, scroller, section

MOST_GROUPS = 200
MOST_CLASSES = 30
NARROW_CLASSES = 5
NARROW_METRICS = 1
SHADES = 10


def by_group(details: Mapping[str, Any]) -> Markup | None:
    """Return the table of groups with a bar for each error, worst first."""
    groups = details.get("groups") or {}
    rows = [row for row in groups.get("rows") or [] if finite(row.get("error")) is not None]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: -row["error"])
    shown = rows[:MOST_GROUPS]
    metrics = list(dict.fromkeys(name for row in shown for name in row if name not in ("group", "rows", "error")))
    column = str(groups.get("column") or "group")
    longest = max(*(row["error"] for row in shown), 1e-12)
    head = [("text", column), ("text", ""), ("number", "error"), ("number", "rows")]
    cells = [tag("th", name, scope="col", class_=kind) for kind, name in head]
    cells += [tag("th", metric_label(name), scope="col", class_="number") for name in metrics]
    body = [_group_row(row, metrics, longest) for row in shown]
    table = tag("table", tag("thead", tag("tr", *cells)), tag("tbody", *body), class_="groups")
    more = f" The {len(shown)} worst of {len(rows)} are shown." if len(rows) > len(shown) else ""
    lead = join(
        "Error of the picked point", _on(groups), " for each value of ", tag("b", column, class_="name"),
        f", worst first.{more}",
    )  # fmt: skip
    return section(
        "groups", "By group", scroller("Error by group", table), lead=lead, wide=len(metrics) > NARROW_METRICS
    )


def _group_row(row: Mapping[str, Any], metrics: Sequence[str], longest: float) -> Markup:
    name = tag("th", row.get("group", ""), scope="row", class_="name")
    cells = [
        tag("td", bar(row["error"] / longest), class_="bar"),
        number_cell(row["error"]),
        number_cell(row.get("rows")),
    ]
    return tag("tr", name, *cells, *(number_cell(row.get(metric)) for metric in metrics))


def bar(share: float) -> Markup:
    """Return a bar that is filled to a share."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}"
    drawn = tag("rect", x="0", y="0", width=width, height="10", rx="0")
    return tag("svg", drawn, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def _on(part: Mapping[str, Any]) -> str:
    return f" on {part['on']} rows" if part.get("on") else ""


def confusion(details: Mapping[str, Any]) -> Markup | None:
    """Return the confusion matrix, each row shaded by its shares; rare classes beyond 30 are summed up."""
    matrix = details.get("confusion") or {}
    labels, counts = list(matrix.get("labels") or []), [list(row) for row in matrix.get("counts") or []]
    if not labels or len(counts) != len(labels) or any(len(row) != len(labels) for row in counts):
        return None
    labels, counts = _fold(labels, counts)
    corner = tag("th", "true ╲ predicted", scope="col", class_="corner")
    head = tag("tr", corner, *(tag("th", label, scope="col", class_="name") for label in [*labels, "recall"]))
    body = [_confusion_row(label, row, index) for index, (label, row) in enumerate(zip(labels, counts, strict=True))]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="confusion")
    rows = f"{matrix['on']} rows".capitalize() if matrix.get("on") else "Rows"
    lead = f"{rows} by true class (down) and predicted class (across), shaded by their share of the true class."
    matrix_box = scroller("Confusion matrix", table)
    return section("confusion", "Which classes are mixed up", matrix_box, lead=lead, wide=len(labels) > NARROW_CLASSES)


def _fold(labels: list[Any], counts: list[list[Any]]) -> tuple[list[Any], list[list[Any]]]:
    """Sum up the rarest classes as one, so that at most 30 are shown."""
    if len(labels) <= MOST_CLASSES:
        return labels, counts
    order = sorted(range(len(labels)), key=lambda index: -sum(counts[index]))
    kept = sorted(order[: MOST_CLASSES - 1])
    rest = sorted(order[MOST_CLASSES - 1 :])
    rows = [[counts[i][j] for j in kept] + [sum(counts[i][j] for j in rest)] for i in kept]
    last = [sum(counts[i][j] for i in rest) for j in kept] + [sum(counts[i][j] for i in rest for j in rest)]
    return [labels[i] for i in kept] + [f"{len(rest)} others"], [*rows, last]


def _confusion_row(label: object, row: Sequence[Any], index: int) -> Markup:
    total = sum(row)
    cells = [_confusion_cell(count, total, right=column == index) for column, count in enumerate(row)]
    recall = tag("td", f"{100 * row[index] / total:.1f} %" if total else ABSENT, class_="recall")
    return tag("tr", tag("th", label, scope="row", class_="name"), *cells, recall)


def _confusion_cell(count: Any, total: float, *, right: bool) -> Markup:
    shade = round(SHADES * count / total) if total else 0
    return tag("td", quantity(count), class_=f"{'right' if right else 'wrong'} shade{shade}")
