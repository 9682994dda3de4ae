"""From a library to what a task starts from: its sources are chosen, tried, and told of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netgraft.errors import JournalError, TransferError
from netgraft.library import Entry, Library
from netgraft.lifecycle.carried import carried_fronts
from netgraft.lifecycle.graft import Graft, Offer, decided, offer_of
from netgraft.lifecycle.origin import labels_of, rows_hash
from netgraft.lifecycle.prepare import Prepared
from netgraft.lifecycle.ranking import SKETCH_MEASURE, RankedSource, Sketches, expected_gains
from netgraft.records import canonical_json
from netgraft.search import Journal
from netgraft.tables import Task
from netgraft.transfer.align import align, alike
from netgraft.transfer.guard import Verdict
from netgraft.transfer.source import Source, load_source

# Where a journal holds which sources a search began with, and what was decided on them.
_BEGUN_FROM, _DECIDED = "begun from", "decided on"
_AUTO_SOURCES = 3
_NO_BETTER = "no network of the sources does better than a constant on held-out rows"
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


class Sources:
    """The earlier models that one search may start from: chosen when it begins, decided on once, both in its journal.

    Networks in a journal read columns as their source did, so a search that is resumed keeps to the sources and to the
    decision that it began with, whatever the library has become.
    """

    def __init__(
        self,
        prepared: Prepared,
        location: str,
        wanted: Sequence[str],
        journal: Journal,
        seconds: Callable[[], float | None],
    ) -> None:
        """Choose the sources.

        Args:
            prepared: the task on its own.
            location: of the library.
            wanted: see `sources_for`.
            journal: of the search.
            seconds: what comparing may take, asked when it begins.

        Raises:
            LibraryError: there is no library, or it or an entry is damaged.
            SettingError: there is no entry of a wanted name.
            TransferError: a named entry cannot be a source of this task.
            JournalError: an entry is another than when the search began.
        """
        self._journal, self._seconds, self._task = journal, seconds, prepared.task
        self._graft: Graft | None = None
        begun = _recorded(journal, _BEGUN_FROM)
        library = Library(location)
        self._sketches = Sketches.of(library, prepared.task)
        self._ranked = self._sketches.ranked()
        names = wanted if begun is None else begun["names"]
        self._sources = sources_for(library, prepared.task, names, self._ranked)
        offered = offer_of(prepared, self._sources)
        self.offer = offered if isinstance(offered, Offer) else None
        self._verdict = Verdict("refused", "", ()) if isinstance(offered, Offer) else offered
        columns = None if self.offer is None else self.offer.prepared.reading
        if begun is None:
            begun = {"names": [source.name for source in self._sources], "columns": columns}
            journal.put(_BEGUN_FROM, canonical_json(begun).encode())
        elif begun["columns"] != columns:
            shown = ", ".join(map(repr, names))
            raise JournalError(f"the entries {shown} must be those that the search began with to resume, got others")
        #: networks that the search can begin with at once; without any the sources are decided on before it begins
        self.carried = [] if self.offer is None else carried_fronts(self.offer.prepared, self.offer.sources)
        if self.offer is not None and not self.carried and any(source.front for source in self.offer.sources):
            self.offer, self._verdict = None, Verdict("refused", _NO_BETTER, ())
        self._told: dict[str, Any] | None = None
        self.prepared = prepared if self.offer is None else self.offer.prepared
        if not self.carried:
            graft = self.decide()
            self.prepared = prepared if graft is None else graft.prepared

    def decide(self) -> Graft | None:
        """Return what the search starts from, or None when the sources are refused."""
        if self._told is not None:
            return self._graft
        self._graft = self._decided()
        return self._graft

    def _decided(self) -> Graft | None:
        self._told = before = _recorded(self._journal, _DECIDED)
        graft = None
        if self.offer is not None and (before is None or before["guard"]["decision"] == "accepted"):
            graft, self._verdict = decided(self.offer, seconds=self._seconds(), is_settled=before is not None)
        if before is None:
            self._told = self._describe(graft)
            self._journal.put(_DECIDED, canonical_json(self._told).encode())
        return graft

    def to_json(self) -> dict[str, Any] | None:
        """Return what ``front.json`` says of them, None before it is decided."""
        return self._told

    def _describe(self, graft: Graft | None) -> dict[str, Any]:
        gains = dict(zip([s.name for s in self._sources], expected_gains(self._task, self._sources), strict=True))
        shown = [replace(each, expected_gain=gains.get(each.name)) for each in self._ranked[:_SHOWN]]
        return {
            "mode": "none" if graft is None else graft.mode,
            "sources": [{"name": s.name, "measure": s.measure, "distance": _finite(s.distance)} for s in self._sources],
            "guard": self._verdict.to_json(),
            "ranked": [
                {"name": r.name, "distance": _finite(r.distance), "expected_gain": r.expected_gain} for r in shown
            ],
            "map": self._sketches.map([each.name for each in shown[:_MAPPED]]),
        }


def _recorded(journal: Journal, name: str) -> dict[str, Any] | None:
    """Return what a journal holds under a name, or None."""
    text = journal.get(name)
    return None if text is None else dict(json.loads(text))


def _finite(value: float) -> float | None:
    """Return a number for JSON, None for one that is not finite."""
    return float(value) if np.isfinite(value) else None
