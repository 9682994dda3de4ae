"""Columns that cannot be inputs: constant ones, row identifiers and copies of the target, each with the reason.

Statistics look at training rows only. A column whose kind the caller set is dropped only when it is constant or
equal to the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.runtime.encoding import MISSING_TIME
from netgraft.tables.cells import InputColumn, numbers_f64, seconds, text_codes
from netgraft.tables.names import names_row

#: A text column in which so many of the known cells differ names rows, not categories.
_DISTINCT_SHARE = 0.95
#: Rows that are looked at first: most columns are no copy, and show it soon.
_FIRST = 1_000
_SAME = 1e-6
#: From so many rows on, a column that fixes the class in every row is worth a note.
_NOTE_ROWS = 200


@dataclass(frozen=True)
class Dropped:
    """A column that is no input, and why."""

    name: str
    reason: str


def reason_to_drop(
    series: pl.Series,
    column: InputColumn,
    y: NDArray[Any],
    *,
    na: tuple[str | float, ...] = (),
    is_chosen: bool = False,
) -> str | None:
    """Return why a column cannot be an input, or nothing.

    Args:
        series: its cells in training rows.
        column: how it is read.
        y: the target of those rows: float64, or int64 class indices.
        na: marks of missing cells.
        is_chosen: whether the caller set the kind and so vouches for the column.
    """
    codes = known_codes(series, column, na)
    known = codes >= 0
    distinct = int(codes.max()) + 1 if known.any() else 0
    if distinct == 0:
        return "all cells are missing"
    if distinct == 1 and known.all():
        return "constant"
    copy = copy_of_target(series, column, codes, y, na)
    if copy is not None and not (is_chosen and copy != "equal to the target"):
        return copy
    return None if is_chosen else _identifies_rows(series, column, codes, distinct, na)


def known_codes(series: pl.Series, column: InputColumn, na: tuple[str | float, ...]) -> NDArray[np.int64]:
    """Return for each cell the rank or code of its value, -1 where missing.

    For floats that are neither text nor integers only the difference between no, one and several values is told.
    """
    if column.kind == "categorical":
        codes, labels = text_codes(series, na)
        used = np.unique(codes[codes > 0])
        rank = np.full(len(labels), -1, np.int64)
        rank[used] = np.arange(len(used))
        return rank[codes]
    is_time = column.kind == "datetime"
    # The full precision: as float32, large integers that differ could look alike.
    cells = seconds(series, column.form, na) if is_time else numbers_f64(series, na)
    absent = cells == MISSING_TIME if is_time else np.isnan(cells)
    found = cells[~absent]
    codes = np.full(len(cells), -1, np.int64)
    if len(found):
        is_float = series.dtype.is_float() and column.kind == "numeric"
        codes[~absent] = found != found[0] if is_float else np.unique(found, return_inverse=True)[1]
    return codes


def _identifies_rows(
    series: pl.Series, column: InputColumn, codes: NDArray[np.int64], distinct: int, na: tuple[str | float, ...]
) -> str | None:
    """Return why a column only tells rows apart, or nothing."""
    known = int((codes >= 0).sum())
    if column.kind == "categorical" and distinct >= max(_DISTINCT_SHARE * known, 3):
        return f"row identifier: {distinct} distinct texts in {known} rows"
    if column.kind in ("numeric", "code") and series.dtype.is_integer() and distinct == len(codes):
        steps = np.diff(numbers_f64(series, na))
        if (steps > 0).all() or (steps < 0).all():
            return "row identifier: distinct integers in order"
        if names_row(series.name):
            return "row identifier: distinct integers and a name that says so"
    return None


def names_group(codes: NDArray[np.int64], groups: NDArray[np.int64]) -> str | None:
    """Return why a categorical column says nothing about a new group, or nothing.

    Args:
        codes: the category of each row of the table, -1 where missing; int64 [n].
        groups: the group of each row; int64 [n].
    """
    known = codes >= 0
    if not known.any():
        return None
    values = int(codes.max()) + 1
    pairs = np.unique(codes[known] * (int(groups.max()) + 1) + groups[known])
    # A category of one row is in one group by chance.
    if values < 2 or len(pairs) != values or values * 2 > int(known.sum()):
        return None
    return "each of its values occurs in one group only"


def copy_of_target(
    series: pl.Series,
    column: InputColumn,
    codes: NDArray[np.int64],
    y: NDArray[Any],
    na: tuple[str | float, ...],
) -> str | None:
    """Return how a column copies the target, or nothing: equal, affine, in the same order, or class by class."""
    known = codes >= 0
    if known.sum() * 2 < len(codes) or column.kind == "datetime":
        return None
    if y.dtype.kind != "f":
        return _copies_classes(series, column, codes, y)
    if column.kind == "categorical":
        return None
    cells = numbers_f64(series, na)
    for rows in (np.flatnonzero(known)[:_FIRST], np.flatnonzero(known)):
        copy = _copies_numbers(cells[rows].astype(np.float64), y[rows])
        if copy is None:
            return None
    return copy


def _copies_numbers(x: NDArray[np.float64], y: NDArray[np.float64]) -> str | None:
    """Return how x copies y over these rows, or nothing."""
    spread = float(np.ptp(y))
    if np.ptp(x) == 0 or spread == 0 or len(x) < 3:
        return None
    if np.abs(x - y).max() <= _SAME * spread:
        return "equal to the target"
    variation = float(((x - x.mean()) ** 2).sum())
    if variation == 0:  # the squares of the smallest numbers are zero
        return None
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / variation
    if np.abs(y - y.mean() - slope * (x - x.mean())).max() <= _SAME * spread:
        return "copy of the target in other units"
    order = np.lexsort((y, x))
    x_steps, y_steps = np.diff(x[order]), np.diff(y[order])
    together = (x_steps != 0) == (y_steps != 0)
    if together.all() and ((y_steps >= 0).all() or (y_steps <= 0).all()) and len(np.unique(x)) > 2:
        return "copy of the target: the same order, value by value"
    return None


def _copies_classes(
    series: pl.Series, column: InputColumn, codes: NDArray[np.int64], y: NDArray[np.int64]
) -> str | None:
    """Return how a column copies the classes, or nothing."""
    if series.dtype.is_float() and column.kind == "numeric":
        values = series.drop_nulls().unique()
        if len(values) > 100:
            return None
        codes = np.searchsorted(np.sort(values.to_numpy()), series.fill_null(np.nan).to_numpy()).astype(np.int64)
        codes[series.is_null().to_numpy()] = -1
    known = codes >= 0
    classes = np.unique(y[known])
    values_seen = np.unique(codes[known])
    if len(classes) < 2 or len(values_seen) != len(classes):
        return None
    pairs = np.unique(codes[known] * (int(y.max()) + 1) + y[known])
    return "copy of the target: one value for each class" if len(pairs) == len(classes) else None


def fixes_class(codes: NDArray[np.int64], y: NDArray[np.int64]) -> bool:
    """Return whether each of a column's values comes with one class only, over enough rows to be no chance."""
    known = codes >= 0
    if known.sum() < _NOTE_ROWS or y.dtype.kind == "f":
        return False
    first = np.flatnonzero(known)[:_FIRST]
    width = int(y.max()) + 1
    for rows in (first, np.flatnonzero(known)):
        values = len(np.unique(codes[rows]))
        if values * 10 > len(rows) or len(np.unique(codes[rows] * width + y[rows])) != values or values < 2:
            return False
    return True
