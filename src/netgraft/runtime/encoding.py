"""How raw columns become the numbers a model reads, frozen at training time.

A raw column is one NumPy array per name: ``float32`` with NaN for a missing number, boolean or code; ``str`` (dtype
object or U) with ``""`` for a missing category; ``int64`` seconds since 1970 (UTC) with `MISSING_TIME` for a missing
date-time. The same three types are the inputs of an exported ONNX graph, so all ways to run a model agree.

An encoded row has d standardised numeric features and q category codes. Numeric features are clipped to the range of
the training rows before they are standardised, because networks extrapolate where trees stay flat. Code 0 is the
unknown slot: a category never seen in training, or a missing one, is never mixed up with a known one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import ModelError, TableError

Kind = Literal["numeric", "boolean", "code", "categorical", "datetime"]
KINDS: tuple[Kind, ...] = ("numeric", "boolean", "code", "categorical", "datetime")
MISSING_TIME = np.iinfo(np.int64).min
FloatArray = NDArray[np.float32]

_DAY_S = 86_400
_YEAR_S = 31_556_952  # mean of the Gregorian calendar
#: Parts of a date-time, each a function of whole seconds since 1970 in UTC: (period in seconds, offset in seconds).
#: 1970-01-01 was a Thursday, so weeks are counted from the Monday three days earlier.
DATETIME_PARTS = ("seconds", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "weekend", "year_sin", "year_cos")


@dataclass(frozen=True)
class Column:
    """One raw input column and how it is read.

    Attributes:
        name: the column's name in the table.
        kind: ``numeric``; ``boolean`` (0 or 1); ``code`` (a number that also names something: read as a number and as
            a category); ``categorical``; ``datetime``.
        vocabulary: known categories in the order of their codes 1, 2, ...; text for ``categorical``, float32 values
            for ``code``, empty otherwise.
        parts: the parts of a ``datetime`` that are features, from `DATETIME_PARTS`.
        indicator: whether "is missing" is a feature of its own.
    """

    name: str
    kind: Kind
    vocabulary: tuple[str, ...] | tuple[float, ...] = ()
    parts: tuple[str, ...] = ()
    indicator: bool = False

    @cached_property
    def codes(self) -> dict[str | float, int]:
        """Return the code of each known category, the first where one is named twice."""
        words = np.asarray(self.vocabulary, np.float32).tolist() if self.kind == "code" else self.vocabulary
        return {word: code for code, word in reversed(list(enumerate(words, start=1)))}

    @property
    def numeric_features(self) -> tuple[str, ...]:
        """Return the names of the numeric features this column becomes."""
        if self.kind == "categorical":
            return ()
        values = tuple(f"{self.name}:{part}" for part in self.parts) if self.kind == "datetime" else (self.name,)
        return (*values, f"{self.name}:missing") if self.indicator else values

    @property
    def has_code(self) -> bool:
        """Return whether this column becomes a category code."""
        return self.kind in ("categorical", "code")


@dataclass(frozen=True)
class Inputs:
    """Encoded rows.

    Attributes:
        numeric: float32 [n, d], clipped and standardised; 0 where missing.
        codes: int64 [n, q], 0 for unknown or missing.
    """

    numeric: FloatArray
    codes: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows n."""
        return len(self.numeric)

    def take(self, rows: NDArray[Any] | slice) -> Inputs:
        """Return the rows with these indices."""
        return Inputs(self.numeric[rows], self.codes[rows])

    def joined(self, others: Inputs) -> Inputs:
        """Return these rows and others after them."""
        return Inputs(np.concatenate([self.numeric, others.numeric]), np.concatenate([self.codes, others.codes]))


