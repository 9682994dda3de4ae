"""Files that are either the old ones or the new ones, never half of either, and JSON that is the same byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from netgraft.errors import OutputError


def canonical_json(value: Any, *, indent: int | None = 1) -> str:
    """Return JSON text that depends only on the value: keys in their order of insertion, no NaN.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file aside, sync it and rename it into place; a failure leaves the old file.

    Args:
        path: of the file.
        data: its bytes.
        sync: False where a loss of power may lose the file, because its reader checks its hash and can do without.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        handle, name = _aside(path)
    except OSError as error:
        raise OutputError(f"a folder that can be written is required, got {path.parent}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise OutputError(f"a file that can be written is required, got {path}: {error.strerror}") from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _aside(path: Path) -> tuple[int, str]:
    """Return the handle and the name of a new file beside a path, whose folder is made if need be."""
    folder, prefix = path.parent, f".{path.name}."
    try:
        return tempfile.mkstemp(dir=folder, prefix=prefix)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=folder, prefix=prefix)


def write_text(path: Path, text: str, *, sync: bool = True) -> None:
    """Write a UTF-8 text file as `write_bytes` does.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_bytes(path, text.encode(), sync=sync)


def write_json(path: Path, value: Any, *, sync: bool = True) -> None:
    """Write a value as canonical JSON as `write_bytes` does.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_text(path, canonical_json(value) + "\n", sync=sync)


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of the data in lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
