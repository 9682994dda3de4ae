"""The steps from a table and its settings to a task: the target, the time, the splits, the inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.errors import TableError
from netgraft.tables.cells import InputColumn, text_codes
from netgraft.tables.inputs import Chosen, choose_inputs, target_columns
from netgraft.tables.kinds import Evidence, forced, infer
from netgraft.tables.schema import Rows, Schema, known_targets, time_key
from netgraft.tables.settings import Settings
from netgraft.tables.splits import Split, make_splits
from netgraft.tables.target import (
    Label,
    TaskKind,
    class_indices,
    find_classes,
    infer_target_kind,
    regression_values,
)  # fmt: skip

#: A table with fewer labelled rows is no task.
FEWEST_ROWS = 20


def read_target(
    frame: pl.DataFrame, settings: Settings, fewest_rows: int, notes: list[str]
) -> tuple[TaskKind, tuple[Label, ...], NDArray[Any]]:
    """Return the kind, the classes and the target of all rows.

    Raises:
        TableError: too few rows have a target, or it does not vary.
    """
    series = frame[settings.target]
    kind = infer_target_kind(series, settings.na) if settings.kind == "auto" else settings.kind
    settings.check_kind(kind)
    if kind == "classification":
        classes = find_classes(series, settings.na)
        y: NDArray[Any] = class_indices(series, classes, settings.na)[0]
    else:
        classes, y = (), regression_values(series, settings.na)
    known = known_targets(y)
    n, came = int(known.sum()), f"column {settings.target!r}"
    if n == 0:
        raise TableError(f"the target must have values, got only missing cells in {came}")
    if n < fewest_rows:
        raise TableError(f"at least {fewest_rows} rows with a target are required, got n_samples = {n}")
    if kind == "classification" and len(classes) < 2:
        raise TableError(f"the target must have at least two classes, got one class {classes[0]!r} in {came}")
    if kind == "regression" and fewest_rows == FEWEST_ROWS and np.ptp(y[known]) == 0:
        raise TableError(f"the target must vary, got only {y[known][0]:g} in {came}")
    if settings.target_transform == "log1p" and y[known].min() <= -1:
        raise TableError(f"target transform log1p needs a target above -1, got {y[known].min():g} in {came}")
    if n < len(y):
        notes.append(f"{len(y) - n} of {len(y)} rows have no target and are left out")
    if settings.kind == "auto":
        notes.append(_kind_note(series, kind, classes, y[known]))
    return kind, classes, y


def _kind_note(series: pl.Series, kind: TaskKind, classes: tuple[Label, ...], y: NDArray[Any]) -> str:
    """Return what was inferred of the target."""
    if kind == "classification":
        return f"{series.name}: read as {len(classes)} classes"
    values = len(np.unique(y))
    doubt = "; if these are classes, say kind classification" if values <= 100 and (y == np.round(y)).all() else ""
    return f"{series.name}: read as a quantity with {values} distinct values{doubt}"


def time_column(frame: pl.DataFrame, settings: Settings, is_text_file: bool) -> InputColumn | None:
    """Return how the time column is read.

    Raises:
        TableError: its cells are neither date-times nor numbers.
    """
    if settings.time is None:
        return None
    series = frame[settings.time]
    if settings.time in settings.kinds:
        column: InputColumn | None = forced(series, settings.kinds[settings.time], settings.na)
    else:
        column = infer(series, Evidence(na=settings.na, is_text_file=is_text_file))
    if column is not None and column.kind in ("code", "boolean"):
        column = InputColumn(column.name, "numeric")
    if column is None or column.kind not in ("numeric", "datetime"):
        raise TableError(f"the time column must hold date-times or numbers, got {series.dtype} in {settings.time!r}")
    return column


def split_rows(
    frame: pl.DataFrame, schema: Schema, y: NDArray[Any], kept: NDArray[np.int64], settings: Settings
) -> tuple[Split, ...]:
    """Return the splits of the rows that have a target."""
    groups = None if schema.group is None else text_codes(frame[schema.group])[0][kept]
    time = None if schema.time is None else time_key(frame[schema.time.name], schema.time, settings.na)[kept]
    if settings.lag and groups is None and time is None:
        time = np.arange(len(kept))
    classes = y[kept] if schema.kind == "classification" else None
    return make_splits(len(kept), classes=classes, groups=groups, time=time, seed=settings.seed)


def task_inputs(
    frame: pl.DataFrame,
    schema: Schema,
    y: NDArray[Any],
    rows: NDArray[np.int64],
    settings: Settings,
    *,
    uses_target: bool,
    is_text_file: bool,
    judge: bool,
) -> Chosen:
    """Return the input columns."""
    target = target_columns(y[rows], len(schema.classes)) if uses_target else None
    evidence = Evidence(settings.na, is_text_file, rows, target)
    out = {settings.target, settings.group, settings.weight, *settings.drop}
    if schema.time is not None and schema.time.kind == "numeric":
        out.add(schema.time.name)
    names = [name for name in frame.columns if name not in out]
    groups = None if schema.group is None else text_codes(frame[schema.group])[0]
    return choose_inputs(frame, names, y[rows], rows, evidence, settings.kinds, groups=groups, judge=judge)


def with_inputs(base: Schema, chosen: Chosen) -> Schema:
    """Return the schema with its input columns and what of them is lagged."""
    lagged = [column.name for column in chosen.columns if column.kind in ("numeric", "boolean", "code")]
    lagged += [base.target] if base.kind == "regression" else []
    return Schema(
        chosen.columns, base.target, base.kind, base.classes, base.group, base.time, base.weight, base.drop, base.na,
        base.lag, tuple(lagged) if base.lag else (), base.names,
    )  # fmt: skip


def notes_on_test(test: Rows | None, kind: TaskKind) -> list[str]:
    """Return what the caller should know of the test rows."""
    if test is None or test.y is None or kind == "regression":
        return []
    unseen = int((test.y < 0).sum())
    return (
        [f"{unseen} of {len(test)} test rows have a class that no other row has: they count as wrong"] if unseen else []
    )
