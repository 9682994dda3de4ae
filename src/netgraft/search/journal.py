"""The journal of a search: one SQLite file with every evaluation, so that a killed search goes on where it was.

Rules the module keeps: a batch with all its evaluations and weights is one transaction, so a process killed at any
moment leaves whole batches only; the file is locked while open, so two searches cannot write to one journal; content is
JSON and bytes, never pickle. A journal belongs to one thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from netgraft.errors import JournalError, OutputError
from netgraft.records import canonical_json
from netgraft.search.database import Database
from netgraft.search.evaluation import Evaluation

FORMAT = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE batches (number INTEGER PRIMARY KEY, seconds REAL NOT NULL, scored INTEGER NOT NULL);
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL REFERENCES batches (number),
    state TEXT NOT NULL,
    genes TEXT NOT NULL,
    "values" TEXT NOT NULL,
    reason TEXT NOT NULL,
    details TEXT NOT NULL,
    seconds REAL NOT NULL
);
CREATE TABLE blobs (id INTEGER PRIMARY KEY REFERENCES evaluations (id), data BLOB NOT NULL);
CREATE TABLE store (name TEXT PRIMARY KEY, data BLOB NOT NULL);
"""


@dataclass(frozen=True)
class RecordedBatch:
    """One batch as the journal holds it.

    Attributes:
        index: the batch, from 0.
        evaluations: those of the batch, in order.
        seconds: how long the search had run when the batch was recorded.
        scored: the cheap estimates made for the batch.
    """

    index: int
    evaluations: tuple[Evaluation, ...]
    seconds: float
    scored: int


