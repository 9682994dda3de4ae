"""A sketch: where a table's rows lie, as 128 numbers that are comparable between tables with different columns.

Only the names and values of columns count, never their order or the rest of the table. A sketch is a mean of random
Fourier features (Rahimi and Recht 2007) over rows, so the squared distance of two sketches is a squared maximum mean
discrepancy. It has three blocks:

- 32 numbers: the outcome y alone;
- 48 numbers: each column v alone, cos(w t(v) + b), summed over columns;
- 48 numbers: each column with the outcome, cos(w t(v) + u t(y) + b), summed over columns: how y depends on v.

The frequencies w and phases b are drawn from a hash of the column's name, so the features of one column are the same in
every table and those of two columns point in unrelated directions: what is summed can still be told apart. The sums are
divided by the square root of the number of columns, so that a new column changes a sketch little and all tables have
about one length. A cell is read in a way that no table has a say in: t is the signed logarithm of a number (units and
scale matter; frequencies span changes by a half and by powers of ten), and for a text a number from its hash, so far
from any other's that two texts are alike only if they are equal. A missing cell, or a column with fewer than 20 present
cells, adds nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import TableError
from netgraft.transfer.cells import FEWEST_ROWS, TaskKind, checked, is_present, is_text

FloatArray = NDArray[np.float32]
SKETCH = 128
_OUTCOME, _ALONE, _JOINT = 32, 48, 48
_MOST_ROWS = 20_000
_BLOCK_ROWS = 2_048
#: Numbers below are alike: the logarithm is linear there.
_SMALLEST = 1e-3
_FREQUENCIES = (0.25, 4.0)
_TEXT_SPREAD = 1_000.0


def sketch_of(
    columns: Mapping[str, NDArray[Any]], outcome: NDArray[Any], kind: TaskKind, *, fewest: int = FEWEST_ROWS
) -> FloatArray:
    """Return the sketch of a table, float32 [SKETCH].

    Of more than 20,000 rows that many are read, evenly spaced.

    Args:
        columns: raw columns [n] by name (see `netgraft.runtime.encoding`); date-times are left out.
        outcome: numbers [n] (regression) or labels [n] (classification); rows without are left out.
        kind: of the task.
        fewest: rows that a mean is taken over at least; less than 20 only for a sketch that is not kept.

    Raises:
        TableError: fewer rows have an outcome, or the columns are not of one length.
    """
    columns, outcome = checked(columns, outcome, kind)
    rows = np.flatnonzero(is_present(outcome))
    if len(rows) < fewest:
        raise TableError(f"a sketch requires at least {fewest} rows with an outcome, got {len(rows)}")
    if len(rows) > _MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(np.intp)]
    y = _coordinates(outcome[rows])
    means = [_column_means(name, cells[rows], y, fewest) for name, cells in columns.items()]
    summed = np.sum([mean for mean in means if mean is not None] or [np.zeros(_ALONE + _JOINT)], axis=0)
    frequencies, phases = _drawn("outcome", _OUTCOME)
    own = _mean_features(y, y, np.stack([frequencies, np.zeros(_OUTCOME), phases]))
    blocks = [own, summed[:_ALONE] / np.sqrt(max(len(columns), 1)), summed[_ALONE:] / np.sqrt(max(len(columns), 1))]
    return np.concatenate([block * np.sqrt(2 / len(block)) for block in blocks]).astype(np.float32)


def sketch_distances(sketches: NDArray[np.floating], sketch: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the distance of every sketch [s, SKETCH] from one [SKETCH]; float64 [s]."""
    return np.asarray(np.linalg.norm(sketches - sketch, axis=1), np.float64)


def _column_means(name: str, cells: NDArray[Any], y: FloatArray, fewest: int) -> NDArray[np.float64] | None:
    """Return the mean features of one column, alone and with the outcome; nothing if too few cells are present."""
    present = is_present(cells)
    if present.sum() < fewest:
        return None
    frequencies, phases = _drawn(f"column {name}", _ALONE + _JOINT)
    with_outcome = np.concatenate([np.zeros(_ALONE), _drawn("outcome with a column", _JOINT)[0]])
    return _mean_features(_coordinates(cells[present]), y[present], np.stack([frequencies, with_outcome, phases]))


def _mean_features(v: FloatArray, y: FloatArray, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over rows of cos(w v + u y + b) for the k columns (w, u, b) of the weights [3, k]."""
    points = np.stack([v, y, np.ones_like(v)], axis=1)
    narrow = weights.astype(np.float32)
    total = np.zeros(narrow.shape[1])
    for start in range(0, len(points), _BLOCK_ROWS):
        total += np.cos(points[start : start + _BLOCK_ROWS] @ narrow).sum(axis=0)
    return total / len(points)


def _coordinates(cells: NDArray[Any]) -> FloatArray:
    """Return t of each cell, none of them missing; float32 [n]."""
    if is_text(cells):
        texts, where = np.unique(cells.astype(np.str_), return_inverse=True)
        return np.array([_share(text) for text in texts.tolist()], np.float32)[where] * np.float32(_TEXT_SPREAD)
    numbers = cells.astype(np.float64)
    return (np.sign(numbers) * np.log1p(np.abs(numbers) / _SMALLEST)).astype(np.float32)


def _drawn(name: str, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies [count], log-uniform, and phases [count], uniform, from a hash of a name."""
    drawn = np.frombuffer(hashlib.shake_256(name.encode("utf-8", "surrogatepass")).digest(8 * count), "<u4") / 2**32
    low, high = _FREQUENCIES
    return low * (high / low) ** drawn[:count], 2 * np.pi * drawn[count:]


def _share(text: str) -> float:
    """Return a number in [0, 1) from a hash of a text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64
