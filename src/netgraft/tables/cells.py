"""One column of a table becomes one raw column, as `netgraft.runtime.encoding` defines them.

The same cell means the same in every kind of table: the category of 3, 3.0 and "3" is ``"3"``, that of true is
``"true"``. A number is cast to float32 before anything else looks at it, so that all ways to run a model agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.errors import TableError
from netgraft.runtime.encoding import MISSING_TIME, FloatArray, Kind
from netgraft.tables.source import as_number

#: Texts that mean "missing" in a column of numbers or date-times (in a column of categories only ``""`` does).
MISSING_TEXTS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none", "-", "?")
TRUE_TEXTS, FALSE_TEXTS = ("true", "True", "TRUE"), ("false", "False", "FALSE")
#: Formats of date-times in text, tried in this order; a day before a month is tried last.
FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y.%m.%d_%H.%M.%S", "%d.%m.%Y %H:%M:%S%.f", "%d.%m.%Y %H:%M", "%d.%m.%Y",
    "%m/%d/%Y %H:%M:%S%.f", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %H:%M:%S%.f", "%d/%m/%Y %H:%M", "%d/%m/%Y",
)  # fmt: skip
#: Seconds in one unit of a date-time that is stored as a count since 1970.
EPOCH_UNITS = {"epoch_s": 1.0, "epoch_ms": 1e-3, "epoch_us": 1e-6, "epoch_ns": 1e-9}


@dataclass(frozen=True)
class InputColumn:
    """How one column of a table is read.

    Attributes:
        name: the column's name.
        kind: its kind.
        form: the format of a date-time in text, or the unit of a count since 1970 (`EPOCH_UNITS`); empty otherwise.
    """

    name: str
    kind: Kind
    form: str = ""


def raw_cells(series: pl.Series, column: InputColumn, na: Sequence[str | float] = ()) -> NDArray[Any]:
    """Return the raw column of a series of n cells.

    Args:
        series: the cells.
        column: how to read them.
        na: what marks a missing cell: texts are compared with text cells, numbers with numeric cells, and a text that
            spells a number with both.

    Returns:
        float32 [n] (NaN missing), text as objects [n] ("" missing), or int64 seconds [n] (`MISSING_TIME` missing).

    Raises:
        TableError: a cell is infinite, or cannot be read as the column's kind.
    """
    if column.kind == "categorical":
        codes, labels = text_codes(series, na)
        return labels[codes]
    if column.kind == "datetime":
        return seconds(series, column.form, na)
    return numbers(series, na)


def numbers(series: pl.Series, na: Sequence[str | float] = ()) -> FloatArray:
    """Return cells as float32 [n], NaN where missing.

    Raises:
        TableError: a cell is infinite as float32, or is text that spells no number.
    """
    wide = numbers_f64(series, na)
    with np.errstate(over="ignore"):
        cells = wide.astype(np.float32)
    infinite = int(np.isinf(cells).sum())
    if infinite:
        raise TableError(
            f"numbers must be finite as float32, got {infinite} infinite value{'s' if infinite > 1 else ''} "
            f"in column {series.name!r}"
        )
    return cells


def numbers_f64(series: pl.Series, na: Sequence[str | float] = ()) -> NDArray[Any]:
    """Return cells as floats in the precision they came in, NaN where missing; infinite values are left as they are.

    Raises:
        TableError: a cell is text that spells no number, or the type has no numbers.
    """
    plain = _plain_numbers(series)
    if plain.dtype == pl.Float32 or plain.dtype == pl.Float64:
        cells = plain.to_numpy()
    else:
        cells = plain.cast(pl.Float64).to_numpy()
    for mark in na:
        value = as_number(mark) if isinstance(mark, str) else float(mark)
        if value is not None:
            cells = np.where(cells == cells.dtype.type(value), cells.dtype.type(np.nan), cells)
    return cells


def _plain_numbers(series: pl.Series) -> pl.Series:
    """Return a numeric or boolean series."""
    dtype = series.dtype
    if dtype.is_integer() or dtype.is_float() or dtype == pl.Boolean:
        return series
    if dtype == pl.Null or dtype.is_decimal():
        return series.cast(pl.Float64)
    if dtype == pl.Duration:
        return series.dt.total_microseconds().cast(pl.Float64) / 1e6
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return parsed_numbers(series)
    raise TableError(f"column {series.name!r} must hold numbers, got {dtype}")


def parsed_numbers(series: pl.Series) -> pl.Series:
    """Return the numbers that text cells spell; null where a cell is missing.

    Raises:
        TableError: a cell spells no number.
    """
    text = series.cast(pl.String).str.strip_chars()
    text = text.set(text.is_in(MISSING_TEXTS), None)
    values = text.cast(pl.Float64, strict=False)
    truth = text.is_in(TRUE_TEXTS)
    values = values.set(truth.fill_null(False), 1.0).set(text.is_in(FALSE_TEXTS).fill_null(False), 0.0)
    wrong = text.filter(values.is_null() & text.is_not_null())
    if len(wrong):
        raise TableError(f"column {series.name!r} must hold numbers, got {wrong[0]!r}")
    return values


def text_codes(series: pl.Series, na: Sequence[str | float] = ()) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return cells as codes into their distinct texts.

    Returns:
        codes int64 [n] and the distinct texts as objects; ``""`` stands for missing.
    """
    encoded = as_text(series).to_arrow().dictionary_encode()
    labels = np.array(["", *encoded.dictionary.to_pylist()], dtype=object)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64) + 1
    marks = {mark if isinstance(mark, str) else number_text(mark) for mark in na}
    blank = np.array([label == "" or label in marks for label in labels], bool)
    return np.where(blank[codes], 0, codes), labels


