"""Raw columns as numbers or texts with missing cells left out, for what is told of a table without its rows.

Raw columns are those of `netgraft.runtime.encoding`. Date-times (int64) are left out: when rows were taken does not say
where they come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import TableError

TaskKind = Literal["regression", "classification"]
DoubleArray = NDArray[np.float64]
#: What is told of a column is told of at least so many rows, so that it tells of none of them.
FEWEST_ROWS = 20


def is_text(cells: NDArray[Any]) -> bool:
    """Return whether a raw column holds texts."""
    return cells.dtype.kind in "OUT"


def is_time(cells: NDArray[Any]) -> bool:
    """Return whether a raw column holds date-times."""
    return cells.dtype == np.int64 or cells.dtype.kind == "M"


def checked(
    columns: Mapping[str, NDArray[Any]], outcome: NDArray[Any], kind: TaskKind
) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """Return the columns in the order of their names without date-times, and the outcome as float64 or texts [n].

    Args:
        columns: raw columns [n] by name.
        outcome: numbers [n] (regression) or labels of any type [n] (classification).
        kind: of the task.

    Raises:
        TableError: the columns are not of the same length as the outcome.
    """
    for name, cells in columns.items():
        if cells.shape != outcome.shape:
            raise TableError(f"column {name!r} must have shape {outcome.shape} as the outcome has, got {cells.shape}")
    kept = {name: columns[name] for name in sorted(columns) if not is_time(columns[name])}
    return kept, outcome.astype(np.float64) if kind == "regression" else outcome.astype(np.str_)


def is_present(cells: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which cells are not missing [n]: finite numbers, texts that are not empty."""
    if not is_text(cells):
        return np.isfinite(cells.astype(np.float64, copy=False))
    return np.asarray(cells != "", np.bool_)