@dataclass(frozen=True)
class Encoding:
    """The frozen encoding of a table's input columns.

    Attributes:
        columns: the raw columns in order.
        center, scale, low, high: float32 [d], one entry per numeric feature; ``(clip(x, low, high) - center) / scale``.
    """

    columns: tuple[Column, ...]
    center: FloatArray
    scale: FloatArray
    low: FloatArray
    high: FloatArray
    _features: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that the arrays fit the columns.

        Raises:
            ModelError: an array has another length than the columns require.
        """
        names = tuple(name for column in self.columns for name in column.numeric_features)
        object.__setattr__(self, "_features", names)
        for key in ("center", "scale", "low", "high"):
            shape = getattr(self, key).shape
            if shape != (len(names),):
                raise ModelError(f"encoding array {key!r} must have shape ({len(names)},), got {shape}")

    @property
    def numeric_features(self) -> tuple[str, ...]:
        """Return the names of the d numeric features."""
        return self._features

    @property
    def code_columns(self) -> tuple[Column, ...]:
        """Return the q columns that become category codes."""
        return tuple(column for column in self.columns if column.has_code)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Return for each code column the number of slots, the unknown slot included."""
        return tuple(len(column.vocabulary) + 1 for column in self.code_columns)

    def apply(self, raw: Mapping[str, NDArray[Any]]) -> Inputs:
        """Return the encoded rows of raw columns.

        Args:
            raw: one array of n values per column name (types: see the module's text); others are ignored.

        Raises:
            TableError: a column is missing.
        """
        values: list[FloatArray] = []
        codes: list[NDArray[np.int64]] = []
        n = 0
        for column in self.columns:
            if column.name not in raw:
                raise TableError(f"the table must have the column {column.name!r}, which the model was trained on")
            cells = raw[column.name]
            n = len(cells)
            values.extend(numeric_values(column, cells))
            if column.has_code:
                codes.append(category_codes(column, cells))
        numeric = np.stack(values, axis=1) if values else np.zeros((n, 0), np.float32)
        missing = np.isnan(numeric)
        np.clip(numeric, self.low, self.high, out=numeric)
        numeric -= self.center
        numeric /= self.scale
        numeric[missing] = 0
        stacked = np.stack(codes, axis=1) if codes else np.zeros((n, 0), np.int64)
        return Inputs(numeric, stacked)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the columns as JSON values; the arrays are stored apart."""
        return [
            {
                "name": c.name,
                "kind": c.kind,
                "vocabulary": list(c.vocabulary),
                "parts": list(c.parts),
                "indicator": c.indicator,
            }
            for c in self.columns
        ]

    def arrays(self) -> dict[str, FloatArray]:
        """Return the arrays by name, as they are stored."""
        return {"center": self.center, "scale": self.scale, "low": self.low, "high": self.high}

    @staticmethod
    def from_json(columns: list[dict[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> Encoding:
        """Return the encoding stored by `to_json` and `arrays`.

        Raises:
            ModelError: a column has an unknown kind, or an array is missing or of another length.
        """
        parsed = []
        for entry in columns:
            if entry.get("kind") not in KINDS:
                raise ModelError(f"a column's kind must be one of {', '.join(KINDS)}, got {entry.get('kind')!r}")
            parsed.append(
                Column(
                    name=str(entry["name"]),
                    kind=cast("Kind", entry["kind"]),
                    vocabulary=tuple(entry["vocabulary"]),
                    parts=tuple(entry["parts"]),
                    indicator=bool(entry["indicator"]),
                )
            )
        try:
            kept = [np.asarray(arrays[key], np.float32) for key in ("center", "scale", "low", "high")]
        except KeyError as error:
            raise ModelError(f"an encoding must have the array {error.args[0]!r}") from error
        return Encoding(tuple(parsed), *kept)


def numeric_values(column: Column, cells: NDArray[Any]) -> list[FloatArray]:
    """Return the numeric features of one raw column before clipping, NaN where missing; each float32 [n]."""
    if column.kind == "categorical":
        return []
    if column.kind == "datetime":
        seconds = np.asarray(cells, np.int64)
        absent = seconds == MISSING_TIME
        values = [np.where(absent, np.float32(np.nan), datetime_part(seconds, part)) for part in column.parts]
    else:
        values = [np.asarray(cells, np.float32)]
    if column.indicator:
        values.append((absent if column.kind == "datetime" else np.isnan(values[0])).astype(np.float32))
    return values


def datetime_part(seconds: NDArray[np.int64], part: str) -> FloatArray:
    """Return one part of date-times given as whole seconds since 1970 (UTC); float32 [n].

    Raises:
        ModelError: the part is unknown.
    """
    if part == "seconds":
        return seconds.astype(np.float32)
    day = np.floor_divide(seconds, _DAY_S)
    if part == "weekend":
        return (np.mod(day + 3, 7) >= 5).astype(np.float32)
    base, _, wave = part.partition("_")
    if base not in ("hour", "weekday", "year") or wave not in ("sin", "cos"):
        raise ModelError(f"a date-time part must be one of {', '.join(DATETIME_PARTS)}, got {part!r}")
    if base == "weekday":
        phase = np.mod(day + 3, 7) / 7
    else:
        period = _DAY_S if base == "hour" else _YEAR_S
        phase = np.mod(seconds, period) / period
    angle = (2 * np.pi * phase).astype(np.float32)
    return np.sin(angle) if wave == "sin" else np.cos(angle)


def category_codes(column: Column, cells: NDArray[Any]) -> NDArray[np.int64]:
    """Return the codes of one raw column, 0 where unknown or missing; int64 [n]."""
    looked = np.asarray(cells, np.float32 if column.kind == "code" else None).tolist()
    known = column.codes
    return np.fromiter((known.get(cell, 0) for cell in looked), np.int64, len(looked))
