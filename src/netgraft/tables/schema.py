"""How to read any table of a task: the same columns, the same kinds, the same lags, the same classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.errors import ModelError, TableError
from netgraft.runtime.encoding import KINDS, MISSING_TIME, FloatArray
from netgraft.tables.cells import InputColumn, microseconds, numbers, numbers_f64, raw_cells, text_codes
from netgraft.tables.lags import earlier_rows, lag_name, lagged
from netgraft.tables.source import open_table
from netgraft.tables.target import MISSING_CLASS, Label, TaskKind, class_indices, regression_values, target_marks


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table as raw columns.

    Attributes:
        raw: one array of n cells per input column, lagged ones included, as `netgraft.runtime.encoding` reads them.
        y: float64 [n] for regression, int64 [n] class indices for classification (-1: a label that is no class).
        weights: float32 [n].
        groups: the group of each row as text, objects [n].
    """

    raw: dict[str, NDArray[Any]]
    y: NDArray[Any] | None = None
    weights: FloatArray | None = None
    groups: NDArray[Any] | None = None

    def __len__(self) -> int:
        """Return the number of rows n."""
        return len(next(iter(self.raw.values())))

    def take(self, rows: NDArray[Any] | slice) -> Rows:
        """Return the rows with these indices."""
        return Rows({name: cells[rows] for name, cells in self.raw.items()}, *(
            None if part is None else part[rows] for part in (self.y, self.weights, self.groups)
        ))  # fmt: skip


