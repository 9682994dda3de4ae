"""The encoding of a table, fitted on training rows.

A numeric feature is centred at the median and divided by the interquartile range / 1.349 (the standard deviation of a
normal distribution); it is clipped to the range of the training rows. Where half of the rows are equal, the scale is
the standard deviation, at least a tenth of the way to the furthest value. Two guards keep one wild value from ruling a
feature. A tail that reaches beyond 30 scales is cut where 0.2 % of the values on that side of the median lie beyond.
If what is left still spans more than 30 scales, the scale is its standard deviation, at least a thirtieth of the way to
the furthest value. Truth values and missing indicators are centred at their mean and divided by their standard
deviation, at least 0.1. So no standardised value is beyond 30.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.runtime.encoding import MISSING_TIME, Column, Encoding, FloatArray, numeric_values
from netgraft.tables.cells import InputColumn
from netgraft.tables.schema import Rows

#: The most frequent categories that get a code of their own.
VOCABULARY = 1_000
_NORMAL_IQR = 1.349
_EXTREME, _TAIL = 30.0, 0.998
_TRUTH_SCALE = 0.1
_DAY_S = 86_400


def fit_encoding(
    rows: Rows, columns: tuple[InputColumn, ...], train: NDArray[np.int64] | None, *, time: str | None = None
) -> tuple[Encoding, tuple[str, ...]]:
    """Return the encoding fitted on training rows, and notes on what was cut.

    Args:
        rows: the raw rows.
        columns: the raw columns to encode, in order.
        train: indices of the training rows; all rows when absent.
        time: the column by which rows are split: its absolute parts could only extrapolate.
    """
    fitted: list[Column] = []
    ranges: list[tuple[float, float, float, float]] = []
    notes: list[str] = []
    patterns: set[bytes] = set()
    for column in columns:
        cells = rows.raw[column.name] if train is None else rows.raw[column.name][train]
        found, note = _fit_column(column, cells, patterns, is_time=column.name == time)
        fitted.append(found)
        notes += [note] if note else []
        ranges += _column_ranges(found, cells)
    stacked = np.array(ranges, np.float32).reshape(-1, 4)
    return Encoding(tuple(fitted), *(np.ascontiguousarray(stacked[:, j]) for j in range(4))), tuple(notes)


def _fit_column(
    column: InputColumn, cells: NDArray[Any], patterns: set[bytes], *, is_time: bool
) -> tuple[Column, str | None]:
    """Return a column with its vocabulary, parts and indicator."""
    fitted = Column(column.name, column.kind, indicator=_wants_indicator(column, cells, patterns))
    if column.kind == "datetime":
        return replace(fitted, parts=datetime_parts(cells, is_time=is_time)), None
    if not fitted.has_code:
        return fitted, None
    words, seen = _vocabulary(column, cells)
    cut = len(seen) - len(words)
    covered = seen[: len(words)].sum() / max(seen.sum(), 1)
    note = (
        f"{column.name}: {cut} of {len(seen)} categories are read as unknown; the {len(words)} that are kept cover "
        f"{covered:.1%} of the training rows"
    )
    return replace(fitted, vocabulary=words), note if cut else None


def _wants_indicator(column: InputColumn, cells: NDArray[Any], patterns: set[bytes]) -> bool:
    """Return whether cells are missing in a pattern that no earlier column's indicator shows already."""
    if column.kind == "categorical":
        return False
    absent = cells == MISSING_TIME if column.kind == "datetime" else np.isnan(cells)
    if not absent.any():
        return False
    pattern = np.packbits(absent).tobytes()
    is_new = pattern not in patterns
    patterns.add(pattern)
    return is_new


