"""Results go into a library, and sources come out of it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from netgraft.errors import ModelError, SettingError, TableError, TransferError
from netgraft.library import Draft, Entry, Library
from netgraft.lifecycle.folder import FRONT, MODEL, open_front
from netgraft.lifecycle.graft import Graft, graft_onto
from netgraft.lifecycle.origin import GRAFT, ORIGIN, labels_from, labels_of, read_origin, rows_hash, sketch_of_task
from netgraft.lifecycle.prepare import Prepared
from netgraft.runtime import load
from netgraft.seeds import generator
from netgraft.tables import Schema, Task
from netgraft.transfer import Sample, compare, measure_named, moments_distances, moments_of, sketch_distances
from netgraft.transfer.features import ridge_score
from netgraft.transfer.files import ROWS
from netgraft.transfer.guard import Verdict
from netgraft.transfer.source import KeptRows, Source, load_source
from netgraft.transfer.start import align, alike, filled

SKETCH_MEASURE = "sketch"
_AUTO_SOURCES = 3
# Entries that front.json lists, and that its map of distances holds.
_SHOWN, _MAPPED = 30, 12
# Entries that a measure reads one by one: records in the index, and models and rows.
_MOST_BY_MOMENTS, _MOST_LOADED = 2_000, 20
_GAIN_ROWS = 2_000
_PACKAGES = ("netgraft", "torch", "numpy", "lightgbm")


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


def add_to_library(
    library: Library,
    folder: Path,
    name: str,
    *,
    domain: str | None = None,
    keep_rows: int = 0,
    licence: str | None = None,
    task: Task | None = None,
) -> Entry:
    """Add a finished search to a library.

    Args:
        library: where to.
        folder: of the search.
        name: a free one.
        domain: where the rows come from.
        keep_rows: rows to keep for later transfers; by default none.
        licence: of the data.
        task: the rows; read again from the table's file where it is None and rows are to be kept.

    Raises:
        ModelError: the folder is no result, or one that left nothing for others.
        TableError: rows are to be kept, and the table is no longer where it was, or was no file.
        SettingError: the name is not allowed, or the number of rows is negative.
        LibraryError: the name is taken, or the library cannot be written.
    """
    if keep_rows < 0:
        raise SettingError(f"the rows to keep must be >= 0, got {keep_rows}")
    front = open_front(folder)
    try:
        left = {path.name: path.read_bytes() for path in sorted((folder / GRAFT).iterdir())}
        origin = read_origin(left[ORIGIN])
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"a folder with {GRAFT}/{ORIGIN} is required, got {folder} without a readable one") from error
    picked = str(front["picked"])
    model = load(folder / MODEL, picked)
    blobs = {FRONT: (folder / FRONT).read_bytes(), **left}
    blobs |= {f"{MODEL}/{path.name}": path.read_bytes() for path in sorted((folder / MODEL).iterdir())}
    if keep_rows:
        blobs[ROWS] = _kept(model.about, origin, keep_rows, task).to_parquet()
    point = next(p for p in front["points"] if p["id"] == picked)
    transfer = front.get("transfer") or {}
    draft = Draft(
        name=name,
        domain=domain,
        kind=front["task"]["kind"],
        target=front["task"]["target"],
        metric=front["task"]["metric"],
        error=float(point["values"]["error"]),
        rows=int(front["task"]["rows"]["train"]),
        columns=tuple((column.name, column.kind) for column in model.encoding.columns),
        licence=licence,
        lineage={
            "sources": [source["name"] for source in transfer.get("sources", ())],
            "fingerprint": origin["fingerprint"],
            "seed": front["seed"],
            "versions": {package: importlib.metadata.version(package) for package in _PACKAGES},
        },
        facts={
            "picked": picked,
            "validation": point["validation"],
            "points": len(front["points"]),
            "moments": origin["moments"],
            "rows_kept": keep_rows,
            "rows_hash": origin["rows_hash"],
        },
        blobs=blobs,
        sketch=None if origin["sketch"] is None else np.array(origin["sketch"], np.float32),
    )
    return library.add(draft)


def _kept(about: Any, origin: dict[str, Any], count: int, task: Task | None) -> KeptRows:
    """Return at most so many rows of a search's table."""
    if task is None:
        if not origin["table"]:
            raise TableError("rows can be kept of a search of a file only, got one of a frame")
        schema = Schema.from_json(about["schema"])
        rows, classes = schema.read(origin["table"], labelled=True), schema.classes
    else:
        rows, classes = task.rows, task.classes
    labels = labels_from(np.asarray(rows.y), classes)
    if rows_hash(rows.raw, labels) != origin["rows_hash"]:
        raise TableError(f"the rows that were searched are required to keep some, got others in {origin['table']}")
    taken = np.sort(generator(int(origin["seed"]), "kept rows").permutation(len(rows))[:count])
    return KeptRows({name: cells[taken] for name, cells in rows.raw.items()}, labels[taken])


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
    sketch = sketch_of_task(task, kept=False)
    if sketch is None:
        raise TransferError("a table needs at least 3 rows to be compared with a library")
    names, sketches = library.sketches(task.kind)
    if not len(names):
        return []
    distances = sketch_distances(sketches, sketch)
    order = np.argsort(distances, kind="stable")
    ranked = [RankedSource(names[i], float(distances[i])) for i in order]
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
        own = moments_of(task.rows.raw, labels_of(task), task.kind, fewest=3)
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