def as_text(series: pl.Series) -> pl.Series:
    """Return cells as texts, ``""`` where missing; a whole number has no decimal point whatever its type."""
    dtype = series.dtype
    if dtype.is_float():
        series = series.fill_nan(None)
        whole = series.round() == series
        exact = whole & (series.abs() < 2.0**53)
        kept = pl.select(
            pl.when(exact).then(series.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(series.cast(pl.String))
        )
        return kept.to_series().fill_null("").alias(series.name)
    return series.cast(pl.String).fill_null("")


def number_text(value: float) -> str:
    """Return the category of a number.

    >>> number_text(3.0), number_text(0.5), number_text(True)
    ('3', '0.5', 'true')
    """
    return str(as_text(pl.Series([value]))[0])


def seconds(series: pl.Series, form: str = "", na: Sequence[str | float] = ()) -> NDArray[np.int64]:
    """Return date-times as whole seconds since 1970 (UTC); int64 [n], `MISSING_TIME` where missing.

    Raises:
        TableError: a cell is not a date-time of that form.
    """
    fine = microseconds(series, form, na)
    return np.where(fine == MISSING_TIME, MISSING_TIME, np.floor_divide(fine, 1_000_000))


def microseconds(series: pl.Series, form: str = "", na: Sequence[str | float] = ()) -> NDArray[np.int64]:
    """Return date-times as whole microseconds since 1970 (UTC); int64 [n], `MISSING_TIME` where missing.

    A date is its midnight, a time of day is one of 1970-01-01.

    Raises:
        TableError: a cell is not a date-time of that form.
    """
    dtype = series.dtype
    if dtype.is_integer() or dtype.is_float():
        return _from_epoch(numbers_f64(series, na), EPOCH_UNITS.get(form, 1.0))
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        stamps = _parsed_times(series, form, na)
    elif dtype == pl.Time:
        return (series.cast(pl.Int64) // 1000).fill_null(MISSING_TIME).to_numpy()
    elif dtype in (pl.Date, pl.Null) or dtype == pl.Datetime:
        stamps = series
    else:
        raise TableError(f"column {series.name!r} must hold date-times, got {dtype}")
    if isinstance(stamps.dtype, pl.Datetime) and stamps.dtype.time_zone is not None:
        stamps = stamps.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return stamps.cast(pl.Datetime("us")).cast(pl.Int64).fill_null(MISSING_TIME).to_numpy()


def _from_epoch(cells: NDArray[Any], unit_s: float) -> NDArray[np.int64]:
    """Return counts since 1970 as microseconds."""
    absent = ~np.isfinite(cells)
    fine = np.where(absent, 0.0, cells.astype(np.float64)) * (unit_s * 1e6)
    return np.where(absent, MISSING_TIME, fine.astype(np.int64))


def _parsed_times(series: pl.Series, form: str, na: Sequence[str | float]) -> pl.Series:
    """Return the date-times that text cells spell."""
    text = series.cast(pl.String).str.strip_chars()
    marks = [*MISSING_TEXTS, *(mark for mark in na if isinstance(mark, str))]
    text = text.set(text.is_in(marks), None)
    for known in (form, *FORMATS) if form else FORMATS:
        stamps = parse_times(text, known)
        if stamps is not None and stamps.null_count() == text.null_count():
            return stamps
    wrong = text.drop_nulls()
    stamps = parse_times(text, form) if form else None
    if stamps is not None:
        wrong = text.filter(stamps.is_null() & text.is_not_null())
    raise TableError(f"column {series.name!r} must hold date-times, got {wrong[0]!r}")


def parse_times(text: pl.Series, form: str) -> pl.Series | None:
    """Return the date-times that texts spell in a format, null where one does not; nothing where none can."""
    try:
        if "%H" not in form:
            return text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
        stamps = text.str.to_datetime(form, strict=False, time_unit="us")
    except pl.exceptions.PolarsError:
        return None
    if isinstance(stamps.dtype, pl.Datetime) and stamps.dtype.time_zone is not None:
        return stamps.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return stamps
