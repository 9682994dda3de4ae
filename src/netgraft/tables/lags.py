"""Earlier rows of the same group as further columns of a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.runtime.encoding import FloatArray


def lag_name(name: str, lag: int) -> str:
    """Return the name of a column's value ``lag`` rows earlier.

    >>> lag_name("rsrp", 2)
    'rsrp__lag2'
    """
    return f"{name}__lag{lag}"


def earlier_rows(
    lag: int, *, n: int, groups: NDArray[np.int64] | None = None, time: NDArray[Any] | None = None
) -> list[NDArray[np.int64]]:
    """Return for each lag 1, ..., ``lag`` the row that came so many rows earlier in the same group.

    Args:
        lag: how many rows to look back.
        n: the number of rows.
        groups: the group of each row, int64 [n]; all rows are one group when absent.
        time: sortable times [n]; rows of equal times, or all rows when absent, are in the order of the table.

    Returns:
        one int64 [n] for each lag; -1 where the group has no such row.
    """
    keys = [np.arange(n)]
    keys += [time] if time is not None else []
    keys += [groups] if groups is not None else []
    order = np.lexsort(keys)
    place = np.arange(n)
    if groups is None:
        start = np.zeros(n, np.int64)
    else:
        sorted_groups = groups[order]
        first = np.r_[True, sorted_groups[1:] != sorted_groups[:-1]]
        start = np.maximum.accumulate(np.where(first, place, 0))
    found = []
    for back in range(1, lag + 1):
        source = np.full(n, -1, np.int64)
        inside = place - back >= start
        source[order[inside]] = order[place[inside] - back]
        found.append(source)
    return found


def lagged(cells: FloatArray, source: NDArray[np.int64]) -> FloatArray:
    """Return the cells of the source rows, NaN where there is none; float32 [n]."""
    return np.where(source >= 0, cells[source], np.float32(np.nan)).astype(np.float32)
