"""What is published: heads and chunks in a folder or an object store, laid out so that any static server can serve it.

::

    c/<sha256>                          a chunk; the folder can be given to nginx or a CDN as it is
    heads/<sha256>                      a signed head under its identity
    names/<name>/<8 digit version>      the identity of the head of that version
    names/<name>/<version>.retracted    that version is offered no more; its number is never free again
    trust.json                          the chain of trust documents

Rules the module keeps: nothing is ever changed but the trust chain, which grows, and who has signed a head. Chunks come
first, then the head, and the file of the version last: it is created only where none is, so of two publishers one gets
the number, and a kill leaves at most files nobody names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote

from netgraft.delivery.offering.files import Files, LocalFiles, RemoteFiles, translated
from netgraft.errors import ChunkError, DeliveryError, HeadError, SettingError, TrustError, unknown_name
from netgraft.records import sha256_hex

if TYPE_CHECKING:
    from netgraft.delivery.format.head import OpenedHead
    from netgraft.library import Library

FOLDER = "published"
_DIGITS = re.compile("[0-9a-f]{64}")
_VERSION = re.compile("[0-9]{8}")
_RETRACTED = ".retracted"
_TRUST = "trust.json"
_MOST_VERSIONS, _LONGEST_NAME = 99_999_999, 240


class Published:
    """A handle on what is published; it holds no connection and no state between calls."""

    def __init__(self, address: str) -> None:
        """Name the place.

        Args:
            address: a folder, or a URL of fsspec such as ``s3://bucket/published``.

        Raises:
            SettingError: the protocol of the URL is unknown, or its package is not installed.
        """
        self.address = address
        self._files: Files = RemoteFiles(address) if "://" in address else LocalFiles(Path(address))

    @classmethod
    def of(cls, library: Library) -> Self:
        """Return what a library publishes: beside its files."""
        scheme, separator, path = library.blobs.address.rstrip("/").rpartition("://")
        return cls(f"{scheme}{separator}{path.rpartition('/')[0] or path}/{FOLDER}")

    @property
    def folder(self) -> Path | None:
        """Where it lies when it is a folder, else None."""
        return None if "://" in self.address else Path(self.address)

    def add(self, head: bytes, chunks: Mapping[str, bytes]) -> OpenedHead:
        """Publish a version and return its head; publishing the same again changes nothing.

        Signatures are not checked here: whoever lets others publish does that first.

        Args:
            head: the signed head.
            chunks: bytes by SHA-256; those that are published already may be missing.

        Raises:
            HeadError: the head is damaged.
            ChunkError: bytes fail their hash, a chunk that the head names is missing, or the head does not name one.
            DeliveryError: the version is taken, or below one that was there.
            StorageError: the place cannot be written.
        """
        from netgraft.delivery.format.head import unpack_head

        opened = unpack_head(head, _accept)
        name, version = opened.head.name, opened.head.version
        self._check_free(name, version, opened.sha256)
        self._add_chunks({sha256_hex(opened.first): opened.first, **chunks}, _chunk_hashes(opened))
        self._write(f"heads/{opened.sha256}", head)
        path = f"{_folder_of(name)}/{version:08d}"
        if not self._create(path, opened.sha256.encode()) and self._read(path) != opened.sha256.encode():
            raise DeliveryError(f"a free version of {name!r} is required, got {version}, which is taken")
        return opened

    def names(self) -> list[str]:
        """Return the names that have a version, in order."""
        found = sorted(unquote(folder) for folder in self._names("names"))
        return [name for name in found if self.versions(name)]

    def versions(self, name: str) -> list[int]:
        """Return the versions of a name that are offered, in order; none for an unknown one."""
        found = set(self._names(_folder_of(name)))
        return sorted(int(text) for text in found if _VERSION.fullmatch(text) and text + _RETRACTED not in found)

    def next_version(self, name: str) -> int:
        """Return the lowest version that is free: above all there ever were, retracted ones included."""
        return max(self._taken(name), default=0) + 1

    def latest(self, name: str) -> tuple[int, str]:
        """Return the highest version of a name and the identity of its head.

        Raises:
            SettingError: nothing is published under the name; says the nearest.
        """
        versions = self.versions(name)
        if not versions:
            raise SettingError(self._unknown(name))
        return versions[-1], self.identity(name, versions[-1])

    def mark(self, name: str, now_s: float) -> tuple[int, ...] | None:
        """Return numbers that are others as soon as a version or a trust document has come or gone.

        None where only a reading can tell: in an object store, and within a second of a change, because times of files
        are coarse.

        Args:
            name: of the model.
            now_s: seconds since 1970.
        """
        if self.folder is None:
            return None
        try:
            found = tuple((self.folder / part).stat().st_mtime_ns for part in (_folder_of(name), _TRUST))
        except OSError:
            return None
        return found if max(found) < (now_s - 1) * 1e9 else None

    def identity(self, name: str, version: int) -> str:
        """Return the identity of the head of a version.

        Raises:
            SettingError: there is no such version.
            HeadError: the file of the version is damaged.
        """
        versions = self.versions(name)
        if not versions:
            raise SettingError(self._unknown(name))
        if version not in versions:
            raise SettingError(f"a version of {name!r} is required, got {version}; there are {_listed(versions)}")
        text = (self._read(f"{_folder_of(name)}/{version:08d}") or b"").decode("ascii", "replace").strip()
        if not _DIGITS.fullmatch(text):
            raise HeadError(f"version {version} of {name!r} must name a head by its SHA-256, got {text[:80]!r}")
        return text

    def head(self, name: str, version: int | None = None) -> bytes:
        """Return the signed head of a version, by default the latest.

        Raises:
            SettingError: there is no such name or version.
            HeadError: its file is missing.
        """
        sha256 = self.latest(name)[1] if version is None else self.identity(name, version)
        return self.head_of(sha256)

    def head_of(self, sha256: str) -> bytes:
        """Return a signed head by its identity.

        Raises:
            HeadError: there is none.
        """
        data = self._read(f"heads/{sha256}") if _DIGITS.fullmatch(sha256) else None
        if data is None:
            raise HeadError(f"the head {sha256[:80]} is required, got none: its file is missing")
        return data

    def sign_again(self, head: bytes) -> None:
        """Put a head in the place of the same one with other signatures.

        Raises:
            HeadError: it is damaged, or not published.
        """
        from netgraft.delivery.format.head import identity

        sha256 = identity(head)
        self.head_of(sha256)
        self._write(f"heads/{sha256}", head)

    def chunk(self, sha256: str) -> bytes | None:
        """Return what lies under a SHA-256, unchecked; None when nothing does, or it is no SHA-256."""
        return self._read(f"c/{sha256}") if _DIGITS.fullmatch(sha256) else None

    def chunk_path(self, sha256: str) -> Path | None:
        """Return the file of a chunk where chunks are files, else None.

        Raises:
            ChunkError: it is no SHA-256.
        """
        if not _DIGITS.fullmatch(sha256):
            raise ChunkError(f"a SHA-256 in hexadecimal digits is required, got {sha256[:80]!r}")
        return self.folder / "c" / sha256 if self.folder else None

    def retract(self, name: str, version: int) -> None:
        """Offer a version no more; it must be the latest, and its number is never free again.

        Raises:
            SettingError: there is no such version.
            DeliveryError: it is not the latest.
        """
        latest, _ = self.latest(name)
        self.identity(name, version)
        if version != latest:
            raise DeliveryError(f"the latest version of {name!r} is required to retract it, {latest}, got {version}")
        self._create(f"{_folder_of(name)}/{version:08d}{_RETRACTED}", b"")

    def trust(self) -> bytes:
        """Return the chain of trust documents.

        Raises:
            TrustError: there is none.
        """
        data = self._read(_TRUST)
        if data is None:
            raise TrustError("a trust document is required, got none; netgraft publish makes it")
        return data

    def put_trust(self, data: bytes) -> None:
        """Publish the chain of trust documents; one that is there already must be its beginning.

        Raises:
            TrustError: it is damaged, or leaves out or changes a document that is published.
        """
        from netgraft.delivery.trust.accepting import read_chain

        old, new = self._read(_TRUST), read_chain(data)
        held = read_chain(old) if old is not None else ()
        if new[: len(held)] != held:
            raise TrustError(
                f"a trust chain that begins with the {len(held)} published documents is required, got another"
            )
        if data != old:
            self._write(_TRUST, data)

    def check(self) -> None:
        """Check that the place can be reached.

        Raises:
            StorageError: it cannot.
        """
        self._names("names")

    def _taken(self, name: str) -> set[int]:
        return {int(text[:8]) for text in self._names(_folder_of(name)) if _VERSION.fullmatch(text[:8])}

    def _check_free(self, name: str, version: int, sha256: str) -> None:
        """Refuse a version that is another head's, or below one that was there."""
        _check_version(version)
        taken = self._taken(name)
        if version in taken:
            held = (self._read(f"{_folder_of(name)}/{version:08d}") or b"").decode("ascii", "replace")
            if held != sha256 or version not in self.versions(name):
                raise DeliveryError(f"a free version of {name!r} is required, got {version}, which is taken")
        elif taken and version < max(taken):
            raise DeliveryError(f"a version of {name!r} above {max(taken)} is required, got {version}")

    def _add_chunks(self, chunks: Mapping[str, bytes], needed: Collection[str]) -> None:
        for sha256, data in chunks.items():
            if sha256_hex(data) != sha256:
                raise ChunkError(f"a chunk must have SHA-256 {sha256[:80]}, got {sha256_hex(data)}")
        foreign = sorted(set(chunks).difference(needed))
        if foreign:
            raise ChunkError(f"chunks that the head names are required, got {len(foreign)} more, first {foreign[0]}")
        missing = [each for each in needed if each not in chunks and self.chunk(each) is None]
        if missing:
            raise ChunkError(f"all chunks of a head are required, got none for {len(missing)}, first {missing[0]}")
        for sha256, data in chunks.items():
            if self._read(f"c/{sha256}") != data:
                self._write(f"c/{sha256}", data)

    def _unknown(self, name: str) -> str:
        names = self.names()
        if not names:
            return f"a published model is required, got {name!r}: nothing is published yet"
        return unknown_name("a published model", name, names)

    def _read(self, path: str) -> bytes | None:
        return translated(self.address, lambda: self._files.read(path))

    def _write(self, path: str, data: bytes) -> None:
        translated(self.address, lambda: self._files.write(path, data))

    def _create(self, path: str, data: bytes) -> bool:
        return translated(self.address, lambda: self._files.create(path, data))

    def _names(self, path: str) -> list[str]:
        return translated(self.address, lambda: self._files.names(path))


def _folder_of(name: str) -> str:
    """Return the folder of a name: one plain part of a path, whatever the name.

    Raises:
        SettingError: the name is empty or too long.
    """
    part = quote(name.encode("utf-8", "surrogatepass"), safe="")
    part = part.replace(".", "%2E") if part.startswith(".") else part
    if not 0 < len(part) <= _LONGEST_NAME:
        raise SettingError(f"a name of 1 to {_LONGEST_NAME} encoded bytes is required, got {len(part)}")
    return f"names/{part}"


def _check_version(version: int) -> None:
    if not 0 < version <= _MOST_VERSIONS:
        raise SettingError(f"a version from 1 to {_MOST_VERSIONS} is required, got {version}")


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions[-5:])) + ("" if len(versions) <= 5 else f" and {len(versions) - 5} older")


def _chunk_hashes(opened: OpenedHead) -> list[str]:
    head = opened.head
    return [row.sha256 for row in [*head.chunks, *(row for delta in head.deltas for row in delta.chunks)]]


def _accept(_message: bytes, _signatures: object) -> None:
    """Accept any signature: whoever publishes has signed, and devices check."""
