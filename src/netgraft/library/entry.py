"""What a library knows of an earlier model: a draft before it is added, an entry afterwards, a heading in a list.

Everything is checked where it is made, whether it comes from a caller, the index or a record, so that no name that is
read back was not allowed to be written. A name is never a path of the file system.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SettingError
from netgraft.records import sha256_hex

NAME_LENGTH = 200
_SHA256 = re.compile("[0-9a-f]{64}")


class Heading(NamedTuple):
    """What a list says of an entry: a tuple, because a library lists a hundred thousand of them.

    Attributes:
        name: of the entry.
        domain: where its rows come from, if known.
        kind: of the task.
        target: the column it predicts.
        metric: what its error is of.
        error: the validation error of the picked point.
        rows: how many it was trained on.
        licence: of the data, if known.
        created: when it was added, UTC, ISO 8601.
        size_bytes: of all its files.
        damaged: whether a check found that it must not be used.
    """

    name: str
    domain: str | None
    kind: str
    target: str
    metric: str
    error: float
    rows: int
    licence: str | None
    created: str
    size_bytes: int
    damaged: bool


@dataclass(frozen=True)
class StoredFile:
    """The content of a file: its SHA-256 in lower-case hexadecimal digits and its size in bytes."""

    sha256: str
    size: int

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256) or not isinstance(self.size, int) or self.size < 0:
            raise SettingError(f"a file must have a SHA-256 and a size, got {self.sha256!r} and {self.size!r}")


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a draft and an entry have in common.

    Attributes:
        name: 1 to 200 printable characters, in normal form C, without a slash or a space at its ends.
        domain: where the rows come from: a cell, site, service, device type.
        kind: of the task: regression, classification.
        target: the column it predicts.
        metric: what the error is of.
        error: the validation error of the picked point.
        rows: how many rows it was trained on.
        columns: name and kind of each column.
        licence: of the data.
        lineage: names of its sources, fingerprint of its data, versions, seed; JSON.
        facts: anything else: metrics, a summary of the front; JSON.
    """

    name: str
    domain: str | None = None
    kind: str
    target: str
    metric: str
    error: float
    rows: int
    columns: tuple[tuple[str, str], ...] = ()
    licence: str | None = None
    lineage: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _set(self, "name", checked_name(self.name))
        checked_name(self.kind, "a kind")
        for key in ("domain", "target", "metric", "licence"):
            _check_text(key, getattr(self, key), optional=key in ("domain", "licence"))
        if not isinstance(self.error, int | float) or not math.isfinite(self.error):
            raise SettingError(f"error must be a finite number, got {self.error!r}")
        if not isinstance(self.rows, int) or not 0 <= self.rows < 2**63:
            raise SettingError(f"rows must be a whole number from 0, got {self.rows!r}")
        _set(self, "error", float(self.error))
        _set(self, "columns", tuple((str(name), str(kind)) for name, kind in self.columns))
        _set(self, "lineage", _plain("lineage", self.lineage))
        _set(self, "facts", _plain("facts", self.facts))


@dataclass(frozen=True, kw_only=True)
class Draft(Described):
    """A model on its way into a library.

    Attributes:
        blobs: the content of each file by its name, a relative path with forward slashes.
        sketch: float [k], says where the entry's data lie; k is the same for all entries of a library. Kept as float16.
    """

    blobs: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    sketch: NDArray[np.floating[Any]] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.blobs:
            checked_file(name)
        if self.sketch is not None and not (
            np.ndim(self.sketch) == 1 and len(self.sketch) and np.all(np.abs(self.sketch) <= np.finfo(np.float16).max)
        ):
            raise SettingError("a sketch must be a vector of finite numbers up to 65504, got another array")

    def entry(self, created: str) -> Entry:
        """Return the entry that this draft becomes."""
        files = {name: StoredFile(sha256_hex(data), len(data)) for name, data in self.blobs.items()}
        common = {name: getattr(self, name) for name in Described.__dataclass_fields__}
        return Entry(**common, created=created, files=files)

    def sketch_bytes(self) -> bytes | None:
        """Return the sketch as little-endian float16, or None."""
        return None if self.sketch is None else np.asarray(self.sketch, dtype="<f2").tobytes()


@dataclass(frozen=True, kw_only=True)
class Entry(Described):
    """A model in a library.

    Attributes:
        created: when it was added, UTC, ISO 8601.
        files: hash and size of each file by its name.
        damaged: whether a check found that it must not be used.
    """

    created: str
    files: dict[str, StoredFile]
    damaged: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_text("created", self.created)
        for name in self.files:
            checked_file(name)

    @property
    def size_bytes(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files.values())

    def heading(self) -> Heading:
        """Return what a list says of the entry."""
        return Heading._make(getattr(self, name) for name in Heading._fields)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON."""
        value = {name: getattr(self, name) for name in self.__dataclass_fields__}
        files = {name: {"sha256": file.sha256, "size": file.size} for name, file in self.files.items()}
        return {**value, "columns": [list(pair) for pair in self.columns], "files": files}


def normal(name: str) -> str:
    """Return a name in normal form C, in which equal looks are equal text."""
    return unicodedata.normalize("NFC", name)


def checked_name(name: str, what: str = "a name") -> str:
    """Return a name in normal form C.

    Raises:
        SettingError: it is too long or empty, not printable, or has a slash or a space at an end.
    """
    found = normal(name) if isinstance(name, str) else ""
    if not (0 < len(found) <= NAME_LENGTH and found.isprintable() and found == found.strip("/ ")):
        raise SettingError(
            f"{what} must be 1 to {NAME_LENGTH} printable characters without a slash or a space at its ends, got"
            f" {str(name)[: NAME_LENGTH + 1]!r}"
        )
    return found


def checked_file(name: str) -> str:
    """Return the name of a file of an entry.

    Raises:
        SettingError: it is no relative path of plain parts.
    """
    checked_name(name, "a file name")
    if "\\" in name or ":" in name or {"", ".", ".."} & set(name.split("/")):
        raise SettingError(f"a file name must be a relative path without '..', ':' and backslashes, got {name!r}")
    return name


def _check_text(key: str, text: Any, *, optional: bool = False) -> None:
    """Refuse what a database cannot hold as text."""
    if text is None and optional:
        return
    if not isinstance(text, str) or "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise SettingError(f"{key} must be Unicode text without NUL, got {text!r}")


def _plain(key: str, value: Any) -> dict[str, Any]:
    """Return a mapping as it comes back from JSON."""
    try:
        found = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SettingError(f"{key} must be JSON with finite numbers, got: {error}") from error
    if not isinstance(found, dict):
        raise SettingError(f"{key} must be a JSON object, got {type(value).__name__}")
    return found


def _set(value: Described, name: str, content: Any) -> None:
    object.__setattr__(value, name, content)
