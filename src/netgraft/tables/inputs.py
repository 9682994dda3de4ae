"""Which columns of a table are inputs, and how each is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.errors import TableError
from netgraft.runtime.encoding import Kind
from netgraft.tables.cells import InputColumn, raw_cells
from netgraft.tables.dropping import Dropped, fixes_class, known_codes, names_group, reason_to_drop
from netgraft.tables.kinds import Evidence, forced, infer

#: Classes that inference tells apart.
_CLASSES = 8


@dataclass(frozen=True, eq=False)
class Chosen:
    """The input columns of a table.

    Attributes:
        columns: the input columns in the order of the table.
        raw: their cells, all rows.
        dropped: the columns that are no inputs, and why.
        notes: what else the caller should know.
    """

    columns: tuple[InputColumn, ...]
    raw: dict[str, NDArray[Any]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]


def choose_inputs(
    frame: pl.DataFrame,
    names: list[str],
    y: NDArray[Any],
    rows: NDArray[np.int64],
    evidence: Evidence,
    kinds: Mapping[str, Kind],
    *,
    groups: NDArray[np.int64] | None = None,
    judge: bool = True,
) -> Chosen:
    """Return the inputs among the named columns.

    Args:
        frame: all rows of the table.
        names: the candidates.
        y: the target of ``rows``.
        rows: the rows whose statistics may be looked at: training rows, int64 [r].
        evidence: what inference may look at.
        kinds: kinds the caller set.
        groups: the group of each row of the table, int64 [n].
        judge: whether row identifiers and copies of the target are dropped; otherwise only constant columns are, and
            never all.

    Raises:
        TableError: a cell cannot be read, or no column is left.
    """
    columns: list[InputColumn] = []
    raw: dict[str, NDArray[Any]] = {}
    dropped: list[Dropped] = []
    notes: list[str] = []
    for name in names:
        series = frame[name]
        column = forced(series, kinds[name], evidence.na) if name in kinds else infer(series, evidence)
        if column is None:
            dropped.append(Dropped(name, f"{_type_name(series.dtype)} values cannot be an input"))
            continue
        cells = raw_cells(series, column, evidence.na)
        seen = series if len(rows) == len(series) else series.gather(rows)
        reason = None
        if groups is not None and judge and name not in kinds and column.kind == "categorical":
            reason = names_group(known_codes(series, column, evidence.na), groups)
        reason = reason or reason_to_drop(seen, column, y, na=evidence.na, is_chosen=name in kinds or not judge)
        if reason is not None and (judge or reason in ("constant", "all cells are missing")):
            dropped.append(Dropped(name, reason))
            continue
        columns.append(column)
        raw[name] = cells
        if judge and column.kind != "numeric" and fixes_class(known_codes(seen, column, evidence.na), y):
            notes.append(
                f"{name}: each of its values comes with one class only; drop it if it is another form of the target"
            )
    if not columns and not judge and names:
        return _keep_one(frame, names, evidence, dropped)
    if not columns:
        told = "; ".join(f"{d.name}: {d.reason}" for d in dropped[:20]) or "there is no other column"
        raise TableError(f"at least one column that varies is required as an input, got none ({told})")
    return Chosen(tuple(columns), raw, tuple(dropped), tuple(notes))


def _keep_one(frame: pl.DataFrame, names: list[str], evidence: Evidence, dropped: list[Dropped]) -> Chosen:
    """Return the first readable column although it is constant: a task needs an input."""
    for name in names:
        column = infer(frame[name], evidence)
        if column is not None:
            kept = tuple(d for d in dropped if d.name != name)
            return Chosen((column,), {name: raw_cells(frame[name], column, evidence.na)}, kept, ())
    raise TableError(f"at least one column of numbers, labels or date-times is required, got {frame[names[0]].dtype}")


def _type_name(dtype: pl.DataType) -> str:
    """Return the plain name of a type that cannot be an input."""
    return "nested" if dtype.is_nested() else str(dtype).split("(")[0].lower()


def target_columns(y: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Return the target as centred columns for `netgraft.tables.kinds.roughness`: its ranks, or its largest classes.

    Args:
        y: float64 [r], or class indices int64 [r].
        classes: the number of classes, 0 for regression.
    """
    if not classes:
        _, rank, count = np.unique(y, return_inverse=True, return_counts=True)
        middle = np.cumsum(count) - (count - 1) / 2
        columns = middle[rank][:, None]
    else:
        largest = np.argsort(-np.bincount(y, minlength=classes), kind="stable")[:_CLASSES]
        columns = (y[:, None] == largest).astype(np.float64)
    return columns - columns.mean(axis=0)
