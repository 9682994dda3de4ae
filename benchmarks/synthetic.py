"""Synthetic tables of any size: numbers and categories, a target that is smooth in some and steps in others."""

from __future__ import annotations

import numpy as np
import polars as pl


def table(rows: int, columns: int, seed: int, *, classes: int = 0) -> pl.DataFrame:
    """Return a table with a target ``y``.

    Four fifths of the columns are numbers (one in ten of their cells missing in every fourth), the rest categories of 4
    to 50 values.

    Args:
        rows: of the table.
        columns: features.
        seed: of all that is drawn.
        classes: of the target; 0 for regression.
    """
    rng = np.random.default_rng(seed)
    numeric = max(1, round(0.8 * columns))
    made: dict[str, np.ndarray | pl.Series] = {}
    total = np.zeros(rows, np.float32)
    for j in range(numeric):
        column = rng.normal(0, 1, rows).astype(np.float32)
        if j % 3 == 1:
            column = np.exp(column)  # heavy tail
        if j < 6:
            total += (np.sin(2 * column) if j % 2 else (column > 0.5) * 1.5).astype(np.float32)
        elif j < 10:
            total += 0.3 * column
        if j % 4 == 3:
            column[rng.random(rows) < 0.1] = np.nan
        made[f"x{j}"] = column
    for j in range(columns - numeric):
        codes = rng.integers(0, 4 + 46 * j // max(1, columns - numeric), rows)
        if j < 4:
            total += rng.normal(0, 0.5, codes.max() + 1).astype(np.float32)[codes]
        names = pl.Series([f"c{value}" for value in range(int(codes.max()) + 1)])
        made[f"c{j}"] = names.gather(codes)
    total += rng.normal(0, 0.5, rows).astype(np.float32)
    if classes:
        edges = np.quantile(total, np.linspace(0, 1, classes + 1)[1:-1])
        made["y"] = pl.Series([f"k{value}" for value in range(classes)]).gather(np.searchsorted(edges, total))
    else:
        made["y"] = total
    return pl.DataFrame({name: pl.Series(name, values) for name, values in made.items()}).fill_nan(None)
