"""The front as a table for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from netgraft.reports.figures import finite, quantity
from netgraft.reports.points import (
    FAMILIES,
    Front,
    Point,
    error_label,
    metric_of,
    objectives_of,
    points_of,
    shape_of,
    test_error,
)


def front_table(front: Front) -> Table:
    """Return the front as a rich table, smallest point first, the picked one marked.

    Args:
        front: the content of `front.json`.

    Returns:
        A table with id, family, shape, parameters, every value of the points and, with test rows, the test error.
    """
    target = str((front.get("task") or {}).get("target", ""))
    objectives = objectives_of(front)
    tested = any(test_error(point, metric_of(front)) is not None for point in points_of(front))
    table = Table(
        title=Text(f"Front for {target}" if target else "Front"),
        caption=Text(f"error = {error_label(front)}; ● picked"),
        title_justify="left",
        caption_justify="left",
    )
    for name in ("", "id", "family", "shape"):
        table.add_column(name, no_wrap=name != "shape")
    for name in ("parameters", *(objective["name"] for objective in objectives), *(["test error"] if tested else [])):
        table.add_column(Text(name), justify="right")
    for point in points_of(front):
        picked = point.get("id") == front.get("picked")
        table.add_row(*_cells(front, point, picked=picked, tested=tested), style="bold" if picked else "")
    return table


def _cells(front: Front, point: Point, *, picked: bool, tested: bool) -> list[Text]:
    family = str(point.get("family", ""))
    values = point.get("values") or {}
    texts = ["●" if picked else "", str(point.get("id", "")), FAMILIES.get(family, family), shape_of(point)]
    texts.append(quantity(finite(point.get("parameters"))))
    texts += [quantity(values.get(each["name"]), each["unit"]) for each in objectives_of(front)]
    if tested:
        texts.append(quantity(test_error(point, metric_of(front))))
    return [Text(text) for text in texts]
