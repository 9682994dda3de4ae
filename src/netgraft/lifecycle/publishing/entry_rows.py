"""The rows of a library's entry as a task again: publishing measures every cut on rows that did not train it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from netgraft.errors import LibraryError, SettingError, TableError
from netgraft.library import Entry, Library
from netgraft.lifecycle.origin import ORIGIN
from netgraft.runtime import Model
from netgraft.tables import Schema, Task
from netgraft.transfer.source import KeptRows, Source


def entry_task(library: Library, entry: Entry, source: Source, table: Path | None = None) -> Task:
    """Return the task that an entry was searched for.

    Its rows are those of a table that is given, of the table that was searched if that is still there, or those that
    the entry kept.

    Args:
        library: that has the entry.
        entry: an earlier search.
        source: the entry as a source.
        table: rows of the same kind, or None.

    Raises:
        TableError: there are no rows, or a table lacks columns or has other classes.
        LibraryError: the entry does not tell what was searched.
    """
    origin = _origin(library, entry)
    schema = Schema.from_json(dict(source.model.about)["schema"])
    searched = Path(origin["table"]) if origin.get("table") else None
    if table is None and searched is not None and searched.is_file():
        table = searched
    if table is None and source.rows is None:
        told = f"{searched} is gone" if searched else "it was searched as a frame"
        raise TableError(
            f"rows are required to measure what is published, got none: {told}; give the table by --table, or add the "
            "entry with --keep-rows N"
        )
    task = (
        _read(table, schema, source.model, int(origin["seed"])) if table else _kept(schema, source, int(origin["seed"]))
    )
    known = source.model.output.classes
    if tuple(task.classes) != tuple(known):
        raise TableError(f"rows of the classes {_shown(known)} are required, got {_shown(task.classes)}")
    return task


def _origin(library: Library, entry: Entry) -> dict[str, Any]:
    try:
        found = json.loads(library.read(entry, ORIGIN))
        return {"table": found["table"], "seed": found["seed"]}
    except (SettingError, KeyError, ValueError) as error:
        raise LibraryError(f"the entry {entry.name!r} must tell what was searched, got no readable {ORIGIN}") from error


def _read(table: Path, schema: Schema, model: Model, seed: int) -> Task:
    """Return the task of a table that is read as the schema says."""
    return Task.read(
        table,
        target=schema.target,
        kind=schema.kind,
        drop=schema.drop,
        group=schema.group,
        time=None if schema.time is None else schema.time.name,
        weight=schema.weight,
        metric=str(model.about["metric"]),
        lag=schema.lag,
        na=schema.na,
        kinds={column.name: column.kind for column in schema.columns},
        seed=seed,
    )


def _kept(schema: Schema, source: Source, seed: int) -> Task:
    """Return the task of the rows that an entry kept; lagged columns are columns like others there."""
    assert source.rows is not None
    return Task.read(
        _frame(schema, source.rows),
        target=schema.target,
        kind=schema.kind,
        metric=str(source.model.about["metric"]),
        kinds={column.name: column.kind for column in schema.inputs if column.name in source.rows.raw},
        seed=seed,
    )


def _frame(schema: Schema, rows: KeptRows) -> pl.DataFrame:
    """Return kept rows as a frame."""
    kinds = {column.name: column.kind for column in schema.inputs}
    columns = []
    for name, cells in rows.raw.items():
        series = pl.Series(name, cells.tolist() if cells.dtype == object else cells)
        columns.append(pl.from_epoch(series, "s") if kinds.get(name) == "datetime" else series)
    target = rows.y.tolist() if rows.y.dtype == object else np.asarray(rows.y)
    return pl.DataFrame(columns).with_columns(pl.Series(schema.target, target))


def _shown(classes: tuple[Any, ...]) -> str:
    """Return the first classes as text."""
    return ", ".join(map(repr, classes[:8])) + (", ..." if len(classes) > 8 else "") or "none"
