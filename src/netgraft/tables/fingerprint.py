"""One short text that is equal for equal tasks only, by which a journal knows its table."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.records import canonical_json
from netgraft.tables.schema import Rows, Schema
from netgraft.tables.settings import Settings


def fingerprint(schema: Schema, settings: Settings, rows: Rows, test: Rows | None) -> str:
    """Return the SHA-256 of everything that a search over a task depends on."""
    digest = hashlib.sha256(b"netgraft task 1\n")
    told = [schema.to_json(), settings.metric, settings.target_transform, settings.seed]
    digest.update(canonical_json(told, indent=None).encode())
    for part in (rows, test):
        if part is None:
            continue
        for cells in (*part.raw.values(), part.y, part.weights, part.groups):
            digest.update(_bytes(cells))
    return digest.hexdigest()


def _bytes(cells: NDArray[Any] | None) -> bytes | memoryview:
    """Return what a column holds as bytes."""
    if cells is None:
        return b"none\n"
    if cells.dtype == object:
        return "\x1f".join(cells.tolist()).encode("utf-8", "surrogatepass")
    return np.ascontiguousarray(cells).data.cast("B")