@dataclass(frozen=True)
class Schema:
    """How the tables of a task are read.

    Attributes:
        columns: the input columns as they are read, without lagged ones.
        target: the target's name.
        kind: what is predicted.
        classes: the classes in order; empty for regression.
        group, weight: names of further columns.
        time: the time column and how it is read; its kind is numeric or datetime.
        drop: columns the caller left out.
        na: marks of missing cells.
        lag: how many earlier rows are inputs.
        lagged: the columns of which earlier rows are inputs; for regression the target is one of them.
        names: all columns of the table in order, for tables that come as arrays without names.
    """

    columns: tuple[InputColumn, ...]
    target: str
    kind: TaskKind
    classes: tuple[Label, ...] = ()
    group: str | None = None
    time: InputColumn | None = None
    weight: str | None = None
    drop: tuple[str, ...] = ()
    na: tuple[str | float, ...] = ()
    lag: int = 0
    lagged: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[InputColumn, ...]:
        """Return the columns of the raw rows in order, lagged ones last."""
        kinds = {column.name: column for column in self.columns}
        target = InputColumn(self.target, "numeric")
        further = [
            InputColumn(lag_name(name, back), kinds.get(name, target).kind)
            for back in range(1, self.lag + 1)
            for name in self.lagged
        ]
        return (*self.columns, *further)

    def read(self, table: Any, *, labelled: bool, strict: bool = True) -> Rows:
        """Return the rows of a further table.

        Args:
            table: what `Task.read` accepts.
            labelled: whether the target is needed; rows without it are then left out. Otherwise all rows come in order.
            strict: whether a label that is no class is an error; otherwise its row has the class -1, which no
                prediction equals.

        Raises:
            TableError: the table is not readable, lacks columns (all are named), holds cells of another type than
                before, or has a label that is no class.
        """
        frame = open_table(table, na=self.na, names=self.names or None)
        self.require(frame, labelled=labelled)
        y = self.target_values(frame, strict=strict) if labelled else None
        rows = self.rows_of(frame, y)
        kept = None if y is None else known_targets(y)
        if kept is None or kept.all():
            return rows
        if not kept.any():
            raise TableError(f"the target {self.target!r} must have at least one value, got {len(kept)} missing ones")
        return rows.take(kept)

    def require(self, frame: pl.DataFrame, *, labelled: bool) -> None:
        """Check that the frame has the columns.

        Raises:
            TableError: columns are missing; all are named.
        """
        needed = [column.name for column in self.columns]
        needed += [self.target] if labelled else []
        needed += [name for name in (self.group, self.time.name if self.time else None) if name and self.lag]
        absent = [name for name in dict.fromkeys(needed) if name not in frame.columns]
        if absent:
            word = "column" if len(absent) == 1 else "columns"
            shown = ", ".join(repr(name) for name in absent)
            raise TableError(f"the table must have the {word} {shown}, which the model was trained on")

    def target_values(self, frame: pl.DataFrame, *, strict: bool) -> NDArray[Any]:
        """Return the target of each row of a frame, as `netgraft.tables.target` stores it."""
        if self.kind == "regression":
            return regression_values(frame[self.target], self.na)
        y, unknown = class_indices(frame[self.target], self.classes, self.na)
        if unknown and strict:
            shown = ", ".join(repr(text) for text in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
            known = ", ".join(repr(label) for label in self.classes[:10]) + (", ..." if len(self.classes) > 10 else "")
            raise TableError(f"the target {self.target!r} must be one of the classes {known}, got {shown}")
        return y

    def rows_of(
        self, frame: pl.DataFrame, y: NDArray[Any] | None, known: Mapping[str, NDArray[Any]] | None = None
    ) -> Rows:
        """Return all rows of a frame that has the columns, of which some may be read already."""
        known = known or {}
        raw = {
            column.name: known[column.name] if column.name in known else raw_cells(frame[column.name], column, self.na)
            for column in self.columns
        }
        raw |= self._lags(frame, raw)
        return Rows(raw, y, self.weights_of(frame), self.group_texts(frame))

    def _lags(self, frame: pl.DataFrame, raw: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the lagged columns; the target's are missing where the frame has no target."""
        if not self.lag:
            return {}
        groups = text_codes(frame[self.group])[0] if self.group else None
        time = time_key(frame[self.time.name], self.time, self.na) if self.time else None
        sources = earlier_rows(self.lag, n=frame.height, groups=groups, time=time)
        cells = dict(raw)
        if self.target in self.lagged and self.target in frame.columns:
            cells[self.target] = numbers(frame[self.target], target_marks(self.na))
        empty = np.full(frame.height, np.nan, np.float32)
        return {
            lag_name(name, back): lagged(cells[name], source) if name in cells else empty
            for back, source in enumerate(sources, start=1)
            for name in self.lagged
        }

    def weights_of(self, frame: pl.DataFrame) -> FloatArray | None:
        """Return the rows' weights, where the table has them.

        Raises:
            TableError: a weight is missing or negative, or all are 0.
        """
        if self.weight is None or self.weight not in frame.columns:
            return None
        return check_weights(numbers(frame[self.weight]), f"column {self.weight!r}")

    def group_texts(self, frame: pl.DataFrame) -> NDArray[Any] | None:
        """Return the group of each row as text, where the table has it."""
        if self.group is None or self.group not in frame.columns:
            return None
        codes, labels = text_codes(frame[self.group])
        return labels[codes]

    def to_json(self) -> dict[str, Any]:
        """Return the schema as JSON values."""
        return {
            "columns": [_column_json(column) for column in self.columns],
            "target": self.target,
            "kind": self.kind,
            "classes": list(self.classes),
            "group": self.group,
            "time": _column_json(self.time) if self.time else None,
            "weight": self.weight,
            "drop": list(self.drop),
            "na": list(self.na),
            "lag": self.lag,
            "lagged": list(self.lagged),
            "names": list(self.names),
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Schema:
        """Return the schema stored by `to_json`.

        Raises:
            ModelError: an entry is missing or not valid.
        """
        try:
            if value["kind"] not in ("regression", "classification"):
                raise ModelError(f"a task's kind must be regression or classification, got {value['kind']!r}")
            return Schema(
                columns=tuple(_column(entry) for entry in value["columns"]),
                target=str(value["target"]),
                kind=cast("TaskKind", value["kind"]),
                classes=tuple(value["classes"]),
                group=value["group"],
                time=_column(value["time"]) if value["time"] else None,
                weight=value["weight"],
                drop=tuple(value["drop"]),
                na=tuple(value["na"]),
                lag=int(value["lag"]),
                lagged=tuple(value["lagged"]),
                names=tuple(value["names"]),
            )
        except (KeyError, TypeError) as error:
            raise ModelError(f"a schema must have the entries of its format, got {error}") from error


def _column_json(column: InputColumn) -> dict[str, str]:
    """Return a column as JSON values."""
    return {"name": column.name, "kind": column.kind, "form": column.form}


def _column(entry: dict[str, str]) -> InputColumn:
    """Return the column stored by `_column_json`."""
    if entry["kind"] not in KINDS:
        raise ModelError(f"a column's kind must be one of {', '.join(KINDS)}, got {entry['kind']!r}")
    return InputColumn(entry["name"], entry["kind"], entry["form"])


def known_targets(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows have a target; bool [n]."""
    return ~np.isnan(y) if y.dtype.kind == "f" else y != MISSING_CLASS


def check_weights(weights: FloatArray, came: str) -> FloatArray:
    """Return the weights.

    Raises:
        TableError: a weight is missing, infinite or negative, or all are 0.
    """
    for wrong, what in ((np.isnan(weights), "missing"), (np.isinf(weights), "infinite"), (weights < 0, "negative")):
        if wrong.any():
            raise TableError(f"row weights must be numbers of at least 0, got {int(wrong.sum())} {what} in {came}")
    if not weights.any():
        raise TableError(f"row weights must not all be 0, got {len(weights)} zeros in {came}")
    return weights


def time_key(series: pl.Series, column: InputColumn, na: tuple[str | float, ...] = ()) -> NDArray[Any]:
    """Return sortable times [n]: microseconds, or the numbers of a numeric column.

    Raises:
        TableError: a time is missing.
    """
    if column.kind == "datetime":
        key: NDArray[Any] = microseconds(series, column.form, na)
        absent = int((key == MISSING_TIME).sum())
    else:
        key = numbers_f64(series, na)
        absent = int(np.isnan(key).sum())
    if absent:
        raise TableError(f"every row must have a time, got {absent} missing in column {series.name!r}")
    return key
