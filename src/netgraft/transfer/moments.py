"""Raw moments: the control that a cleverer similarity has to beat.

Between samples it is the squared Frechet distance of diagonal Gaussians. Between two tables in a library it is the same
from records of their columns' moments, which are small and tell of no row: no smallest or largest value, nothing of
fewer than 20 cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.transfer.cells import FEWEST_ROWS, TaskKind, checked, is_present, is_text

DoubleArray = NDArray[np.float64]
#: ``{"rows": n, "columns": {name: facts}, "outcome": facts}``, JSON. Facts of numbers are count, mean, variance,
#: deciles [9] and correlation; of texts count, shares by value and correlation.
Record = dict[str, Any]
_DECILES = np.arange(1, 10) / 10
_MOST_VALUES = 32


def frechet(source: tuple[DoubleArray, DoubleArray], target: tuple[DoubleArray, DoubleArray]) -> float:
    """Return the squared Frechet (2-Wasserstein) distance of two diagonal Gaussians (Dowson and Landau 1982).

    Args:
        source: means and variances [p].
        target: the same.
    """
    means, deviations = source[0] - target[0], np.sqrt(source[1]) - np.sqrt(target[1])
    return float((np.square(means) + np.square(deviations)).sum())


def moments_of(
    columns: Mapping[str, NDArray[Any]], outcome: NDArray[Any], kind: TaskKind, *, fewest: int = FEWEST_ROWS
) -> Record:
    """Return the record of a table.

    A column with fewer present cells than ``fewest`` is left out, and so is a text that fewer cells hold. The
    correlation with the outcome is Pearson's for two columns of numbers, the correlation ratio for numbers and labels,
    and missing where neither is defined.

    Args:
        columns: raw columns [n] by name (see `netgraft.runtime.encoding`); date-times are left out.
        outcome: numbers [n] (regression) or labels [n] (classification).
        kind: of the task.
        fewest: less than 20 only for a record that is not kept.

    Raises:
        TableError: the columns are not of one length.
    """
    columns, outcome = checked(columns, outcome, kind)
    facts = {name: _facts(cells, outcome, fewest) for name, cells in columns.items()}
    own = _facts(outcome, outcome, fewest)
    return {"rows": len(outcome), "columns": {name: fact for name, fact in facts.items() if fact}, "outcome": own}


def moments_distances(sources: Sequence[Record], target: Record) -> DoubleArray:
    """Return the distance of each record from the target's; float64 [s].

    It is the mean over columns, the outcome among them, of the squared Frechet distance in units of the column's
    variance over all records together; of texts half the squared distance of their shares. A column that only one of
    the two has counts as one.
    """
    tables = [_named(record) for record in [*sources, target]]
    units = {
        name: _pooled_variance([table[name] for table in tables if name in table]) for name in set().union(*tables)
    }
    return np.array([_distance(table, tables[-1], units) for table in tables[:-1]])


def _named(record: Record) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the facts of columns and outcome by role and name."""
    outcome = {("outcome", ""): record["outcome"]} if record["outcome"] else {}
    return {("column", name): facts for name, facts in record["columns"].items()} | outcome


def _distance(
    source: Mapping[tuple[str, str], dict[str, Any]],
    target: Mapping[tuple[str, str], dict[str, Any]],
    units: Mapping[tuple[str, str], float],
) -> float:
    """Return the mean distance over the columns of two records."""
    names = source.keys() | target.keys()
    apart = [
        _column_distance(source[name], target[name], units[name]) if name in source and name in target else 1.0
        for name in sorted(names)
    ]
    return float(np.mean(apart)) if apart else 0.0


def _column_distance(source: dict[str, Any], target: dict[str, Any], unit: float) -> float:
    """Return the distance of one column in two records."""
    if ("shares" in source) != ("shares" in target):
        return 1.0
    if "shares" in source:
        a, b = source["shares"], target["shares"]
        return 0.5 * sum((a.get(text, 0.0) - b.get(text, 0.0)) ** 2 for text in a.keys() | b.keys())
    if unit <= 0:
        return 0.0
    moments = [(np.array([facts["mean"]]), np.array([facts["variance"]])) for facts in (source, target)]
    return frechet(*moments) / unit


def _pooled_variance(facts: Sequence[dict[str, Any]]) -> float:
    """Return the variance of a column of numbers over all records that have it."""
    numbers = [fact for fact in facts if "mean" in fact]
    if not numbers:
        return 0.0
    counts, means, variances = (np.array([fact[key] for fact in numbers]) for key in ("count", "mean", "variance"))
    mean = np.average(means, weights=counts)
    return float(np.average(variances + np.square(means - mean), weights=counts))


def _facts(cells: NDArray[Any], outcome: NDArray[Any], fewest: int) -> dict[str, Any] | None:
    """Return what a record holds of one column; nothing where too few cells are present."""
    present = is_present(cells)
    count = int(present.sum())
    if count < fewest:
        return None
    if is_text(cells):
        return {"count": count, "shares": _shares(cells[present], fewest), "correlation": _dependence(outcome, cells)}
    values = cells[present].astype(np.float64)
    return {
        "count": count,
        "mean": float(values.mean()),
        "variance": float(values.var()),
        "deciles": np.quantile(values, _DECILES).tolist(),
        "correlation": _dependence(cells, outcome),
    }


def _shares(cells: NDArray[Any], fewest: int) -> dict[str, float]:
    """Return the shares of the most frequent texts, none of fewer cells than ``fewest``."""
    texts, counts = np.unique(cells.astype(np.str_), return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:_MOST_VALUES]
    return {str(texts[i]): float(counts[i] / len(cells)) for i in frequent if counts[i] >= fewest}


def _dependence(numbers: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Return Pearson's correlation with other numbers, the correlation ratio with texts, or nothing if not defined."""
    if is_text(numbers):
        return None
    both = is_present(numbers) & is_present(other)
    values = numbers[both].astype(np.float64)
    if len(values) < FEWEST_ROWS or not values.std() > 0:
        return None
    if not is_text(other):
        others = other[both].astype(np.float64)
        return float(np.corrcoef(values, others)[0, 1]) if others.std() > 0 else None
    _, groups = np.unique(other[both].astype(np.str_), return_inverse=True)
    means = np.bincount(groups, values) / np.bincount(groups)
    return float(min(means[groups].std() / values.std(), 1.0))
