"""A table and what is to be learnt from it, as values: rows, kinds, splits, encoding and everything left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from netgraft.errors import TableError
from netgraft.runtime.encoding import Encoding, Kind
from netgraft.tables.dropping import Dropped
from netgraft.tables.fingerprint import fingerprint
from netgraft.tables.fitting import fit_encoding
from netgraft.tables.metrics import find_metric
from netgraft.tables.schema import Rows, Schema, known_targets
from netgraft.tables.settings import Settings, TargetTransform, as_tuple
from netgraft.tables.source import column_of, is_text_file, open_table
from netgraft.tables.splits import Split
from netgraft.tables.steps import (
    FEWEST_ROWS,
    notes_on_test,
    read_target,
    split_rows,
    task_inputs,
    time_column,
    with_inputs,
)  # fmt: skip
from netgraft.tables.target import Label, TaskKind, is_heavy_tailed


@dataclass(frozen=True, eq=False)
class Task:
    """A table and what is to be learnt from it.

    Attributes:
        kind: regression or classification.
        target: the target's name.
        metric: the name of the metric that error is made of.
        schema: how further tables are read.
        rows: all labelled rows that are not test rows.
        classes: the classes in order; empty for regression.
        splits: which rows train and which validate: one split from 5,000 rows on, several below.
        test: the rows of the test table; a label that training never saw has the class -1 there.
        encoding: fitted on the training rows of the only split; where there are several splits, on all rows, but then
            on statistics that do not look at the target.
        heavy_tailed: whether log1p of the target is worth trying.
        target_transform: what the caller asked for.
        dropped: columns that are no inputs, and why.
        notes: what else the caller should know, in words.
        fingerprint: SHA-256 of the content and the settings; equal for the same task only.
        seed: the seed of the splits.
        path: the table's file, or None for a frame or arrays.
    """

    kind: TaskKind
    target: str
    metric: str
    schema: Schema
    rows: Rows
    classes: tuple[Label, ...]
    splits: tuple[Split, ...]
    test: Rows | None
    encoding: Encoding
    heavy_tailed: bool
    target_transform: TargetTransform
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]
    fingerprint: str
    seed: int
    path: str | None = None

    @staticmethod
    def read(
        table: Any,
        *,
        target: str,
        test: Any = None,
        kind: Literal["auto", "regression", "classification"] = "auto",
        drop: Iterable[str] = (),
        group: str | None = None,
        time: str | None = None,
        weight: str | None = None,
        metric: str | None = None,
        target_transform: TargetTransform = "auto",
        lag: int = 0,
        na: str | float | Iterable[str | float] = (),
        kinds: Mapping[str, Kind] | None = None,
        seed: int = 0,
    ) -> Task:
        """Return the task of a table.

        Args:
            table: a CSV, TSV, Parquet, Arrow or Feather file, or a pandas, polars or pyarrow frame.
            target: the column to predict.
            test: a further labelled table, looked at only to report on it.
            kind: what to predict; "auto" looks at the target (`netgraft.tables.target.infer_target_kind`).
            drop: columns to leave out.
            group: rows of one group are never on both sides of a split; the column is no input. Rows without one are a
                group of their own.
            time: validation rows come after training rows. A date-time column stays an input, as time of day and day
                of the week but not as absolute time, which could only extrapolate; a column of numbers is no input.
            weight: how often each row counts; the column is no input.
            metric: what error is made of (`netgraft.tables.METRICS`); r2 or accuracy when absent.
            target_transform: whether log1p of the target is learnt; "auto" leaves it to what validation rows show.
            lag: how many earlier rows of the same group become inputs, of every numeric, boolean and code column and,
                for regression, of the target: in the order of ``time`` if given, else of the table. Without ``group``
                and ``time``, validation rows are then the last ones.
            na: marks of missing cells: texts for text cells, numbers for numeric cells, texts that spell a number for
                both. A target cell is missing only by a mark that is no number.
            kinds: kinds of columns, instead of inferring them; such a column is not dropped as a row identifier.
            seed: what the draws of the splits depend on.

        Raises:
            SettingError: a setting is unknown or out of range.
            TableError: the table cannot be used; the text says why.
        """
        settings = Settings(
            target=target, kind=kind, drop=as_tuple(drop), group=group, time=time, weight=weight, metric=metric,
            target_transform=target_transform, lag=lag, na=as_tuple(na), kinds=dict(kinds or {}), seed=seed,
        )  # fmt: skip
        frame = open_table(table, na=settings.na)
        settings.check_columns(frame.columns)
        path = str(Path(table).resolve()) if isinstance(table, str | os.PathLike) else None
        return replace(_build(frame, settings, test=test, is_text_file=is_text_file(table)), path=path)

    @staticmethod
    def from_arrays(
        X: Any,
        y: Any,
        *,
        kind: TaskKind,
        groups: Any = None,
        sample_weight: Any = None,
        names: Sequence[str] | None = None,
        categorical: Iterable[str | int] = (),
        metric: str | None = None,
        target_transform: TargetTransform = "auto",
        seed: int = 0,
    ) -> Task:
        """Return the task of a matrix of features and a target, as scikit-learn's estimators take them.

        The caller has chosen the columns: only constant ones are dropped, and never all. Columns of a numeric array
        are numeric; those of frames are inferred as `read` does.

        Args:
            X: array [n, d] or frame; n may be as small as 2.
            y: the target, [n].
            kind: what to predict.
            groups: the group of each row, [n].
            sample_weight: how often each row counts, [n].
            names: the d names of an array's columns; ``x0``, ``x1``, ... when absent.
            categorical: names or positions of columns that are categories.
            metric: as in `read`.
            target_transform: as in `read`.
            seed: as in `read`.

        Raises:
            SettingError: a setting is unknown or out of range.
            TableError: the arrays cannot be used; the text says why.
        """
        frame = open_table(X, names=names)
        target, group, weight = _free_names(frame.columns, ("target", "group", "weight"))
        is_numeric = isinstance(X, np.ndarray) and X.dtype.kind in "iufb"
        kinds: dict[str, Kind] = dict.fromkeys(frame.columns if is_numeric else (), "numeric")
        kinds |= {frame.columns[c] if isinstance(c, int) else c: "categorical" for c in categorical}
        further = {target: y, group: groups, weight: sample_weight}
        added = [_aligned(name, values, frame.height) for name, values in further.items() if values is not None]
        settings = Settings(
            target=target, kind=kind, metric=metric, target_transform=target_transform, kinds=kinds, seed=seed,
            group=group if groups is not None else None, weight=weight if sample_weight is not None else None,
        )  # fmt: skip
        settings.check_columns([*frame.columns, *(series.name for series in added)])
        return _build(frame.with_columns(added), settings, fewest_rows=2, judge=False, names=tuple(frame.columns))


def _free_names(taken: Sequence[str], wanted: tuple[str, ...]) -> list[str]:
    """Return the wanted names, with underscores where they are taken."""
    free = []
    for name in wanted:
        while name in taken:
            name += "_"  # noqa: PLW2901
        free.append(name)
    return free


def _aligned(name: str, values: Any, n: int) -> pl.Series:
    """Return an array of n values as a column."""
    flat = values.ravel() if isinstance(values, np.ndarray) else values
    if isinstance(flat, pl.DataFrame) or getattr(flat, "ndim", 1) == 2:
        flat = open_table(flat).to_series()
    series = column_of(name, flat)
    if len(series) != n:
        raise TableError(f"{name} must have one value for each of the {n} rows, got {len(series)}")
    return series


def _build(
    frame: pl.DataFrame,
    settings: Settings,
    *,
    test: Any = None,
    is_text_file: bool = False,
    fewest_rows: int = FEWEST_ROWS,
    judge: bool = True,
    names: tuple[str, ...] = (),
) -> Task:
    """Return the task of a frame that has the columns the settings name; see `Task`."""
    notes: list[str] = []
    kind, classes, y = read_target(frame, settings, fewest_rows, notes)
    kept = np.flatnonzero(known_targets(y))
    base = Schema(
        (), settings.target, kind, classes, settings.group, time_column(frame, settings, is_text_file),
        settings.weight, settings.drop, settings.na, settings.lag, (), names or tuple(frame.columns),
    )  # fmt: skip
    splits = split_rows(frame, base, y, kept, settings)
    train = splits[0].train if len(splits) == 1 else None
    chosen = task_inputs(frame, base, y, kept if train is None else kept[train], settings,
                     uses_target=train is not None, is_text_file=is_text_file, judge=judge)  # fmt: skip
    schema = with_inputs(base, chosen)
    rows = schema.rows_of(frame, y, chosen.raw)
    rows = rows if len(kept) == len(rows) else rows.take(kept)
    encoding, cut = fit_encoding(rows, schema.inputs, train, time=settings.time)
    test_rows = None if test is None else schema.read(test, labelled=True, strict=False)
    notes += [*chosen.notes, *cut, *notes_on_test(test_rows, kind)]
    values = rows.y if rows.y is not None else y
    return Task(
        kind=kind,
        target=settings.target,
        metric=find_metric(settings.metric, kind).name,
        schema=schema,
        rows=rows,
        classes=classes,
        splits=splits,
        test=test_rows,
        encoding=encoding,
        heavy_tailed=kind == "regression" and is_heavy_tailed(values if train is None else values[train]),
        target_transform=settings.target_transform,
        dropped=chosen.dropped,
        notes=tuple(notes),
        fingerprint=fingerprint(schema, settings, rows, test_rows),
        seed=settings.seed,
    )
