"""The index of a library: one SQL database, reached in transactions, with its errors translated.

Rules the module keeps: a connection lives as long as a transaction, so a handle may cross a fork and needs no closing;
writers come one after the other (`BEGIN IMMEDIATE` in SQLite, a lock on the row of the format elsewhere), and what they
read under that lock stays true until they commit; getting a connection and the lock is tried a bounded number of times.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import URL, Connection, Engine, NullPool, event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from netgraft.errors import LibraryError, NetgraftError, SettingError
from netgraft.library import schema

#: seconds between the attempts to get a connection and the lock
WAITS_S = (0.1, 0.4, 1.6)
#: how long one attempt waits for another writer
PATIENCE_S = 5.0
_BUSY = ("locked", "busy", "lock timeout")
_CANNOT_WRITE = ("full", "readonly", "read-only", "unable to open", "disk I/O")
_WRITING = "netgraft_writing"


class Index:
    """A handle on the database of a library."""

    def __init__(self, url: URL, label: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Name the database; nothing is opened.

        Args:
            url: of SQLAlchemy.
            label: what messages call the library.
            sleep: waits so many seconds.

        Raises:
            SettingError: there is no driver for the URL.
        """
        self.label = label
        self.path = Path(str(url.database)).absolute() if url.get_backend_name() == "sqlite" else None
        self._sleep = sleep
        self._engine = _engine(url, self.path)

    @contextmanager
    def creating(self) -> Iterator[Connection]:
        """Give a connection to a database with all tables, which are made in the same transaction where missing.

        Raises:
            LibraryError: the database cannot be reached or written.
        """
        if self.path:
            with self._translated(), closing(_connect_file(self.path, create=True)) as raw:
                raw.execute("PRAGMA journal_mode = WAL")
        with self._session(lock=None) as connection:
            schema.TABLES.create_all(connection)
            yield connection

    def set_aside(self) -> Path | None:
        """Move a SQLite file away and return where it is now; None where there is no file.

        Raises:
            LibraryError: it cannot be moved.
        """
        if self.path is None or not self.path.exists():
            return None
        kept = self.path.with_name(f"{self.path.name}.damaged")
        try:
            for tail in ("-wal", "-shm", ""):  # the file last: one without its log must not be taken for the index
                source = self.path.with_name(self.path.name + tail)
                if source.exists():
                    source.replace(kept.with_name(kept.name + tail))
        except OSError as error:
            raise LibraryError(f"a library that can be written is required, got {self.label}: {error}") from error
        return kept

    def version(self) -> str | None:
        """Return the format version, or None where there is no index.

        Raises:
            LibraryError: the database cannot be reached or is damaged.
        """
        if self.path and not self.path.is_file():
            return None
        with self.reading() as connection:
            has_meta = sql.inspect(connection).has_table(schema.META.name)
            return schema.meta(connection, "format") if has_meta else None

    def is_whole(self) -> bool:
        """Return whether all tables are there and, in SQLite, no page of the file is damaged.

        Raises:
            LibraryError: the database cannot be reached.
        """
        try:
            if self.version() is None:
                return False
            with self.reading() as connection:
                there = set(sql.inspect(connection).get_table_names())
                found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() if self.path else "ok"
        except LibraryError as error:
            if _is_damage(error.__cause__):
                return False
            raise
        return found == "ok" and there >= set(schema.TABLES.tables)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the index.

        Raises:
            LibraryError: the database cannot be reached or is damaged.
        """
        with self._session(lock=None, write=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection that no other writer disturbs; committed at the end, rolled back on an error.

        Raises:
            LibraryError: the database cannot be reached, is damaged, cannot be written, or another process holds it.
        """
        row = sql.select(schema.META.c.value).where(schema.META.c.key == "format").with_for_update()
        with self._session(lock=row) as connection:
            yield connection

    @contextmanager
    def _session(self, *, lock: sql.Select[Any] | None, write: bool = True) -> Iterator[Connection]:
        with self._translated():
            connection = self._begun(lock, write)
            try:
                yield connection
                if write:
                    connection.commit()
            finally:
                connection.close()

    def _begun(self, lock: sql.Select[Any] | None, write: bool) -> Connection:
        """Return a connection in a transaction, trying a bounded number of times."""
        for wait in WAITS_S:
            try:
                return self._attempt(lock, write)
            except OperationalError as error:
                if any(text in str(error.orig) for text in _CANNOT_WRITE):
                    raise
                self._sleep(wait)
        return self._attempt(lock, write)

    def _attempt(self, lock: sql.Select[Any] | None, write: bool) -> Connection:
        connection = self._engine.connect().execution_options(**{_WRITING: write})
        try:
            connection.begin()
            if lock is not None:
                connection.execute(lock)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn errors of the database into those of Netgraft."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translation(error) from error

    def _translation(self, error: Exception) -> NetgraftError:
        text = " ".join(str(getattr(error, "orig", None) or error).split())
        if any(word in text for word in _BUSY):
            return LibraryError(f"a library that no other process is holding is required, got {self.label}: {text}")
        if any(word in text for word in _CANNOT_WRITE):
            return LibraryError(f"a library that can be written is required, got {self.label}: {text}")
        if _is_damage(error):
            return LibraryError(
                f"a library with a whole index is required, got {self.label}: {text};"
                " netgraft library check --repair makes it again"
            )
        if isinstance(error, OperationalError):
            tries = len(WAITS_S) + 1
            return LibraryError(f"a database that answers is required, got {self.label} after {tries} attempts: {text}")
        return LibraryError(f"a database that can hold a library is required, got {self.label}: {text}")


def _is_damage(error: BaseException | None) -> bool:
    """Return whether an error says that the content of a SQLite file is wrong."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.OperationalError):
        return "no such" in str(cause)
    return isinstance(cause, sqlite3.DatabaseError | UnicodeDecodeError)


def _engine(url: URL, path: Path | None) -> Engine:
    """Return an engine that keeps no connections.

    Raises:
        SettingError: there is no driver for the URL.
    """
    if path is not None:
        engine = sql.create_engine("sqlite://", creator=lambda: _connect_file(path), poolclass=NullPool)
        event.listen(engine, "begin", _begin_file)
        return engine
    is_postgres = url.drivername == "postgresql+psycopg"
    timeouts = {"connect_timeout": 5, "options": _postgres_options(url)} if is_postgres else {}
    try:
        return sql.create_engine(url, connect_args=timeouts, poolclass=NullPool, hide_parameters=True)
    except (SQLAlchemyError, ImportError) as error:
        hint = ": pip install 'netgraft[postgres]'" if is_postgres else ""
        shown = url.render_as_string(hide_password=True)
        raise SettingError(f"a database whose driver is installed is required, got {shown}{hint} ({error})") from error


def _postgres_options(url: URL) -> str:
    """Return the options of a session: those of the URL and a bound on waiting for locks."""
    given = url.query.get("options", "")
    return f"{given if isinstance(given, str) else ' '.join(given)} -c lock_timeout={int(PATIENCE_S * 1000)}".strip()


def _connect_file(path: Path, *, create: bool = False) -> sqlite3.Connection:
    address = f"{path.as_uri()}?mode={'rwc' if create else 'rw'}"
    return sqlite3.connect(address, uri=True, timeout=PATIENCE_S, isolation_level=None)


def _begin_file(connection: Connection) -> None:
    """Begin a transaction of SQLite: a writer takes its lock at once, so it can wait for it."""
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
