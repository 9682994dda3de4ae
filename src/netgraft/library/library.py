"""A library of earlier models: an index in a SQL database, and files stored by their hash.

Rules the module keeps: files are written before the one transaction that makes them an entry, so an add that is killed
leaves at most contents that nobody uses; under the lock of that transaction the contents are looked at again, and
contents are removed under the same lock only, so nobody removes what another is about to use. Each entry also has a
record among the files, from which `Library.mend` makes a lost index again.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from netgraft.errors import LibraryError, NetgraftError, SettingError, unknown_name
from netgraft.library import opening, schema
from netgraft.library.check import Checker, CheckReport, rebuild
from netgraft.library.entry import Draft, Entry, Heading, normal
from netgraft.library.index import Index
from netgraft.library.place import place_of
from netgraft.library.record import encode
from netgraft.records import sha256_hex


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Library:
    """A handle on a library; it holds no connection between calls, and may be used from several threads.

    >>> import tempfile
    >>> library = Library.init(f"{tempfile.mkdtemp()}/models")
    >>> draft = Draft(name="site 7", kind="regression", target="power", metric="r2", error=0.1, rows=500)
    >>> library.add(draft).name
    'site 7'
    >>> [heading.name for heading in library.list(kind="regression")]
    ['site 7']
    """

    def __init__(self, location: str | os.PathLike[str], *, clock: Callable[[], datetime] = _utc_now) -> None:
        """Open a library.

        Args:
            location: a folder, a folder or file with ``library.toml``, or a database URL.
            clock: gives the time, with its zone.

        Raises:
            LibraryError: there is none, it is of another format version, damaged, or cannot be reached.
            SettingError: a URL is not one, or its driver is not installed.
        """
        place = place_of(location)
        self.location = os.fspath(location)
        self.label = place.label
        self._clock = clock
        self._index = Index(place.database, place.label)
        opening.check_version(place, self._index)
        self.blobs, self.records = opening.stores(place, self._index)

    @classmethod
    def open(cls, location: str | os.PathLike[str], *, create: bool = False) -> Self:
        """Return a library, one that is made first where there is none and `create` allows it.

        Raises:
            LibraryError, SettingError: as for the constructor.
        """
        place = place_of(location)
        if create and Index(place.database, place.label).version() is None:
            return cls.init(location)
        return cls(location)

    @classmethod
    def init(cls, location: str | os.PathLike[str], *, database: str | None = None, blobs: str | None = None) -> Self:
        """Make a library and return it.

        Args:
            location: a new or empty folder, or a database URL.
            database: for a folder: the URL of a database that has the index instead.
            blobs: a folder or URL for the files; needed with a database URL.

        Raises:
            LibraryError: the place is taken or cannot be written.
            SettingError: a URL is not one, or there is no place for the files.
        """
        plan = opening.planned(location, database, blobs)
        stores, index = opening.stores(plan.place), Index(plan.place.database, plan.place.label)
        plan.make_folder()
        with index.creating() as connection:
            if schema.meta(connection, "format") is not None:
                shown = plan.place.database.render_as_string(hide_password=True)
                raise LibraryError(f"a database without a library is required, got {shown}")
            schema.begin(connection, plan.kept)
        for store in stores:
            store.create()
        plan.write_settings()
        return cls(location)

    @classmethod
    def mend(cls, location: str | os.PathLike[str]) -> CheckReport:
        """Make a lost or damaged index again from the records, then check and repair.

        Raises:
            LibraryError, SettingError: as for the constructor; also when there are no records either.
        """
        place, lines = place_of(location), builtins.list[str]()
        index = Index(place.database, place.label)
        if not index.is_whole():
            if place.blobs is None or not opening.stores(place)[1].exists():
                raise opening.no_library(place)
            lines = rebuild(index, opening.stores(place)[1], {schema.BLOBS: place.blobs} if index.path is None else {})
        report = cls(location).check(repair=True)
        return replace(report, repaired=(*lines, *report.repaired))

    def add(self, draft: Draft) -> Entry:
        """Add a model and return its entry; one that is marked as damaged is replaced.

        Raises:
            LibraryError: the name is taken, the sketch has another length than those there, or the library cannot be
                written.
            OutputError: the folder of the files cannot be written.
        """
        entry, sketch = draft.entry(self._clock().astimezone(UTC).isoformat()), draft.sketch_bytes()
        with self._index.reading() as connection:
            self._claim_name(connection, entry.name)
        for data in draft.blobs.values():
            self.blobs.put(data)
        record = encode(entry, sketch)
        with self._index.writing() as connection:
            replaced = self._claim_name(connection, entry.name)
            _check_sketch(connection, sketch)
            if replaced is not None:
                schema.delete(connection, replaced)
            for data in draft.blobs.values():
                if not self.blobs.has(sha256_hex(data)):
                    self.blobs.put(data)
            schema.insert(connection, [(entry, sketch, self.records.put(record))])
        if replaced is not None:
            self._drop(replaced)
        return entry

    def get(self, name: str) -> Entry:
        """Return an entry.

        Raises:
            SettingError: there is none of that name; says the nearest.
            LibraryError: its row in the index is damaged.
        """
        with self._index.reading() as connection:
            found = schema.fetch(connection, normal(name))
            if found is None:
                raise _unknown(connection, name)
        return found[0]

    def names(self) -> builtins.list[str]:
        """Return all names in order."""
        with self._index.reading() as connection:
            return schema.names(connection)

    def list(self, domain: str | None = None, kind: str | None = None) -> builtins.list[Heading]:
        """Return what is known of the entries at a glance, by name, damaged ones included.

        Args:
            domain: only those of this domain.
            kind: only those of this kind.
        """
        with self._index.reading() as connection:
            return schema.headings(connection, domain, kind)

    def read(self, entry: Entry, file: str) -> bytes:
        """Return a file of an entry, after its hash was checked.

        Raises:
            SettingError: the entry has no such file.
            LibraryError: the entry is marked as damaged, or the file is missing or fails its hash.
        """
        if entry.damaged:
            raise LibraryError(f"a whole entry is required, got {entry.name!r}, which a check marked as damaged")
        if file not in entry.files:
            raise SettingError(unknown_name(f"a file of entry {entry.name!r}", file, entry.files))
        stored = entry.files[file]
        data = self.blobs.get(stored.sha256)
        if data is None:
            raise LibraryError(f"entry {entry.name!r}: file {file!r} is required, got none: it is missing")
        if sha256_hex(data) != stored.sha256 or len(data) != stored.size:
            raise LibraryError(
                f"entry {entry.name!r}: file {file!r} must have SHA-256 {stored.sha256}, got {sha256_hex(data)}"
            )
        return data

    def remove(self, name: str) -> None:
        """Remove an entry, and its files that no other entry has.

        Raises:
            SettingError: there is none of that name; says the nearest.
            LibraryError: the library cannot be written.
        """
        with self._index.writing() as connection:
            held = schema.held(connection, normal(name)).get(normal(name))
            if held is None:
                raise _unknown(connection, name)
            schema.delete(connection, held)
        self._drop(held)

    def sketches(self, kind: str | None = None) -> tuple[builtins.list[str], NDArray[np.float32]]:
        """Return names and sketches, float32 [n, k], by name, of the entries that have one and may be used.

        Args:
            kind: only those of this kind.
        """
        with self._index.reading() as connection:
            length = int(schema.meta(connection, schema.SKETCH) or 0)
            rows = schema.sketches(connection, kind, 2 * length)
        values = np.frombuffer(b"".join([sketch for _, sketch in rows]), dtype="<f2").astype(np.float32)
        return [name for name, _ in rows], values.reshape(len(rows), length)

    def check(self, *, repair: bool = False) -> CheckReport:
        """Return what is wrong with the library, after every hash was checked.

        Args:
            repair: whether to mark entries that lost a file, to restore rows and records from each other, and to
                remove contents that nobody has used for an hour.

        Raises:
            LibraryError: the library cannot be reached.
        """
        return Checker(self._index, self.blobs, self.records, repair=repair).run(self._clock())

    def _claim_name(self, connection: Connection, name: str) -> schema.Held | None:
        """Return the damaged entry that has the name, or None when it is free."""
        held = schema.held(connection, name).get(name)
        if held is not None and not held.damaged:
            raise LibraryError(f"a name that is free is required, got {name!r}, which is in the library already")
        return held

    def _drop(self, gone: schema.Held) -> None:
        """Remove what only an entry had that is gone; what cannot be removed now is an orphan for the next check."""
        with suppress(NetgraftError), self._index.writing() as connection:
            self.records.remove(gone.record)
            for sha256 in schema.unused(connection, set(gone.files.values())):
                self.blobs.remove(sha256)


def _check_sketch(connection: Connection, sketch: bytes | None) -> None:
    """Refuse a sketch of another length than those there; the first one sets it."""
    if sketch is None:
        return
    length, known = len(sketch) // 2, schema.meta(connection, schema.SKETCH)
    if known is None:
        schema.set_meta(connection, schema.SKETCH, str(length))
    elif known != str(length):
        raise LibraryError(f"a sketch of {known} numbers is required as in the library, got {length}")


def _unknown(connection: Connection, name: str) -> SettingError:
    known = schema.names(connection)
    if not known:
        return SettingError(f"an entry is required, got {name!r}: the library is empty")
    return SettingError(unknown_name("an entry", name, known))