class Journal:
    """A handle on a journal file; close it, or use it in a ``with`` statement."""

    def __init__(self, database: Database) -> None:
        """Take over an open database; use `open`, `read` or `temporary` instead."""
        self._database = database

    @classmethod
    def open(cls, path: Path, fingerprint: str, settings: Mapping[str, Any], *, resume: bool) -> Journal:
        """Return the journal at the path, a new one where there is none.

        Args:
            path: the file.
            fingerprint: names the task, so that a journal of another table is refused.
            settings: everything else that determines the result, as JSON.
            resume: whether an existing journal may be continued.

        Raises:
            OutputError: the journal exists although `resume` is false, or cannot be written.
            JournalError: it is damaged, in use, of another table, of other settings or of another format version.
        """
        if path.exists() and not resume:
            raise OutputError(f"a folder without a journal is required (or --resume), got {path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"a folder that can be written is required, got {path.parent}: {error.strerror}"
            ) from error
        journal = cls(Database(path, create=True))
        try:
            if journal._is_empty():
                journal._create(fingerprint, settings)
            else:
                journal._check_format()
                journal._check_origin(fingerprint, settings)
            journal._database.lock()
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Return an existing journal for reading only, whatever table and settings it is of.

        Raises:
            JournalError: there is none, it is damaged, or it is of another format version.
        """
        if not path.is_file():
            raise JournalError(f"a journal is required, got no file at {path}")
        journal = cls(Database(path))
        try:
            journal._check_format()
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def temporary(cls, fingerprint: str = "", settings: Mapping[str, Any] | None = None) -> Journal:
        """Return a journal in memory that goes when it is closed."""
        journal = cls(Database(None))
        journal._create(fingerprint, settings or {})
        return journal

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        """How long the search had run when its last batch was recorded; 0 without one."""
        row = self._database.one("SELECT MAX(seconds) FROM batches")
        return float(row[0] or 0.0)

    def batches(self) -> Iterator[RecordedBatch]:
        """Yield the recorded batches in order.

        Raises:
            JournalError: the journal is damaged.
        """
        heads = self._database.all("SELECT number, seconds, scored FROM batches ORDER BY number")
        for number, seconds, scored in heads:
            yield RecordedBatch(number, self._evaluations(number), seconds, scored)

    def write_batch(
        self,
        index: int,
        evaluations: Sequence[Evaluation],
        blobs: Mapping[int, bytes],
        keep: set[int],
        *,
        seconds: float,
        scored: int = 0,
    ) -> None:
        """Record a batch in one transaction.

        Args:
            index: the batch, from 0.
            evaluations: those of the batch.
            blobs: the weights of evaluations of the batch, by id.
            keep: the evaluations whose weights are still needed; all other weights are deleted, new ones included.
            seconds: how long the search has run.
            scored: the cheap estimates made for the batch.

        Raises:
            OutputError: the journal cannot be written.
            JournalError: the journal is damaged.
        """
        rows = [(e.id, e.batch, e.state, *e.as_json(), e.reason, e.seconds) for e in evaluations]
        with self._database.transaction() as run:
            run.execute("INSERT INTO batches VALUES (?, ?, ?)", (index, seconds, scored))
            run.executemany(
                'INSERT INTO evaluations (id, batch, state, genes, "values", details, reason, seconds)'
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            held = [number for (number,) in run.execute("SELECT id FROM blobs").fetchall()]
            run.executemany("DELETE FROM blobs WHERE id = ?", [(number,) for number in held if number not in keep])
            run.executemany("INSERT INTO blobs VALUES (?, ?)", [item for item in blobs.items() if item[0] in keep])

    def blob(self, number: int) -> bytes | None:
        """Return the weights of an evaluation, or None when they are not kept."""
        row = self._database.one("SELECT data FROM blobs WHERE id = ?", number)
        return None if row is None else bytes(row[0])

    def put(self, name: str, data: bytes) -> None:
        """Store bytes under a name, in place of those before, in a transaction of their own.

        Raises:
            OutputError: the journal cannot be written.
            JournalError: the journal is damaged.
        """
        with self._database.transaction() as run:
            run.execute(
                "INSERT INTO store VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET data = excluded.data", (name, data)
            )

    def get(self, name: str) -> bytes | None:
        """Return the bytes stored under a name, or None."""
        row = self._database.one("SELECT data FROM store WHERE name = ?", name)
        return None if row is None else bytes(row[0])

    @property
    def settings(self) -> dict[str, Any]:
        """The settings the journal was begun with."""
        return dict(self._meta_json("settings"))

    def _evaluations(self, batch: int) -> tuple[Evaluation, ...]:
        query = (
            'SELECT id, batch, genes, state, "values", reason, details, seconds'
            " FROM evaluations WHERE batch = ? ORDER BY id"
        )
        rows = self._database.all(query, batch)
        with self._database.translated():
            return tuple(
                Evaluation(
                    number, of, json.loads(genes), state, json.loads(values), reason, json.loads(details), seconds
                )
                for number, of, genes, state, values, reason, details, seconds in rows
            )

    def _is_empty(self) -> bool:
        return int(self._database.one("SELECT COUNT(*) FROM sqlite_master")[0]) == 0

    def _create(self, fingerprint: str, settings: Mapping[str, Any]) -> None:
        meta = {"format": FORMAT, "fingerprint": fingerprint, "settings": dict(settings)}
        with self._database.transaction() as run:
            for statement in _SCHEMA.split(";"):
                run.execute(statement)
            rows = [(key, canonical_json(value, indent=None)) for key, value in meta.items()]
            run.executemany("INSERT INTO meta VALUES (?, ?)", rows)

    def _check_format(self) -> None:
        found = self._meta_json("format")
        if found != FORMAT:
            raise JournalError(
                f"a journal of format version {FORMAT} is required, got version {found} in {self._database.path}"
            )

    def _check_origin(self, fingerprint: str, settings: Mapping[str, Any]) -> None:
        found = self._meta_json("fingerprint")
        if found != fingerprint:
            raise JournalError(
                f"a journal of this table is required to resume, got {self._database.path} of another"
                f" (fingerprint {fingerprint[:12]!r} is required, got {str(found)[:12]!r})"
            )
        old, new = self.settings, json.loads(canonical_json(dict(settings)))
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                before, now = json.dumps(old.get(name)), json.dumps(new.get(name))
                raise JournalError(
                    f"{name} must be {before} as in the journal {self._database.path} to resume, got {now}"
                )

    def _meta_json(self, key: str) -> Any:
        row = self._database.one("SELECT value FROM meta WHERE key = ?", key)
        if row is None:
            raise JournalError(f"a journal written by netgraft is required, got {self._database.path} without {key!r}")
        with self._database.translated():
            return json.loads(row[0])
