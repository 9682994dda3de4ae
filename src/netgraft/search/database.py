"""One SQLite file: opened so that it survives a kill, locked while written, with SQLite's errors translated."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from netgraft.errors import JournalError, NetgraftError, OutputError

# What SQLite says when the file cannot be written, as opposed to when it is damaged.
_CANNOT_WRITE = ("full", "readonly", "read-only", "unable to open", "disk I/O")


class Database:
    """A connection to the file; every error of SQLite, and of JSON read from it, leaves as one of Netgraft's.

    The rollback journal is used rather than WAL: at rest all is in one file, and network file systems work.
    """

    def __init__(self, path: Path | None, *, create: bool = False) -> None:
        """Open the file.

        Args:
            path: the file; None for a database in memory.
            create: whether the file is made where there is none.

        Raises:
            OutputError: it cannot be opened.
            JournalError: it is no database, or another process is writing to it.
        """
        self.path = path
        with self.translated():
            self._connection = sqlite3.connect(_address(path, create), uri=True, timeout=0.2, isolation_level=None)
        try:
            with self.translated():
                self._connection.execute("PRAGMA journal_mode = DELETE")
                self._connection.execute("PRAGMA synchronous = FULL")
        except NetgraftError:
            self.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def lock(self) -> None:
        """Hold the file until it is closed: in the exclusive mode the lock of a first transaction is kept.

        Raises:
            JournalError: another process is writing to it.
        """
        with self.translated():
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        with self.transaction():
            pass

    def one(self, query: str, *values: Any) -> Any:
        """Return the first row of a query, or None."""
        with self.translated(), closing(self._connection.execute(query, values)) as cursor:
            return cursor.fetchone()

    def all(self, query: str, *values: Any) -> list[Any]:
        """Return the rows of a query."""
        with self.translated(), closing(self._connection.execute(query, values)) as cursor:
            return cursor.fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction that is committed at the end, or rolled back.

        Raises:
            OutputError: the file cannot be written.
            JournalError: it is damaged, or another process is writing to it.
        """
        with self.translated():
            self._connection.execute("BEGIN EXCLUSIVE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of SQLite and JSON into those of Netgraft.

        Raises:
            OutputError: the file cannot be written.
            JournalError: it is damaged, or another process is writing to it.
        """
        try:
            yield
        except (sqlite3.Error, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._translation(error) from error

    def _translation(self, error: Exception) -> NetgraftError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return JournalError(f"a journal that no other search is using is required, got {self.path}: {text}")
        if isinstance(error, sqlite3.OperationalError) and any(word in text for word in _CANNOT_WRITE):
            return OutputError(f"a journal that can be written is required, got {self.path}: {text}")
        return JournalError(f"a journal written by netgraft is required, got {self.path}: {text}")


def _address(path: Path | None, create: bool) -> str:
    """Return the path as the address of a database: the characters that would end a path are escaped."""
    if path is None:
        return ":memory:"
    escaped = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{escaped}?mode={'rwc' if create else 'rw'}"
