"""A point of a folder leaves it: as one ONNX graph, or as a folder of weights and JSON."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from netgraft.errors import OutputError, SettingError, unknown_name
from netgraft.lifecycle.folder import MODEL, choose_point, open_front
from netgraft.records import write_bytes
from netgraft.runtime import Model, load, save
from netgraft.units import Limit

FORMATS = ("onnx", "safetensors")


def export_point(
    path: Path, out: Path, *, form: str, point: str | None = None, limits: Sequence[Limit] = ()
) -> tuple[str, Model]:
    """Write a point in a format that other programs read.

    Args:
        path: folder of a search.
        out: ``onnx``: the file; ``safetensors``: a new or empty folder.
        form: one of `FORMATS`.
        point: its id; the picked one by default.
        limits: instead of an id, bounds that the point must meet.

    Returns:
        the id of the point and its model.

    Raises:
        ModelError: the folder is no result, or was tampered with.
        SettingError, LimitError: there is no such format or point.
        OutputError: the place cannot be written.
    """
    if form not in FORMATS:
        raise SettingError(unknown_name("a format", form, FORMATS))
    _check_place(out, form)
    entry = choose_point(open_front(path), point, limits)
    name = str(entry["id"])
    model = load(path / MODEL, str(entry["root"]))
    if form == "onnx":
        from netgraft.root.onnx import to_onnx

        write_bytes(out, to_onnx(model).SerializeToString())
    else:
        _write_folder(out, name, model)
    return name, model


def _check_place(out: Path, form: str) -> None:
    """Refuse a place that cannot be written to.

    Raises:
        OutputError: a folder where a file goes, a file or a folder with content where a folder goes.
    """
    if form == "onnx" and out.is_dir():
        raise OutputError(f"a file to write to is required, got the folder {out}")
    if form == "safetensors" and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise OutputError(f"a new or empty folder is required, got {out}")


def _write_folder(out: Path, name: str, model: Model) -> None:
    """Write a model folder aside and rename it into place."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise OutputError(f"a folder that can be written is required, got {out.parent}: {error.strerror}") from error
    try:
        save(aside, {name: model})
        aside.chmod(0o755)
        aside.replace(out)
    except OSError as error:
        raise OutputError(f"a folder that can be written is required, got {out}: {error.strerror}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
