"""The record of an entry: JSON stored by its hash beside the files, from which a lost index is made again.

The bytes depend on the entry alone, so the hash of a record is also a checksum of the entry's row in the index.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from netgraft.errors import LibraryError
from netgraft.library.entry import Entry, StoredFile

FORMAT = 1


def encode(entry: Entry, sketch: bytes | None) -> bytes:
    """Return the record of an entry, without what checks have found.

    Args:
        entry: the entry.
        sketch: little-endian float16 values.
    """
    fields = replace(entry, damaged=False).to_json()
    del fields["damaged"]
    coded = None if sketch is None else base64.b64encode(sketch).decode("ascii")
    value = {"netgraft": "library entry", "format": FORMAT, "entry": fields, "sketch": coded}
    return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> tuple[Entry, bytes | None]:
    """Return the entry and the sketch of a record.

    Raises:
        LibraryError: it is no record, or of another format version.
    """
    try:
        value = json.loads(data)
        if value["format"] != FORMAT:
            raise LibraryError(f"a record of format version {FORMAT} is required, got {value['format']!r}")
        sketch = None if value["sketch"] is None else base64.b64decode(value["sketch"], validate=True)
        return entry_of(value["entry"]), sketch
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise LibraryError(f"a record of an entry is required, got {len(data)} bytes: {error}") from error


def entry_of(fields: dict[str, Any]) -> Entry:
    """Return an entry from its JSON.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: a field is missing, unknown or not allowed.
    """
    files = {name: StoredFile(**file) for name, file in fields["files"].items()}
    return Entry(**{**fields, "columns": tuple((name, kind) for name, kind in fields["columns"]), "files": files})
