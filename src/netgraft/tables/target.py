"""What is to be predicted: its kind, its classes, and its values.

A regression target is float64, NaN where missing. A class is its index among the sorted classes, `MISSING_CLASS` where
missing and `UNSEEN_CLASS` for a label that is not among them. Labels keep their type (text, truth value, whole number,
number) and are recognised by their text, so that 1, 1.0 and "1" are the same class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.errors import TableError
from netgraft.tables.cells import as_text, number_text, numbers_f64, text_codes
from netgraft.tables.source import as_number

TaskKind = Literal["regression", "classification"]
Label = str | bool | int | float
UNSEEN_CLASS, MISSING_CLASS = -1, -2
#: Whole numbers are classes when there are so few distinct ones, each this often on average, without wide gaps.
_MOST_CLASSES, _ROWS_PER_CLASS, _WIDEST = 20, 5, 2
#: A target is heavy-tailed from this skewness on (an exponential distribution has 2).
_SKEWED = 2.0


def target_marks(na: Sequence[str | float]) -> tuple[str, ...]:
    """Return the marks of missing cells that hold for a target: texts that spell no number.

    A number may mark a missing input and yet be a value or class of the target.
    """
    return tuple(mark for mark in na if isinstance(mark, str) and as_number(mark) is None)


def infer_target_kind(series: pl.Series, na: Sequence[str | float] = ()) -> TaskKind:
    """Return the kind of task a target asks for.

    Text and truth values are classes. Whole numbers are classes when at most 20 distinct ones come at least five times
    each on average and fill at least half of their range (0, 1, 2 or 1, ..., 7, but not 0, 10, ..., 100). All other
    numbers are a quantity.

    Raises:
        TableError: the target is of a type that is neither.
    """
    dtype = series.dtype
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean):
        return "classification"
    if not (dtype.is_numeric() or dtype.is_decimal() or dtype in (pl.Null, pl.Duration)):
        raise TableError(f"the target must hold numbers or labels, got {dtype} in column {series.name!r}")
    known = numbers_f64(series, target_marks(na))
    known = known[np.isfinite(known)]
    values = np.unique(known)
    if len(values) == 0 or len(values) > _MOST_CLASSES or (values != np.round(values)).any():
        return "regression"
    dense = values[-1] - values[0] + 1 <= _WIDEST * len(values)
    return "classification" if dense and len(known) >= _ROWS_PER_CLASS * len(values) else "regression"


def regression_values(series: pl.Series, na: Sequence[str | float] = ()) -> NDArray[np.float64]:
    """Return the target of each row, NaN where missing; float64 [n].

    Raises:
        TableError: a cell is infinite or no number.
    """
    values = numbers_f64(series, target_marks(na)).astype(np.float64)
    _check_finite(values, series.name)
    return values


def _check_finite(values: NDArray[Any], name: str) -> None:
    """Check that no value of the target is infinite."""
    infinite = int(np.isinf(values).sum())
    if infinite:
        word = "values" if infinite > 1 else "value"
        raise TableError(f"the target must be finite, got {infinite} infinite {word} in column {name!r}")


def find_classes(series: pl.Series, na: Sequence[str | float] = ()) -> tuple[Label, ...]:
    """Return the classes in order: numbers by value, text by code point, false before true.

    Raises:
        TableError: a number is infinite.
    """
    marks = target_marks(na)
    known = series.unique().drop_nulls()
    if known.dtype.is_float():
        known = known.drop_nans()
        _check_finite(series.fill_null(0.0).to_numpy(), series.name)
    if known.dtype == pl.Boolean or known.dtype.is_integer() or known.dtype.is_float():
        return tuple(known.sort().to_list())
    texts = set(as_text(known).to_list())
    return tuple(sorted(texts - {"", *marks}))


def class_indices(
    series: pl.Series, classes: Sequence[Label], na: Sequence[str | float] = ()
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the class of each row and the labels that are none.

    Returns:
        int64 [n] (see the module's text), and the texts of the labels that are not among the classes.
    """
    codes, labels = text_codes(series, target_marks(na))
    index = {label_text(label): i for i, label in enumerate(classes)}
    lookup = np.array([index.get(text, UNSEEN_CLASS) for text in labels], np.int64)
    lookup[0] = MISSING_CLASS
    unknown = [str(labels[code]) for code in np.unique(codes[lookup[codes] == UNSEEN_CLASS])]
    return lookup[codes], unknown


def label_text(label: Label) -> str:
    """Return the text by which a label is recognised."""
    return label if isinstance(label, str) else number_text(label)


def is_heavy_tailed(y: NDArray[np.float64]) -> bool:
    """Return whether log1p is worth trying: nothing negative, skewness above 2, and log1p at least halves it."""
    if len(y) < 3 or y.min() < 0:
        return False
    plain, logged = _skewness(y), _skewness(np.log1p(y))
    return plain > _SKEWED and abs(logged) < plain / 2


def _skewness(y: NDArray[np.float64]) -> float:
    """Return the third standardised moment, 0 where all are equal."""
    centred = y - y.mean()
    deviation = float(np.sqrt((centred**2).mean()))
    return float((centred**3).mean()) / deviation**3 if deviation > 0 else 0.0


def as_label(value: Any) -> Label:
    """Return a label as a Python value that JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value
