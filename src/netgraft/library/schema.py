"""The tables of the index, and what is read from and written to them inside a transaction.

What is long comes last in a row, so that a scan of names and sketches need not read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, LargeBinary, MetaData, String, Table, Text

from netgraft.errors import LibraryError
from netgraft.library.entry import NAME_LENGTH, Entry, Heading
from netgraft.library.record import entry_of

FORMAT = 1
#: keys of settings
SKETCH, BLOBS = "sketch", "blobs"
TABLES = MetaData()
META = Table("meta", TABLES, Column("key", String(50), primary_key=True), Column("value", Text, nullable=False))
ENTRIES = Table(
    "entries",
    TABLES,
    Column("name", String(NAME_LENGTH), primary_key=True),
    Column("domain", Text),
    Column("kind", String(NAME_LENGTH), nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("error", Double, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("licence", Text),
    Column("created", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("damaged", Boolean, nullable=False),
    Column("record", String(64), nullable=False),
    Column("sketch", LargeBinary),
    Column("columns", Text, nullable=False),
    Column("lineage", Text, nullable=False),
    Column("facts", Text, nullable=False),
)
FILES = Table(
    "files",
    TABLES,
    Column("entry", String(NAME_LENGTH), primary_key=True),
    Column("file", String(NAME_LENGTH), primary_key=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
)
_JSON = ("columns", "lineage", "facts")


@dataclass(frozen=True)
class Held:
    """What the index holds of an entry.

    Attributes:
        name: of the entry.
        damaged: whether a check found that it must not be used.
        record: the SHA-256 of its record.
        files: the SHA-256 of each of its files.
    """

    name: str
    damaged: bool
    record: str
    files: Mapping[str, str]


def insert(connection: Connection, added: Iterable[tuple[Entry, bytes | None, str]]) -> None:
    """Write entries, each with its sketch and the SHA-256 of its record."""
    entries, files = [], []
    for entry, sketch, record in added:
        long = {"columns": entry.columns, "lineage": entry.lineage, "facts": entry.facts}
        texts = {name: json.dumps(value) for name, value in long.items()}
        entries.append({**entry.heading()._asdict(), **texts, "record": record, "sketch": sketch})
        for name, file in entry.files.items():
            files.append({"entry": entry.name, "file": name, "sha256": file.sha256, "size": file.size})
    for table, rows in ((ENTRIES, entries), (FILES, files)):
        if rows:
            connection.execute(table.insert(), rows)


def delete(connection: Connection, gone: Held) -> None:
    """Delete an entry."""
    connection.execute(FILES.delete().where(FILES.c.entry == gone.name))
    connection.execute(ENTRIES.delete().where(ENTRIES.c.name == gone.name))


def unused(connection: Connection, hashes: set[str]) -> set[str]:
    """Return those hashes of files that no entry has."""
    return hashes - set(connection.scalars(sql.select(FILES.c.sha256).where(FILES.c.sha256.in_(hashes))))


def mark(connection: Connection, record: str, *, damaged: bool) -> None:
    """Say whether the entry of a record is damaged."""
    connection.execute(ENTRIES.update().where(ENTRIES.c.record == record).values(damaged=damaged))


def held(connection: Connection, name: str | None = None) -> dict[str, Held]:
    """Return what the index holds of all entries, or of one if it is there."""
    entries = sql.select(ENTRIES.c.name, ENTRIES.c.damaged, ENTRIES.c.record)
    files = sql.select(FILES.c.entry, FILES.c.file, FILES.c.sha256)
    if name is not None:
        entries, files = entries.where(ENTRIES.c.name == name), files.where(FILES.c.entry == name)
    of: dict[str, dict[str, str]] = {}
    for entry, file, sha256 in connection.execute(files):
        of.setdefault(entry, {})[file] = sha256
    return {
        row.name: Held(row.name, row.damaged, row.record, of.get(row.name, {})) for row in connection.execute(entries)
    }


def fetch(connection: Connection, name: str) -> tuple[Entry, bytes | None] | None:
    """Return an entry and its sketch, or None when there is none of that name.

    Raises:
        LibraryError: its row in the index is damaged.
    """
    row = connection.execute(sql.select(ENTRIES).where(ENTRIES.c.name == name)).mappings().first()
    if row is None:
        return None
    query = sql.select(FILES.c.file, FILES.c.sha256, FILES.c.size).where(FILES.c.entry == name).order_by(FILES.c.file)
    files = {file: {"sha256": sha256, "size": size} for file, sha256, size in connection.execute(query)}
    fields = {key: value for key, value in row.items() if key not in ("record", "sketch", "size_bytes")}
    try:
        fields |= {key: json.loads(row[key]) for key in _JSON}
        return entry_of({**fields, "files": files}), row["sketch"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LibraryError(f"entry {name!r} must have a whole row in the index, got: {error}") from error


def headings(connection: Connection, domain: str | None, kind: str | None) -> list[Heading]:
    """Return what a list says of the entries, by name."""
    query = sql.select(*(ENTRIES.c[name] for name in Heading._fields))
    if domain is not None:
        query = query.where(ENTRIES.c.domain == domain)
    if kind is not None:
        query = query.where(ENTRIES.c.kind == kind)
    return sorted(map(Heading._make, connection.execute(query)))


def names(connection: Connection) -> list[str]:
    """Return all names in order of their characters, whatever the database's own order is."""
    return sorted(connection.scalars(sql.select(ENTRIES.c.name)))


def sketches(connection: Connection, kind: str | None, size: int) -> list[tuple[str, bytes]]:
    """Return name and sketch, by name, of the entries that may be used and have a sketch of so many bytes."""
    query = sql.select(ENTRIES.c.name, ENTRIES.c.sketch)
    query = query.where(~ENTRIES.c.damaged, sql.func.length(ENTRIES.c.sketch) == size)
    if kind is not None:
        query = query.where(ENTRIES.c.kind == kind)
    return sorted((name, sketch) for name, sketch in connection.execute(query))


def meta(connection: Connection, key: str) -> str | None:
    """Return a setting of the library, or None."""
    return connection.scalar(sql.select(META.c.value).where(META.c.key == key))


def begin(connection: Connection, settings: Mapping[str, str]) -> None:
    """Write the format version and settings, those that are not there yet."""
    for key, value in {"format": str(FORMAT), **settings}.items():
        if meta(connection, key) is None:
            set_meta(connection, key, value)


def set_meta(connection: Connection, key: str, value: str) -> None:
    """Write a setting that is not there yet."""
    connection.execute(META.insert().values(key=key, value=value))