def sources_for(library: Library, task: Task, wanted: Sequence[str]) -> list[Source]:
    """Return the sources of a task, the nearest first.

    Args:
        library: of earlier models.
        task: the table.
        wanted: names of entries, or ``auto`` for the nearest ones that share a column.

    Raises:
        SettingError: there is no entry of a name.
        TransferError: a named entry is of another kind or shares no column; none of the library shares one.
        LibraryError: an entry is damaged.
    """
    ranked = rank_sources(library, task)
    distances = {each.name: each.distance for each in ranked}
    if tuple(wanted) != ("auto",):
        named = [_named(library, task, name, distances.get(name, float("nan"))) for name in dict.fromkeys(wanted)]
        return sorted(named, key=lambda source: (np.isnan(source.distance), source.distance))
    found: list[Source] = []
    others = 0
    for each in ranked:
        entry = library.get(each.name)
        if is_of_rows(entry, task):
            continue
        others += 1
        if shares_column(entry, task):
            found.append(load_source(library, entry, SKETCH_MEASURE, each.distance))
        if len(found) == _AUTO_SOURCES:
            break
    if others and not found:
        raise TransferError(
            "a library with an entry that shares a column with the table is required, got none among "
            f"{others} of a {task.kind}; --source none searches without"
        )
    return found


def is_of_rows(entry: Entry, task: Task) -> bool:
    """Return whether an entry was made of a task's very rows, whatever the seed and the metric were."""
    return entry.facts.get("rows_hash") == rows_hash(task.rows.raw, labels_of(task))


def shares_column(entry: Entry, task: Task) -> bool:
    """Return whether an entry and a task share a column by name and kind."""
    own = {column.name: column.kind for column in task.encoding.columns}
    return any(name in own and alike(kind, own[name]) for name, kind in entry.columns)


def _named(library: Library, task: Task, name: str, distance: float) -> Source:
    """Return a source that the user asked for."""
    entry = library.get(name)
    if entry.kind != task.kind:
        raise TransferError(f"a source must be of a {task.kind}, got {name!r} of a {entry.kind}")
    source = load_source(library, entry, SKETCH_MEASURE, distance)
    align(source.model.encoding, task.encoding)
    return source


def distance_map(library: Library, task: Task, names: Sequence[str]) -> dict[str, Any]:
    """Return the distances between some entries and the task, for the report: names and a square matrix."""
    known, sketches = library.sketches(task.kind)
    place = {name: i for i, name in enumerate(known)}
    own = sketch_of_task(task, kept=False)
    kept = [name for name in names if name in place]
    table = np.vstack([*(sketches[place[name]] for name in kept), own]) if own is not None else sketches[:0]
    square = np.sqrt(np.maximum(((table[:, None] - table[None]) ** 2).sum(axis=2), 0))
    return {"names": [*kept, "this table"], "distances": [[round(float(v), 5) for v in row] for row in square]}


@dataclass(frozen=True)
class Grafting:
    """What became of a library's entries as sources of a task.

    Attributes:
        graft: what the search starts from, or None when the sources were refused.
        verdict: of the guard.
        sources: those that were tried, the nearest first.
        ranked: the nearest entries.
        map: distances between these and the task.
    """

    graft: Graft | None
    verdict: Verdict
    sources: tuple[Source, ...]
    ranked: tuple[RankedSource, ...]
    map: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as in ``front.json``."""
        return {
            "mode": "none" if self.graft is None else self.graft.mode,
            "sources": [{"name": s.name, "measure": s.measure, "distance": _finite(s.distance)} for s in self.sources],
            "guard": self.verdict.to_json(),
            "ranked": [
                {"name": r.name, "distance": _finite(r.distance), "expected_gain": r.expected_gain} for r in self.ranked
            ],
            "map": self.map,
        }


def graft_from_library(
    prepared: Prepared, location: str, wanted: Sequence[str], seconds: float | None, *, is_settled: bool = False
) -> Grafting:
    """Return what a task starts from, out of a library.

    Args:
        prepared: the task on its own.
        location: of the library.
        wanted: see `sources_for`.
        seconds: what it may take, or None.
        is_settled: whether a search that is resumed had accepted these sources.

    Raises:
        LibraryError: there is no library, or it or an entry is damaged.
        SettingError: there is no entry of a wanted name.
        TransferError: a named entry cannot be a source of this task.
    """
    library = Library(location)
    ranked = rank_sources(library, prepared.task)[:_SHOWN]
    sources = sources_for(library, prepared.task, wanted)
    gains = dict(zip([s.name for s in sources], expected_gains(prepared.task, sources), strict=True))
    ranked = [replace(each, expected_gain=gains.get(each.name)) for each in ranked]
    graft, verdict = graft_onto(prepared, sources, seconds=seconds, is_settled=is_settled)
    shown = distance_map(library, prepared.task, [each.name for each in ranked[:_MAPPED]])
    return Grafting(graft, verdict, tuple(sources), tuple(ranked), shown)


def _finite(value: float) -> float | None:
    """Return a number for JSON, None for one that is not finite."""
    return float(value) if np.isfinite(value) else None