def _vocabulary(
    column: InputColumn, cells: NDArray[Any]
) -> tuple[tuple[str, ...] | tuple[float, ...], NDArray[np.int64]]:
    """Return the most frequent categories, and how often each of all occurs, in falling order."""
    import pyarrow as pa

    if column.kind == "code":
        values, counts = np.unique(cells[~np.isnan(cells)], return_counts=True)
    else:
        encoded = pa.array(cells, pa.large_string()).dictionary_encode()
        texts = np.array(encoded.dictionary.to_pylist(), dtype=object)
        tally = np.bincount(encoded.indices.to_numpy(zero_copy_only=False), minlength=len(texts))
        order = np.argsort(texts.astype(str), kind="stable") if len(texts) else np.zeros(0, np.int64)
        order = order[texts[order] != ""] if len(texts) else order
        values, counts = texts[order], tally[order]
    order = np.argsort(-counts, kind="stable")
    kept = values[order[:VOCABULARY]]
    return tuple(kept.tolist()), counts[order]


def datetime_parts(cells: NDArray[np.int64], *, is_time: bool) -> tuple[str, ...]:
    """Return the parts of a date-time that vary enough over the training rows to teach anything.

    The time of day, if it is not always the same; the day of the week, from three days on; the time of the year, from
    60 days on (from a year on for the column that splits the rows: less is absolute time in disguise); and absolute
    seconds, except for the column that splits the rows.
    """
    known = cells[cells != MISSING_TIME]
    if not len(known):
        return ()
    span = int(known.max()) - int(known.min())
    clock = np.mod(known, _DAY_S)
    parts: list[str] = []
    if span > 0 and not is_time:
        parts.append("seconds")
    if clock.max() > clock.min():
        parts += ["hour_sin", "hour_cos"]
    if span >= 3 * _DAY_S:
        parts += ["weekday_sin", "weekday_cos", "weekend"]
    if span >= (365 if is_time else 60) * _DAY_S:
        parts += ["year_sin", "year_cos"]
    return tuple(parts)


def _column_ranges(column: Column, cells: NDArray[Any]) -> list[tuple[float, float, float, float]]:
    """Return center, scale, low and high of each numeric feature of a column."""
    features = numeric_values(column, cells)
    found = []
    for j, feature in enumerate(features):
        is_indicator = column.indicator and j == len(features) - 1
        fit: Callable[[FloatArray], tuple[float, float, float, float]]
        fit = truth_range if column.kind == "boolean" or is_indicator else numeric_range
        found.append(fit(feature[~np.isnan(feature)]))
    return found


def truth_range(values: FloatArray) -> tuple[float, float, float, float]:
    """Return center, scale, low and high of truth values."""
    if not len(values):
        return 0.0, 1.0, 0.0, 1.0
    center = float(values.mean(dtype=np.float64))
    scale = max(float(values.std(dtype=np.float64)), _TRUTH_SCALE)
    return center, scale, float(values.min()), float(values.max())


def numeric_range(values: FloatArray) -> tuple[float, float, float, float]:
    """Return center, scale, low and high of numbers; see the module's text."""
    if not len(values):
        return 0.0, 1.0, 0.0, 0.0
    low, high = float(values.min()), float(values.max())
    below, center, above = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    deviation = float(values.std(dtype=np.float64))
    scale = (above - below) / _NORMAL_IQR
    if not usable(scale):
        scale = max(deviation, max(high - center, center - low) * _TRUTH_SCALE)
    if not usable(scale):
        return center, 1.0, low, high
    if high - center > _EXTREME * scale:
        high = float(np.quantile(values[values > center], _TAIL))
    if center - low > _EXTREME * scale:
        low = float(np.quantile(values[values < center], 1 - _TAIL))
    reach = max(high - center, center - low)
    if reach > _EXTREME * scale:
        scale = max(reach / _EXTREME, float(np.clip(values, low, high).std(dtype=np.float64)))
    return center, scale, low, high


def usable(scale: float) -> bool:
    """Return whether a scale can divide float32 numbers without overflow."""
    return bool(np.isfinite(scale)) and scale > 1e-30
