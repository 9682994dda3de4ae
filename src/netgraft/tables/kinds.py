"""What a column holds, inferred from its type, its cells and, for codes, the target on training rows.

- Types decide first: booleans, dates and times, text. Text of a CSV file that spells numbers (missing marks aside) is
  numbers; text whose every cell is a date-time in one format is a date-time; other text is categorical.
- Numbers that are only 0 and 1 are boolean.
- Integers whose name says time and that lie between 1990 and 2100 as seconds (or ms, µs, ns) since 1970 are date-times.
- Integers are a `code` (both a number and a name) when the column's name says so (`names.names_code`), or when the
  target says so: see `roughness`. A code beyond 2**24, where float32 cannot tell neighbours apart, is categorical.
- Everything else is numeric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.errors import TableError
from netgraft.runtime.encoding import Kind
from netgraft.tables.cells import (
    EPOCH_UNITS,
    FALSE_TEXTS,
    FORMATS,
    MISSING_TEXTS,
    TRUE_TEXTS,
    InputColumn,
    numbers_f64,
    parse_times,
    parsed_numbers,
)  # fmt: skip
from netgraft.tables.names import counts_something, names_code, names_time

#: The largest integer up to which float32 holds every integer.
EXACT = 2**24
#: Seconds since 1970 of 1990-01-01 and 2100-01-01.
_EPOCH_S = (631_152_000, 4_102_444_800)
#: A code that only the target shows has so many distinct values at most, and so many rows per value at least.
_MOST_VALUES, _ROWS_PER_VALUE = 64, 20
#: Thresholds of `roughness`: neighbours differ as strangers do, values matter, and more than by chance.
_ROUGH, _MATTERS, _SIGNIFICANT = 0.6, 0.0005, 5.0
#: Or: jumps between neighbours explain this share of the target's variance.
_JUMPS = 0.02


@dataclass(frozen=True)
class Evidence:
    """What inference may look at besides the column itself.

    Attributes:
        na: marks of missing cells.
        is_text_file: whether every cell came as text, so that digits say nothing about the type.
        rows: training rows, int64 [r]; statistics look at no others.
        target: float64 [r, t], the target of those rows as t centred columns; nothing where it may not be used.
    """

    na: tuple[str | float, ...] = ()
    is_text_file: bool = False
    rows: NDArray[np.int64] | None = None
    target: NDArray[np.float64] | None = None


def infer(series: pl.Series, evidence: Evidence) -> InputColumn | None:
    """Return how to read a column, or nothing when its type (nested, binary) cannot be an input."""
    name, dtype = series.name, series.dtype
    if dtype == pl.Boolean:
        return InputColumn(name, "boolean")
    if dtype in (pl.Date, pl.Time) or dtype == pl.Datetime:
        return InputColumn(name, "datetime")
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _infer_text(series, evidence)
    if dtype.is_integer() or dtype.is_float() or dtype.is_decimal() or dtype in (pl.Duration, pl.Null):
        return _infer_number(series, evidence)
    return None


def forced(series: pl.Series, kind: Kind, na: tuple[str | float, ...]) -> InputColumn:
    """Return how to read a column as a kind that the caller chose.

    Raises:
        TableError: its cells cannot be read as that kind.
    """
    if kind != "datetime":
        return InputColumn(series.name, kind)
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        form = text_form(series.cast(pl.String).unique(), na)
        if form is None:
            raise TableError(f"column {series.name!r} must hold date-times in one format to be of the kind datetime")
        return InputColumn(series.name, kind, form)
    if series.dtype.is_numeric():
        return InputColumn(series.name, kind, _epoch(numbers_f64(series, na)) or "epoch_s")
    return InputColumn(series.name, kind)


def _infer_text(series: pl.Series, evidence: Evidence) -> InputColumn:
    """Return how to read a column of text."""
    distinct = series.cast(pl.String).unique()
    marks = [*MISSING_TEXTS, *(mark for mark in evidence.na if isinstance(mark, str))]
    known = distinct.filter(~distinct.is_in(marks).fill_null(True))
    if not len(known):
        return InputColumn(series.name, "categorical")
    if known.is_in([*TRUE_TEXTS, *FALSE_TEXTS]).all() and evidence.is_text_file:
        return InputColumn(series.name, "boolean")
    if evidence.is_text_file and known[:1000].cast(pl.Float64, strict=False).null_count() == 0:
        try:
            values = parsed_numbers(series.set(series.is_in(marks), None))
        except TableError:
            values = None
        if values is not None:
            whole = (values.drop_nulls().round() == values.drop_nulls()).all()
            return _infer_number(values.cast(pl.Int64, strict=False) if whole else values, evidence)
    form = text_form(distinct, evidence.na)
    return InputColumn(series.name, "categorical") if form is None else InputColumn(series.name, "datetime", form)


def text_form(distinct: pl.Series, na: tuple[str | float, ...]) -> str | None:
    """Return the first format in which every distinct text is a date-time."""
    text = distinct.drop_nulls().str.strip_chars()
    text = text.filter(~text.is_in([*MISSING_TEXTS, *(mark for mark in na if isinstance(mark, str))]))
    # A date-time has digits and separators: most columns of text end here.
    if not len(text) or not text[:50].str.contains(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}").all():
        return None
    for form in FORMATS:
        few = parse_times(text[:50], form)
        if few is None or few.null_count():
            continue
        stamps = parse_times(text, form)
        if stamps is not None and not stamps.null_count():
            return form
    return None


def _infer_number(series: pl.Series, evidence: Evidence) -> InputColumn:
    """Return how to read a column of numbers, looking at training rows only."""
    name = series.name
    cells = numbers_f64(series, evidence.na)
    cells = cells if evidence.rows is None else cells[evidence.rows]
    known = cells[~np.isnan(cells)]
    if not len(known):
        return InputColumn(name, "numeric")
    if all(((part == 0) | (part == 1)).all() for part in (known[:1000], known)):
        return InputColumn(name, "boolean")
    # pandas turns a column of integers with a missing cell into floats.
    if not (series.dtype.is_integer() or (len(known) < len(cells) and bool((known == np.round(known)).all()))):
        return InputColumn(name, "numeric")
    form = _epoch(known) if names_time(name) else None
    if form is not None:
        return InputColumn(name, "datetime", form)
    if known.min() >= -1 and _is_code(name, cells, evidence.target):
        return InputColumn(name, "code" if known.max() <= EXACT else "categorical")
    return InputColumn(name, "numeric")


def _epoch(cells: NDArray[Any]) -> str | None:
    """Return the unit in which all numbers are times between 1990 and 2100."""
    known = cells[np.isfinite(cells)]
    for form, unit_s in EPOCH_UNITS.items():
        if len(known) and known.min() * unit_s >= _EPOCH_S[0] and known.max() * unit_s < _EPOCH_S[1]:
            return form
    return None


def _is_code(name: str, cells: NDArray[Any], target: NDArray[np.float64] | None) -> bool:
    """Return whether integers of at least -1 name something."""
    values, place = np.unique(cells[~np.isnan(cells)], return_inverse=True)
    if len(values) < 3 or len(place) < 2 * len(values):
        return False
    if names_code(name):
        return True
    if (
        target is None
        or counts_something(name)
        or len(values) > _MOST_VALUES
        or len(place) < _ROWS_PER_VALUE * len(values)
    ):
        return False
    rough, matters = roughness(place, target[~np.isnan(cells)])
    # A straight line over k values has the ratio 6 / (k (k + 1)); what is above twice that is jumps.
    jumps = (rough - 12 / (len(values) * (len(values) + 1))) * matters
    return (rough >= _ROUGH and matters >= _MATTERS) or jumps >= _JUMPS


def roughness(place: NDArray[np.int64], target: NDArray[np.float64]) -> tuple[float, float]:
    """Return how unlike neighbouring values are in the target, and how much of it the values explain.

    The first is von Neumann's ratio of the mean square successive difference to twice the variance (Annals of
    Mathematical Statistics 12, 1941), over the means of the target per value, both without what noise adds: about 0 for
    a quantity, to which neighbours are alike, and about 1 for a name, to which they are strangers. The second is the
    explained share of the target's variance, without what noise adds.

    Args:
        place: the rank of each row's value among the distinct values, int64 [r].
        target: float64 [r, t].
    """
    count = np.bincount(place).astype(np.float64)
    common = count >= 5
    if common.sum() < 3:
        return 0.0, 0.0
    c = count[common]
    v = np.sqrt(c)
    pairs = v[1:] * v[:-1]
    above = below = between = sampling = spread = 0.0
    for column in target.T:
        mean, noise = _mean_and_noise(place, column, count)
        mean, noise = mean[common], noise[common]
        above += float(np.average(np.diff(mean) ** 2 - noise[1:] - noise[:-1], weights=pairs))
        strangers = v.sum() * (v @ mean**2) - (v @ mean) ** 2 - (v * noise) @ (v.sum() - v)
        below += 2 * float(strangers) / float(v.sum() ** 2 - v @ v)
        between += float(np.average((mean - np.average(mean, weights=c)) ** 2, weights=c))
        sampling += float(np.average(noise, weights=c))
        spread += float(column @ column) / len(column)
    if below <= 0 or spread <= 0 or between < _SIGNIFICANT * sampling:
        return 0.0, 0.0
    return above / below, (between - sampling) / spread


def _mean_and_noise(
    place: NDArray[np.int64], column: NDArray[np.float64], count: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each value the mean of the target and the variance of that mean.

    A value's own variance is drawn to that of all values as if by five more rows: a few equal rows prove little.
    """
    mean = np.bincount(place, column, len(count)) / count
    square = np.maximum(np.bincount(place, column**2, len(count)) - count * mean**2, 0.0)
    pooled = square.sum() / max(len(place) - len(count), 1)
    return mean, (square + 5 * pooled) / (count + 4) / count
