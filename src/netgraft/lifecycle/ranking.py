"""From whom to transfer: the entries of a library by how far their data are from a task's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import TransferError
from netgraft.library import Library
from netgraft.lifecycle.origin import labels_of, sketch_of_task
from netgraft.runtime.encoding import FloatArray
from netgraft.seeds import generator
from netgraft.tables import Task
from netgraft.transfer import Sample, compare, measure_named, moments_distances, moments_of, sketch_distances
from netgraft.transfer.align import filled
from netgraft.transfer.features import ridge_score
from netgraft.transfer.source import Source, load_source

SKETCH_MEASURE = "sketch"
# A task that is only compared, and of which nothing is kept, may have as few rows.
_FEWEST_ROWS = 3
# Entries that a measure reads one by one: records in the index, and models and rows.
_MOST_BY_MOMENTS, _MOST_LOADED = 2_000, 20
_GAIN_ROWS = 2_000


@dataclass(frozen=True)
class RankedSource:
    """An entry of a library as a possible source.

    Attributes:
        name: of the entry.
        distance: of its data from the table's; smaller is more similar.
        expected_gain: error without it minus error with it, estimated on the table's rows; None where not estimated.
    """

    name: str
    distance: float
    expected_gain: float | None = None


@dataclass(frozen=True)
class Sketches:
    """Where a task and the entries of its kind lie, from the index of a library alone.

    Attributes:
        names: of the entries.
        entries: their sketches, float32 [n, SKETCH].
        task: that of the task, float32 [SKETCH].
    """

    names: Sequence[str]
    entries: NDArray[np.float32]
    task: FloatArray

    @staticmethod
    def of(library: Library, task: Task) -> Sketches:
        """Return the sketches of a library's entries and of a task.

        Raises:
            TransferError: the task has too few rows to be compared.
        """
        sketch = sketch_of_task(task, _FEWEST_ROWS)
        if sketch is None:
            raise TransferError(f"a table needs at least {_FEWEST_ROWS} rows to be compared with a library")
        return Sketches(*library.sketches(task.kind), sketch)

    def ranked(self) -> list[RankedSource]:
        """Return the entries by the distance of their sketches from the task's, the nearest first."""
        if not len(self.names):
            return []
        distances = sketch_distances(self.entries, self.task)
        order = np.argsort(distances, kind="stable")
        return [RankedSource(self.names[i], float(distances[i])) for i in order]

    def map(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the distances between some entries and the task, for the report: names and a square matrix."""
        place = {name: i for i, name in enumerate(self.names)}
        table = np.vstack([*(self.entries[place[name]] for name in names), self.task])
        square = np.sqrt(((table[:, None] - table[None]) ** 2).sum(axis=2))
        return {"names": [*names, "this table"], "distances": [[round(float(v), 5) for v in row] for row in square]}


def rank_sources(library: Library, task: Task, measure: str = SKETCH_MEASURE, gains: int = 0) -> list[RankedSource]:
    """Return the entries of a task's kind by distance, the nearest first.

    ``sketch`` reads the index alone: a library of 100,000 entries takes about a second. ``moments`` reads the index
    entry by entry; every other measure reads the models or the kept rows of the nearest by sketch, and leaves out those
    without rows where it needs them.

    Args:
        library: of earlier models.
        task: the table.
        measure: name in `netgraft.transfer.MEASURES`.
        gains: for so many of the nearest the expected gain is estimated, which reads their models.

    Raises:
        SettingError: there is no such measure.
        TransferError: the task has too few rows to be compared.
    """
    measure_named(measure)
    ranked = Sketches.of(library, task).ranked()
    if measure != SKETCH_MEASURE:
        ranked = remeasured(library, task, [each.name for each in ranked], measure)
    if gains:
        near = [load_source(library, library.get(e.name), measure, e.distance) for e in ranked[:gains]]
        found = expected_gains(task, near)
        ranked[:gains] = [replace(e, expected_gain=gain) for e, gain in zip(ranked[:gains], found, strict=True)]
    return ranked


def remeasured(library: Library, task: Task, names: Sequence[str], measure: str) -> list[RankedSource]:
    """Return entries by another measure than the sketch, the nearest first.

    Args:
        library: of earlier models.
        task: the table.
        names: of the entries, the nearest by sketch first.
        measure: which one.
    """
    if measure == "moments":
        records = [(name, library.get(name).facts.get("moments")) for name in names[:_MOST_BY_MOMENTS]]
        known = [(name, record) for name, record in records if record]
        own = moments_of(task.rows.raw, labels_of(task), task.kind, fewest=_FEWEST_ROWS)
        distances = moments_distances([record for _, record in known], own)
        found = [RankedSource(name, float(d)) for (name, _), d in zip(known, distances, strict=True)]
    else:
        near = [load_source(library, library.get(name), measure, 0.0) for name in names[:_MOST_LOADED]]
        if measure_named(measure).needs == "rows":
            near = [source for source in near if source.rows is not None]
        if not near:
            return []
        samples, target = samples_of(task, near, measure_named(measure).needs)
        distances = compare(samples, target, [measure], seed=task.seed)[measure]
        found = [RankedSource(s.name, float(d)) for s, d in zip(near, distances, strict=True)]
    return sorted(found, key=lambda each: each.distance)


def samples_of(task: Task, sources: Sequence[Source], needs: str) -> tuple[list[Sample], Sample]:
    """Return sources and task as samples: their rows over the task's columns, or the sources' outputs on its rows."""
    y, labels = _outcome(task, labels_of(task)), labels_of(task)
    if needs == "model":
        inputs = task.encoding.apply(task.rows.raw)
        features = [source.answer(task.encoding)(inputs) for source in sources]
        return [Sample(features=each) for each in features], Sample(y=y)
    kept = [source.rows for source in sources if source.rows is not None]
    tables = [task.encoding.apply(filled(task.encoding, rows.raw, len(rows.y))).numeric for rows in kept]
    tables.append(task.encoding.apply(task.rows.raw).numeric)
    pooled = np.concatenate(tables)
    center, scale = pooled.mean(axis=0), np.maximum(pooled.std(axis=0), 1e-6)
    outcomes = [_outcome(task, rows.y) for rows in kept] + [_outcome(task, labels)]
    spread = np.concatenate(outcomes)
    middle, unit = spread.mean(axis=0), np.maximum(spread.std(axis=0), 1e-6)
    made = [Sample(x=(x - center) / scale, y=(y - middle) / unit) for x, y in zip(tables, outcomes, strict=True)]
    return made[:-1], made[-1]


def _outcome(task: Task, labels: np.ndarray) -> np.ndarray:
    """Return numbers [n, 1], or labels as one-hot classes of the task [n, c]."""
    if task.kind == "regression":
        return np.asarray(labels, np.float64)[:, None]
    return (np.asarray(labels)[:, None] == np.array([str(c) for c in task.classes], object)[None]).astype(np.float64)


def expected_gains(task: Task, sources: Sequence[Source]) -> list[float]:
    """Return by how much each source's outputs, as further inputs, lower the error of a ridge regression on the task.

    The errors are leave-one-out, 1 - R2 of the outcome, for classes of their indicators: an estimate that costs one
    decomposition, not a search.
    """
    inputs = task.encoding.apply(task.rows.raw)
    y = _outcome(task, labels_of(task))
    rows = np.sort(generator(task.seed, "expected gain").permutation(len(y))[:_GAIN_ROWS])
    inputs, y = inputs.take(rows), y[rows]
    alone = ridge_score(inputs.numeric, y) if inputs.numeric.shape[1] else 0.0
    told = [np.concatenate([inputs.numeric, source.answer(task.encoding)(inputs)], axis=1) for source in sources]
    return [float(ridge_score(each, y) - alone) for each in told]
