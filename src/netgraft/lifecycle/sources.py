"""From a library to what a task starts from: its sources are chosen, tried, and told of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netgraft.errors import TransferError
from netgraft.library import Entry, Library
from netgraft.lifecycle.graft import Graft, graft_onto
from netgraft.lifecycle.origin import labels_of, rows_hash
from netgraft.lifecycle.prepare import Prepared
from netgraft.lifecycle.ranking import SKETCH_MEASURE, RankedSource, Sketches, expected_gains
from netgraft.tables import Task
from netgraft.transfer.guard import Verdict
from netgraft.transfer.source import Source, load_source
from netgraft.transfer.start import align, alike

_AUTO_SOURCES = 3
# Entries that front.json lists, and that its map of distances holds.
_SHOWN, _MAPPED = 30, 12


def sources_for(library: Library, task: Task, wanted: Sequence[str], ranked: Sequence[RankedSource]) -> list[Source]:
    """Return the sources of a task, the nearest first.

    Args:
        library: of earlier models.
        task: the table.
        wanted: names of entries, or ``auto`` for the nearest ones that share a column.
        ranked: the entries of the task's kind, the nearest first.

    Raises:
        SettingError: there is no entry of a name.
        TransferError: a named entry is of another kind or shares no column; none of the library shares one.
        LibraryError: an entry is damaged.
    """
    distances = {each.name: each.distance for each in ranked}
    if tuple(wanted) != ("auto",):
        named = [_named(library, task, name, distances.get(name, float("nan"))) for name in dict.fromkeys(wanted)]
        return sorted(named, key=lambda source: (np.isnan(source.distance), source.distance))
    found: list[Source] = []
    others, own = 0, rows_hash(task.rows.raw, labels_of(task))
    for each in ranked:
        entry = library.get(each.name)
        if entry.facts.get("rows_hash") == own:
            continue  # made of the very same rows, whatever the seed and the metric were
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
    sketches = Sketches.of(library, prepared.task)
    ranked = sketches.ranked()
    sources = sources_for(library, prepared.task, wanted, ranked)
    gains = dict(zip([s.name for s in sources], expected_gains(prepared.task, sources), strict=True))
    shown = [replace(each, expected_gain=gains.get(each.name)) for each in ranked[:_SHOWN]]
    graft, verdict = graft_onto(prepared, sources, seconds=seconds, is_settled=is_settled)
    return Grafting(graft, verdict, tuple(sources), tuple(shown), sketches.map([each.name for each in shown[:_MAPPED]]))


def _finite(value: float) -> float | None:
    """Return a number for JSON, None for one that is not finite."""
    return float(value) if np.isfinite(value) else None
