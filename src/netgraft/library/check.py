"""Checks a library: every hash, every row of the index against its record, and what nobody uses.

Reading takes no lock, so adding goes on meanwhile; what is repaired is looked at again under the lock. A record and its
row say the same: whichever of the two is whole restores the other. Contents that are gone cannot be restored: such an
entry is marked, stays in the list and is never used, until it is added again or its files come back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from netgraft.errors import LibraryError
from netgraft.library import schema
from netgraft.library.blobs import Blobs
from netgraft.library.entry import Entry
from netgraft.library.index import Index
from netgraft.library.record import decode, encode
from netgraft.records import sha256_hex

_LISTS = ("damaged", "missing", "orphans", "repaired", "unusable")
_WORDS = {"missing": "is missing", "damaged": "fails its SHA-256"}
#: what is younger may be of an add that has not ended
GRACE = timedelta(hours=1)


@dataclass(frozen=True)
class CheckReport:
    """What a check found, each a line of text.

    Attributes:
        entries: how many entries there are.
        damaged: files, records and rows whose content is not what it was.
        missing: files and records that are gone.
        orphans: names of contents that no entry uses.
        repaired: what was done.
        unusable: names of the entries that must not be used.
    """

    entries: int
    damaged: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {"entries": self.entries, **{name: list(getattr(self, name)) for name in _LISTS}}


@dataclass
class Checker:
    """One check of one library.

    Attributes:
        index: of the library.
        blobs: its files.
        records: its records.
        repair: whether to repair.
    """

    index: Index
    blobs: Blobs
    records: Blobs
    repair: bool
    _found: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _LISTS})
    _states: dict[str, str] = field(default_factory=dict)
    _in_doubt: bool = False

    def run(self, now: datetime) -> CheckReport:
        """Return what the check found.

        Args:
            now: the time.

        Raises:
            LibraryError: the index or the files cannot be reached: nothing is taken for lost then.
        """
        with self.index.reading() as connection:
            all_held = schema.held(connection)
            if all_held and not (self.blobs.exists() and self.records.exists()):
                raise LibraryError(f"the files of the library are required, got none at {self.blobs.address}")
            for one in all_held.values():
                self._check_entry(connection, one)
        self._sweep(now)
        return CheckReport(len(all_held), **{name: tuple(texts) for name, texts in self._found.items()})

    def _check_entry(self, connection: Connection, one: schema.Held) -> None:
        """Check an entry; one that was removed while its files were read is passed over."""
        row, kept = _row(connection, one.name), self.records.get(one.record)
        state = _state(kept, one.record)
        own_row = row is not None and sha256_hex(row) == one.record
        truth = kept if state == "whole" else row if own_row else None
        entry = None if truth is None else _entry(truth, one.name)
        files = {} if entry is None else {name: self._state(file.sha256) for name, file in entry.files.items()}
        lost = entry is None or any(found != "whole" for found in files.values())
        if state == "whole" and own_row and not lost and not one.damaged:
            return
        with self.index.writing() if self.repair else self.index.reading() as current:
            if not _is_current(current, one):
                return
            self._in_doubt |= entry is None
            self._note_files(one.name, files)
            if state != "whole":
                self._note(state, f"entry {one.name!r}: its record {_WORDS[state]}")
            if not own_row:
                self._note("damaged", f"entry {one.name!r}: its row in the index is not what was added")
            if lost:
                self._note("unusable", one.name)
            elif one.damaged:
                self._note("damaged", f"entry {one.name!r}: marked as damaged although it is whole")
            if self.repair:
                self._repair(current, one, truth, row_is_whole=own_row, record_is_whole=state == "whole")
                self._mark(current, one, lost)

    def _repair(
        self, current: Connection, one: schema.Held, truth: bytes | None, *, row_is_whole: bool, record_is_whole: bool
    ) -> None:
        """Make row and record say the same again where one of them is whole."""
        if truth is None or _entry(truth, one.name) is None:
            return
        if not record_is_whole:
            self.records.put(truth)
            self._note("repaired", f"entry {one.name!r}: record written again")
        if not row_is_whole:
            entry, sketch = decode(truth)
            schema.delete(current, one)
            schema.insert(current, [(replace(entry, damaged=one.damaged), sketch, one.record)])
            self._note("repaired", f"entry {entry.name!r}: row in the index written again")

    def _mark(self, current: Connection, one: schema.Held, lost: bool) -> None:
        if lost != one.damaged:
            schema.mark(current, one.record, damaged=lost)
            self._note("repaired", f"entry {one.name!r}: {'marked as damaged' if lost else 'may be used again'}")

    def _sweep(self, now: datetime) -> None:
        """Find what nobody uses, and remove it under the lock, so that no add takes it up meanwhile.

        While a row is in doubt all is kept: what it needs may look like an orphan.
        """
        if self._in_doubt:
            return
        with self.index.writing() if self.repair else self.index.reading() as connection:
            rows = schema.held(connection).values()
            files = {sha256 for one in rows for sha256 in one.files.values()}
            records = {one.record for one in rows}
            for store, used in ((self.blobs, files), (self.records, records)):
                self._found["orphans"] += store.sweep(used, now - GRACE, remove=self.repair)
        if self.repair:
            self._found["repaired"] += [f"orphan {name} removed" for name in self._found["orphans"]]

    def _state(self, sha256: str) -> str:
        """Return how a file is; each content is read once."""
        if sha256 not in self._states:
            self._states[sha256] = _state(self.blobs.get(sha256), sha256)
        return self._states[sha256]

    def _note_files(self, name: str, files: dict[str, str]) -> None:
        for file, state in files.items():
            if state != "whole":
                self._note(state, f"entry {name!r}: file {file!r} {_WORDS[state]}")

    def _note(self, where: str, text: str) -> None:
        self._found[where].append(text)


def _state(data: bytes | None, sha256: str) -> str:
    """Return ``whole``, ``missing`` or ``damaged``."""
    if data is None:
        return "missing"
    return "whole" if sha256_hex(data) == sha256 else "damaged"


def _row(connection: Connection, name: str) -> bytes | None:
    """Return the record that the row of an entry makes, or None when the row is damaged."""
    try:
        fetched = schema.fetch(connection, name)
    except LibraryError:
        return None
    return None if fetched is None else encode(*fetched)


def _entry(record: bytes, name: str | None = None) -> Entry | None:
    """Return the entry of a record, or None when it is of another format, or not of the given name."""
    try:
        entry = decode(record)[0]
    except LibraryError:
        return None
    return entry if name in (None, entry.name) else None


def _is_current(connection: Connection, one: schema.Held) -> bool:
    """Return whether the index still holds this very entry."""
    current = schema.held(connection, one.name).get(one.name)
    return current is not None and current.record == one.record


def rebuild(index: Index, records: Blobs, settings: dict[str, str]) -> list[str]:
    """Make a lost or damaged index again from the records, and return what was done.

    Of several records of one name the latest counts. A damaged SQLite file is kept beside the new one.

    Args:
        index: of the library.
        records: of the library.
        settings: what the library was made with.

    Raises:
        LibraryError: the database or the records cannot be reached.
    """
    lines, found = [], dict[str, tuple[Entry, bytes | None, str]]()
    for sha256 in records.stored():
        data = records.get(sha256)
        if data is None or _state(data, sha256) != "whole" or _entry(data) is None:
            lines.append(f"record {sha256} left out: it is damaged or of another format version")
            continue
        entry, sketch = decode(data)
        if entry.name not in found or found[entry.name][0].created < entry.created:
            found[entry.name] = entry, sketch, sha256
    kept = index.set_aside()
    lines += [f"damaged index kept as {kept}"] if kept else []
    with index.creating() as connection:
        schema.begin(connection, settings)
        held = schema.held(connection)
        schema.insert(connection, (found[name] for name in sorted(found) if name not in held))
        lengths = [len(sketch) // 2 for _, sketch, _ in found.values() if sketch]
        if lengths and schema.meta(connection, schema.SKETCH) is None:
            schema.set_meta(connection, schema.SKETCH, str(max(set(lengths), key=lengths.count)))
    return [*lines, f"index made again from {len(found)} records"]
