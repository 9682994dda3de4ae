"""Contents stored by their SHA-256, in a folder or any object store that fsspec knows.

A content lies at ``<first two digits>/<digits>``, written aside and renamed where the store is a file system; object
stores put whole objects. Paths are made from validated digits only. Storing what is there writes it again: that heals
a damaged content and makes it young, so that a check does not take it for an orphan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from netgraft.errors import LibraryError, SettingError
from netgraft.records import sha256_hex, write_bytes

_DIGITS = re.compile("[0-9a-f]{64}")
# a content, or one that a killed process was writing
_PATH = re.compile(r"([0-9a-f]{2})/(?:(\1[0-9a-f]{62})|\.\1[0-9a-f]{62}\.[^/]+)")


class Blobs:
    """A store of contents; it holds no connection and no state between calls."""

    def __init__(self, address: str) -> None:
        """Name the store.

        Args:
            address: a folder, or a URL of fsspec such as ``s3://bucket/folder``.

        Raises:
            SettingError: the protocol of the URL is unknown, or its package is not installed.
        """
        self.address = address
        self.files: Any
        if "://" not in address:
            self.files, root = LocalFileSystem(), str(Path(address).absolute())
        else:
            try:
                self.files, root = fsspec.core.url_to_fs(address)
            except (ImportError, ValueError) as error:
                raise SettingError(
                    f"a folder or a URL of an object store is required, got {address}: {error}"
                ) from error
        self._root = root.rstrip("/")

    def path(self, sha256: str) -> str:
        """Return where a content lies in the file system of the store.

        Raises:
            LibraryError: it is no SHA-256.
        """
        if not _DIGITS.fullmatch(sha256):
            raise LibraryError(f"a SHA-256 in hexadecimal digits is required, got {sha256!r}")
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def create(self) -> None:
        """Make the store where it needs making.

        Raises:
            LibraryError: it cannot be made.
        """
        with self._translated():
            self.files.makedirs(self._root, exist_ok=True)

    def exists(self) -> bool:
        """Return whether the store is there."""
        with self._translated():
            self.files.invalidate_cache()
            return bool(self.files.exists(self._root))

    def put(self, data: bytes) -> str:
        """Store a content and return its SHA-256.

        Raises:
            OutputError, LibraryError: the store cannot be written.
        """
        sha256 = sha256_hex(data)
        path = self.path(sha256)
        if isinstance(self.files, LocalFileSystem):
            write_bytes(Path(path), data)
        else:
            with self._translated():
                self.files.pipe_file(path, data)
        return sha256

    def get(self, sha256: str) -> bytes | None:
        """Return what lies under a SHA-256, unchecked, or None when nothing does.

        Raises:
            LibraryError: the store cannot be read.
        """
        with self._translated():
            try:
                return bytes(self.files.cat_file(self.path(sha256)))
            except FileNotFoundError:
                return None

    def has(self, sha256: str) -> bool:
        """Return whether something lies under a SHA-256."""
        with self._translated():
            self.files.invalidate_cache()
            return bool(self.files.exists(self.path(sha256)))

    def remove(self, sha256: str) -> None:
        """Remove a content, if it is there."""
        self._remove(self.path(sha256))

    def stored(self) -> list[str]:
        """Return the hashes of what is stored."""
        return [found[2] for found in self._listed() if found[2]]

    def sweep(self, used: set[str], before: datetime, *, remove: bool) -> list[str]:
        """Return the names of what nobody uses.

        Args:
            used: the hashes that are needed.
            before: what was written later is left alone: it may be of an add that has not ended.
            remove: whether to remove it.
        """
        names = []
        for found in self._listed():
            path = f"{self._root}/{found[0]}"
            if found[2] in used or not self._is_older(path, before):
                continue
            names.append(found[0].rpartition("/")[2])
            if remove:
                self._remove(path)
        return names

    def _listed(self) -> list[re.Match[str]]:
        with self._translated():
            self.files.invalidate_cache()
            found = sorted(self.files.find(self._root))
        start = len(self._root) + 1
        return [match for path in found if (match := _PATH.fullmatch(str(path)[start:]))]

    def _is_older(self, path: str, before: datetime) -> bool:
        with self._translated():
            try:
                changed: datetime = self.files.modified(path)
            except FileNotFoundError:
                return False
        return (changed if changed.tzinfo else changed.replace(tzinfo=UTC)) < before

    def _remove(self, path: str) -> None:
        with self._translated():
            try:
                self.files.rm_file(path)
            except FileNotFoundError:
                return

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn errors of the store into those of Netgraft."""
        try:
            yield
        except OSError as error:
            raise LibraryError(f"a store that can be used is required, got {self.address}: {error}") from error
