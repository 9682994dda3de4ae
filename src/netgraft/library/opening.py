"""What opening and making a library need: whether there is one, and where its files are."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from netgraft.errors import LibraryError, SettingError
from netgraft.library import schema
from netgraft.library.blobs import Blobs
from netgraft.library.index import Index
from netgraft.library.place import BLOBS, INDEX, SETTINGS, Place, place_from, place_of, settings_text


@dataclass(frozen=True)
class Plan:
    """A library to be made.

    Attributes:
        place: where it will lie.
        folder: the folder to be made for it; None where a URL says it all.
        settings: the text of its ``library.toml``, or None when it needs none.
        kept: what its index must say of it.
    """

    place: Place
    folder: Path | None
    settings: str | None
    kept: dict[str, str]

    def make_folder(self) -> None:
        """Make the folder, which must be new or empty.

        Raises:
            LibraryError: it holds something or cannot be written.
        """
        if self.folder is None:
            return
        try:
            held = sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []
            if held:
                raise LibraryError(f"a new or empty folder is required, got {self.folder} with {held[0]!r} in it")
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(f"a folder that can be written is required, got {self.folder}: {error}") from error

    def write_settings(self) -> None:
        """Write the settings: the last step, so that a folder with settings is a library.

        Raises:
            LibraryError: the folder cannot be written.
        """
        if self.folder is None or self.settings is None:
            return
        path = self.folder / SETTINGS
        try:
            path.touch(mode=0o600)  # a URL may have a password in it
            path.write_text(self.settings, encoding="utf-8")
        except OSError as error:
            raise LibraryError(f"a folder that can be written is required, got {self.folder}: {error}") from error


def planned(location: str | os.PathLike[str], database: str | None, blobs: str | None) -> Plan:
    """Return how a library is to be made; nothing is touched yet.

    Args:
        location: a folder, or a database URL.
        database: for a folder: the URL of a database that has the index instead.
        blobs: a folder or URL for the files; needed with a database URL.

    Raises:
        SettingError: a URL is not one, or there is no place for the files.
    """
    text = os.fspath(location)
    is_url = "://" in text
    if (is_url or database) and not blobs:
        raise SettingError("a place for the files (blobs) is required beside a database, got none")
    if is_url and database:
        raise SettingError("a folder is required for a library with a database of its own, got another database URL")
    if is_url:
        address = str(blobs) if "://" in str(blobs) else str(Path(str(blobs)).absolute())
        return Plan(replace(place_of(text), blobs=address), None, None, {schema.BLOBS: address})
    folder = Path(text)
    if folder.suffix == ".toml":
        raise SettingError(f"a folder is required to make a library in, got {folder}")
    if not (database or blobs):
        return Plan(place_of(folder), folder, None, {})
    settings = settings_text(database or f"sqlite:///{INDEX}", blobs or BLOBS)
    place = place_from(settings, folder / SETTINGS)
    return Plan(place, folder, settings, {schema.BLOBS: str(place.blobs)})


def check_version(place: Place, index: Index) -> None:
    """Refuse a place without a library of this format version.

    Raises:
        LibraryError: there is none, it is of another version, damaged, or cannot be reached.
    """
    version = index.version()
    if version is None:
        raise no_library(place)
    if version != str(schema.FORMAT):
        raise LibraryError(
            f"a library of format version {schema.FORMAT} is required, got version {version} at {place.label}"
        )


def no_library(place: Place) -> LibraryError:
    """Return the error for a place without an index, which differs when the files are there."""
    if place.blobs is not None and stores(place)[1].exists():
        return LibraryError(
            f"a library with an index is required, got {place.label} without one;"
            " netgraft library check --repair makes it again"
        )
    return LibraryError(f"a library is required, got none at {place.label}; netgraft library init makes one")


def stores(place: Place, index: Index | None = None) -> tuple[Blobs, Blobs]:
    """Return the store of the files and that of the records.

    Args:
        place: of the library.
        index: asked where the files are if the place does not say.

    Raises:
        LibraryError: nobody knows where the files are, or the index cannot be reached.
        SettingError: the URL is not one.
    """
    address = place.blobs
    if address is None and index is not None:
        with index.reading() as connection:
            address = schema.meta(connection, schema.BLOBS)
    if address is None:
        raise LibraryError(f"a library that says where its files are is required, got {place.label}")
    root = address.rstrip("/")
    return Blobs(root), Blobs(f"{root}/entries")
