"""Results go into a library."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np

from netgraft.errors import ModelError, SettingError, TableError
from netgraft.library import Draft, Entry, Library
from netgraft.lifecycle.folder import FRONT, GRAFT, MODEL, open_front
from netgraft.lifecycle.origin import ORIGIN, labels_from, read_origin, rows_hash
from netgraft.runtime import load
from netgraft.seeds import generator
from netgraft.tables import Schema, Task
from netgraft.transfer import files
from netgraft.transfer.source import KeptRows

_PACKAGES = ("netgraft", "torch", "numpy", "lightgbm")


def add_to_library(
    library: Library,
    folder: Path,
    name: str,
    *,
    domain: str | None = None,
    keep_rows: int = 0,
    licence: str | None = None,
    task: Task | None = None,
) -> Entry:
    """Add a finished search to a library.

    Args:
        library: where to.
        folder: of the search.
        name: a free one.
        domain: where the rows come from.
        keep_rows: rows to keep for later transfers; by default none.
        licence: of the data.
        task: the rows; read again from the table's file where it is None and rows are to be kept.

    Raises:
        ModelError: the folder is no result, or one that left nothing for others.
        TableError: rows are to be kept, and the table is no longer where it was, or was no file.
        SettingError: the name is not allowed, or the number of rows is negative.
        LibraryError: the name is taken, or the library cannot be written.
    """
    if keep_rows < 0:
        raise SettingError(f"the rows to keep must be >= 0, got {keep_rows}")
    front = open_front(folder)
    try:
        left = {path.name: path.read_bytes() for path in sorted((folder / GRAFT).iterdir())}
        origin = read_origin(left[ORIGIN])
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"a folder with {GRAFT}/{ORIGIN} is required, got {folder} without a readable one") from error
    picked = str(front["picked"])
    model = load(folder / MODEL, picked)
    blobs = {FRONT: (folder / FRONT).read_bytes(), **left}
    blobs |= {f"{files.MODEL}/{path.name}": path.read_bytes() for path in sorted((folder / MODEL).iterdir())}
    if keep_rows:
        blobs[files.ROWS] = _kept(model.about, origin, keep_rows, task).to_parquet()
    point = next(p for p in front["points"] if p["id"] == picked)
    transfer = front.get("transfer") or {}
    draft = Draft(
        name=name,
        domain=domain,
        kind=front["task"]["kind"],
        target=front["task"]["target"],
        metric=front["task"]["metric"],
        error=float(point["values"]["error"]),
        rows=int(front["task"]["rows"]["train"]),
        columns=tuple((column.name, column.kind) for column in model.encoding.columns),
        licence=licence,
        lineage={
            "sources": [source["name"] for source in transfer.get("sources", ())],
            "fingerprint": origin["fingerprint"],
            "seed": front["seed"],
            "versions": {package: importlib.metadata.version(package) for package in _PACKAGES},
        },
        facts={
            "picked": picked,
            "validation": point["validation"],
            "points": len(front["points"]),
            "moments": origin["moments"],
            "rows_kept": keep_rows,
            "rows_hash": origin["rows_hash"],
        },
        blobs=blobs,
        sketch=None if origin["sketch"] is None else np.array(origin["sketch"], np.float32),
    )
    return library.add(draft)


def _kept(about: Any, origin: dict[str, Any], count: int, task: Task | None) -> KeptRows:
    """Return at most so many rows of a search's table."""
    if task is None:
        if not origin["table"]:
            raise TableError("rows can be kept of a search of a file only, got one of a frame")
        schema = Schema.from_json(about["schema"])
        rows, classes = schema.read(origin["table"], labelled=True), schema.classes
    else:
        rows, classes = task.rows, task.classes
    labels = labels_from(np.asarray(rows.y), classes)
    if rows_hash(rows.raw, labels) != origin["rows_hash"]:
        raise TableError(f"the rows that were searched are required to keep some, got others in {origin['table']}")
    taken = np.sort(generator(int(origin["seed"]), "kept rows").permutation(len(rows))[:count])
    return KeptRows({name: cells[taken] for name, cells in rows.raw.items()}, labels[taken])
