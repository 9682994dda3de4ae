"""Traffic masks as numbers per step and slice, and the CSV files they may come from."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import TableError
from netgraft.ran.masks import check_mask_table
from netgraft.ran.scenario import Scenario

_STEP = "step"


def mask_values(scenario: Scenario, steps: range | int) -> NDArray[np.float64]:
    """Return the mask of every slice at the steps, [steps, N] in [0, 1].

    A sinusoid is ``low + (high - low) (1 + sin(2 pi (t / period_steps - phase_n))) / 2``; a table repeats.

    Args:
        scenario: whose masks are meant.
        steps: numbers of steps >= 0, or how many from 0.
    """
    times = np.array(range(steps) if isinstance(steps, int) else steps, np.int64)
    masks = scenario.masks
    if masks.table is not None:
        table = np.array(masks.table)
        return table[times % len(table)]
    phases = np.array(masks.phase_periods(scenario.slices))
    turns = times[:, None] / masks.period_steps - phases
    return masks.low + (masks.high - masks.low) * (1 + np.sin(2 * np.pi * turns)) / 2


def read_masks(path: Path, names: Sequence[str]) -> list[list[float]]:
    """Return the masks [steps, N] in a CSV file.

    The first row names the columns: the slices in any order, and optionally ``step``, which must count from 0. Every
    other row is one step.

    Args:
        path: of the file, UTF-8.
        names: of the slices, in the order wanted.

    Raises:
        TableError: the file cannot be read, its columns are not the slices, a step lacks, or a value is missing, no
            number or outside [0, 1]; rows are counted from 0 after the names.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "not CSV in UTF-8"
        raise TableError(f"a table of masks must be a CSV file that can be read, got {path}: {why}") from error
    columns, rows = (rows[0], [row for row in rows[1:] if row]) if rows else ([], [])
    if sorted(name for name in columns if name != _STEP) != sorted(names) or columns.count(_STEP) > 1:
        raise TableError(f"the columns of {path} must be {', '.join(names)}, got {', '.join(columns) or 'none'}")
    table = [_row(row, columns, index, path) for index, row in enumerate(rows)]
    values = [[row[name] for name in names] for row in table]
    check_mask_table(values, names, str(path))
    return values


def _row(cells: Sequence[str], columns: Sequence[str], index: int, path: Path) -> dict[str, float]:
    """Return the numbers of one row by column; an empty cell is NaN."""
    if len(cells) != len(columns):
        raise TableError(f"{path} must have {len(columns)} cells in every row, got {len(cells)} in row {index}")
    values = {name: _value(cell, name, index, path) for name, cell in zip(columns, cells, strict=True)}
    if values.get(_STEP, index) != index:
        raise TableError(f"{path} must have a row for every step, got step {values[_STEP]:g} in row {index}")
    return values


def _value(cell: str, name: str, index: int, path: Path) -> float:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError as error:
        raise TableError(f"{path} must have numbers, got {cell!r} in row {index}, column {name!r}") from error
