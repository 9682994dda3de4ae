"""Where published files lie: a folder, or an object store that fsspec knows, behind one small port."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from netgraft.errors import SettingError, StorageError
from netgraft.records import write_bytes

_T = TypeVar("_T")


class Files(Protocol):
    """Where files lie: paths are made by this module alone, from checked parts with slashes between them."""

    def read(self, path: str) -> bytes | None:
        """Return a file, or None where there is none."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Write a file where there is none; return whether it was written."""
        ...

    def names(self, path: str) -> list[str]:
        """Return the names in a folder; none where there is no folder."""
        ...


class LocalFiles:
    """A folder."""

    def __init__(self, root: Path) -> None:
        """Name the folder."""
        self._root = root

    def read(self, path: str) -> bytes | None:
        """Return a file, or None where there is none."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write aside and rename."""
        write_bytes(self._root / path, data)

    def create(self, path: str, data: bytes) -> bool:
        """Write aside and link: the name appears with its content, and only where it is free."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as aside:
            written = Path(aside) / "new"
            write_bytes(written, data)
            try:
                target.hardlink_to(written)
            except FileExistsError:
                return False
            except OSError:  # a file system without links: a kill may leave half of this one file
                return _create_here(target, data)
        return True

    def names(self, path: str) -> list[str]:
        """Return the names in a folder."""
        try:
            return [found.name for found in (self._root / path).iterdir() if not found.name.startswith(".")]
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            if "/" in path and (self._root / path).is_file():  # a stray one among folders, not in place of them all
                return []
            raise


def _create_here(path: Path, data: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


class RemoteFiles:
    """An object store that fsspec knows; whole objects are put."""

    def __init__(self, address: str) -> None:
        """Name the store.

        Raises:
            SettingError: the protocol of the URL is unknown, or its package is not installed.
        """
        import fsspec

        try:
            self._store: Any
            self._store, root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise SettingError(f"a folder or a URL of an object store is required, got {address}: {error}") from error
        self._root = root.rstrip("/")

    def read(self, path: str) -> bytes | None:
        """Return a file, or None where there is none."""
        try:
            return bytes(self._store.cat_file(f"{self._root}/{path}"))
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Put a whole object."""
        target = f"{self._root}/{path}"
        self._store.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._store.pipe_file(target, data)

    def create(self, path: str, data: bytes) -> bool:
        """Put where nothing is; a store without conditional writes leaves a moment in which two could."""
        self._store.invalidate_cache()
        if self._store.exists(f"{self._root}/{path}"):
            return False
        try:
            self._store.makedirs(f"{self._root}/{path}".rpartition("/")[0], exist_ok=True)
            self._store.pipe_file(f"{self._root}/{path}", data, mode="create")
        except FileExistsError:
            return False
        except (TypeError, ValueError, NotImplementedError):  # this store knows no conditional write
            self._store.pipe_file(f"{self._root}/{path}", data)
        return True

    def names(self, path: str) -> list[str]:
        """Return the names in a folder."""
        self._store.invalidate_cache()
        try:
            found: Sequence[str] = self._store.ls(f"{self._root}/{path}", detail=False)
        except FileNotFoundError:
            return []
        return [each.rstrip("/").rpartition("/")[2] for each in found]


def translated(address: str, call: Callable[[], _T]) -> _T:
    """Return what a call gives; errors of the store become those of Netgraft.

    Raises:
        StorageError: the store fails.
    """
    try:
        return call()
    except OSError as error:
        raise StorageError(f"a place for models that can be used is required, got {address}: {error}") from error
