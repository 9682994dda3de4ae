"""What a search leaves for later ones: its nested root, and where its data lie, told without any of its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import safetensors.numpy

from netgraft.errors import TableError
from netgraft.records import canonical_json
from netgraft.root import NestedRoot, root_tensors, root_to_json
from netgraft.search import Archive
from netgraft.tables import Task
from netgraft.transfer import moments_of, sketch_of
from netgraft.transfer.cells import FEWEST_ROWS
from netgraft.transfer.files import ARCHIVE, ROOT

ORIGIN = "origin.json"
_MOST_TRIED = 200


def origin_files(task: Task, table: str | None, root: NestedRoot | None, archive: Archive) -> dict[str, bytes]:
    """Return the files of a result's folder ``graft`` by name.

    Args:
        task: what was searched for.
        table: path of the table, or None for a frame.
        root: the nested root, or None where the strategy grew none.
        archive: what was tried.
    """
    files = {
        ORIGIN: _json(
            {
                "format": 1,
                "table": table,
                "fingerprint": task.fingerprint,
                "rows_hash": rows_hash(task.rows.raw, labels_of(task)),
                "seed": task.seed,
                **_lie(task),
            }
        ),
        ARCHIVE: _json(_tried(archive)),
    }
    if root is not None:
        files[f"{ROOT}.json"] = _json(root_to_json(root))
        files[f"{ROOT}.safetensors"] = safetensors.numpy.save(root_tensors(root))
    return files


def labels_of(task: Task) -> np.ndarray:
    """Return the target of every row: numbers [n], or labels [n] as text."""
    return labels_from(np.asarray(task.rows.y), task.classes)


def labels_from(y: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """Return numbers [n] where there are no classes, else the classes at these indices as text [n]."""
    if not classes:
        return y.astype(np.float64)
    return np.array([str(label) for label in classes], object)[y.astype(np.int64)]


def rows_hash(raw: Mapping[str, np.ndarray], labels: np.ndarray) -> str:
    """Return the SHA-256 of rows in order: columns and labels; no seed and no metric changes it."""
    digest = hashlib.sha256()
    for name, cells in [*sorted(raw.items()), ("", labels)]:
        told = cells.tobytes() if cells.dtype != object else repr(cells.tolist()).encode("utf-8", "surrogatepass")
        digest.update(repr(name).encode("utf-8", "surrogatepass") + hashlib.sha256(told).digest())
    return digest.hexdigest()


def sketch_of_task(task: Task, fewest: int = FEWEST_ROWS) -> np.ndarray | None:
    """Return the sketch of a task's rows, or None where it has too few of them.

    Args:
        task: the table.
        fewest: rows that a mean is taken over; less than the default only for a sketch that is not stored.
    """
    try:
        return sketch_of(task.rows.raw, labels_of(task), task.kind, fewest=fewest)
    except TableError:
        return None


def _lie(task: Task) -> dict[str, Any]:
    """Return sketch and moments of a task's rows, None where it has too few."""
    sketch = sketch_of_task(task)
    if sketch is None:
        return {"sketch": None, "moments": None}
    return {
        "sketch": [round(float(v), 6) for v in sketch],
        "moments": moments_of(task.rows.raw, labels_of(task), task.kind),
    }


def _tried(archive: Archive) -> list[dict[str, Any]]:
    """Return genes, error and size of what was trained, the least error first."""
    done = sorted(archive.done, key=lambda e: (e.values["error"], e.id))[:_MOST_TRIED]
    return [{"genes": e.genes, "error": e.values["error"], "size": e.values["size"]} for e in done]


def _json(value: Any) -> bytes:
    return (canonical_json(value) + "\n").encode()


def read_origin(text: bytes) -> dict[str, Any]:
    """Return the content of ``origin.json``."""
    return dict(json.loads(text))
