"""Where a library lies: a folder, a folder or file with ``library.toml``, or the URL of a database."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from netgraft.errors import LibraryError, SettingError

INDEX, BLOBS, SETTINGS = "index.db", "blobs", "library.toml"


@dataclass(frozen=True)
class Place:
    """Where a library lies.

    Attributes:
        label: the location as messages show it, without a password.
        database: the URL of its index.
        blobs: the folder or URL of its files; None when the index knows it.
    """

    label: str
    database: URL
    blobs: str | None


def place_of(location: str | os.PathLike[str]) -> Place:
    """Return where a library lies.

    Args:
        location: a folder, a folder or file with settings, or a database URL.

    Raises:
        LibraryError: the settings are damaged.
        SettingError: a URL is not one.
    """
    text = os.fspath(location)
    if "://" in text:
        database = _url(text)
        return Place(database.render_as_string(hide_password=True), database, None)
    path = Path(text)
    settings = path if path.suffix == ".toml" else path / SETTINGS
    if settings.is_file():
        return _from_file(settings)
    if path.suffix == ".toml":
        raise LibraryError(f"a library is required, got no file at {path}")
    folder = path.absolute()
    return Place(text, URL.create("sqlite", database=str(folder / INDEX)), str(folder / BLOBS))


def settings_text(database: str, blobs: str) -> str:
    """Return the text of ``library.toml``.

    Raises:
        SettingError: the database URL is not one.
    """
    _url(database)
    quoted = (json.dumps(value, ensure_ascii=False) for value in (database, blobs))  # a JSON text is one of TOML too
    return "database = {}\nblobs = {}\n".format(*quoted)


def place_from(settings: str, path: Path) -> Place:
    """Return the place that settings tell.

    Args:
        settings: the text of a ``library.toml``.
        path: of the file; what is relative is beside it.

    Raises:
        LibraryError: the settings are not such.
        SettingError: the database URL is not one.
    """
    try:
        values = tomllib.loads(settings)
    except ValueError as error:
        raise LibraryError(f"{path} must be TOML, got: {error}") from error
    texts = {key: value for key, value in values.items() if isinstance(value, str)}
    if texts != values or not {"database"} <= set(texts) <= {"database", "blobs"}:
        found = ", ".join(values) or "nothing"
        raise LibraryError(f"{path} must have the text 'database' and may have the text 'blobs', got {found}")
    database, blobs = _url(texts["database"]), texts.get("blobs")
    if database.get_backend_name() == "sqlite":
        database = database.set(database=str(path.absolute().parent / str(database.database)))
    if blobs is not None and "://" not in blobs:
        blobs = str(path.absolute().parent / blobs)
    return Place(str(path), database, blobs)


def _from_file(path: Path) -> Place:
    """Return the place that a ``library.toml`` tells."""
    try:
        return place_from(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"a readable file is required, got {path}: {error}") from error


def _url(text: str) -> URL:
    """Return a database URL with the driver that is used here.

    Raises:
        SettingError: it is no URL, or of a database in memory.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise SettingError("a database URL such as postgresql://host/name is required, got another text") from error
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise SettingError(f"a database that lasts is required, got {text!r}")
    return url
