"""The folder of a finished search: claimed before any work, written whole or not at all, opened again.

Rules the module keeps: a folder that holds anything is refused unless the search is resumed; while a search runs the
folder holds its journal only; models are written aside and swapped in, and ``front.json`` comes last, so a folder that
has one is complete; a search that ends without a result leaves nothing that was not there before.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netgraft.errors import LimitError, ModelError, OutputError, SettingError, unknown_name
from netgraft.records import write_bytes, write_json, write_text
from netgraft.reports import render_front
from netgraft.runtime import Model, load, save
from netgraft.search import OBJECTIVES, limit_text, violated
from netgraft.search.objective import excess
from netgraft.units import Limit, format_quantity

FORMAT = 1
FRONT, DETAILS, REPORT, JOURNAL = "front.json", "details.json", "report.html", "journal.db"
MODEL, GRAFT = "model", "graft"
_ASIDE = ".model.new"
_DEVICE_STATE = "state.json"  # of the folder of a device


@dataclass(frozen=True)
class ClaimedFolder:
    """A folder that a search may write to.

    Attributes:
        path: the folder; it exists.
        created: the folders that were made for it, innermost first.
        is_fresh: whether it held nothing before.
    """

    path: Path
    created: tuple[Path, ...]
    is_fresh: bool

    @property
    def journal(self) -> Path:
        """Return the path of the journal."""
        return self.path / JOURNAL

    def release(self) -> None:
        """Undo the claim of a search without a result: remove what was not there before."""
        if not self.is_fresh:
            return
        shutil.rmtree(self.path / _ASIDE, ignore_errors=True)
        for name in (JOURNAL, f"{JOURNAL}-journal"):
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):  # somebody else has put something there
            for folder in self.created:
                folder.rmdir()

    def write(
        self,
        front: Mapping[str, Any],
        details: Mapping[str, Any],
        models: Mapping[str, Model],
        graft: Mapping[str, bytes],
    ) -> None:
        """Write a result, in place of an earlier one of the same search.

        Args:
            front: the content of ``front.json``.
            details: the content of ``details.json``.
            models: one per root of the front's points.
            graft: files that later searches start from, by name.

        Raises:
            OutputError: the folder cannot be written.
        """
        page = render_front(front, details)
        aside, model = self.path / _ASIDE, self.path / MODEL
        try:
            shutil.rmtree(aside, ignore_errors=True)
            save(aside, models)
            (self.path / FRONT).unlink(missing_ok=True)
            if model.exists():
                shutil.rmtree(model)
            aside.replace(model)
        except OSError as error:
            raise OutputError(f"a folder that can be written is required, got {self.path}: {error.strerror}") from error
        shutil.rmtree(self.path / GRAFT, ignore_errors=True)
        for name, data in graft.items():
            write_bytes(self.path / GRAFT / name, data)
        write_json(self.path / DETAILS, details)
        write_text(self.path / REPORT, page)
        write_json(self.path / FRONT, front)


def claim(path: Path, *, resume: bool) -> ClaimedFolder:
    """Return the folder for a search, made if need be.

    Args:
        path: where to.
        resume: whether a folder with a journal may be gone on with.

    Raises:
        OutputError: the path is no folder, holds something already, holds no journal to resume, or cannot be written.
    """
    try:
        if path.exists() and not path.is_dir():
            raise OutputError(f"a folder to write to is required, got the file {path}")
        held = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
        _check_content(path, held, resume)
        created = tuple(folder for folder in (path, *path.parents) if not folder.exists())
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(f"a folder that can be written is required, got {path}: {error.strerror}") from error
    return ClaimedFolder(path, created, not held)


def _check_content(path: Path, held: Sequence[str], resume: bool) -> None:
    """Refuse a folder whose content does not suit.

    Raises:
        OutputError: it holds something without ``resume``, or no journal with it.
    """
    if held and not resume:
        hint = "; --resume goes on with its search" if JOURNAL in held else ""
        raise OutputError(f"a new or empty folder is required, got {path} with {held[0]!r} in it{hint}")
    if held and JOURNAL not in held:
        raise OutputError(f"a folder with a {JOURNAL} is required to resume, got {path} without one")


def open_front(path: Path) -> dict[str, Any]:
    """Return the content of a folder's ``front.json``.

    Raises:
        ModelError: there is none, or it is damaged or of another format.
    """
    front = _read_json(path, FRONT)
    if front.get("format") != FORMAT:
        raise ModelError(f"{path / FRONT} must be of format {FORMAT}, got {front.get('format')!r}")
    if not isinstance(front.get("points"), list) or not front["points"]:
        raise ModelError(f"{path / FRONT} must have points, got none")
    return front


def open_details(path: Path) -> dict[str, Any]:
    """Return the content of a folder's ``details.json``; empty where there is none.

    Raises:
        ModelError: it is damaged.
    """
    return _read_json(path, DETAILS) if (path / DETAILS).exists() else {}


def _read_json(path: Path, name: str) -> dict[str, Any]:
    """Return an object stored in a folder."""
    try:
        value = json.loads((path / name).read_bytes())
    except FileNotFoundError as error:
        raise ModelError(
            f"a folder written by netgraft search or fetch is required, got {path} without {name}{_why_empty(path)}"
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path / name} must be readable JSON, got: {reason}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path / name} must hold a JSON object, got {type(value).__name__}")
    return value


def _why_empty(path: Path) -> str:
    """Return why a folder has no front, where that can be seen."""
    if (path / JOURNAL).exists():
        return "; its search is unfinished: --resume goes on with it"
    if (path / _DEVICE_STATE).exists():
        return "; nothing was installed there yet: netgraft device status says more"
    return ""


def choose_point(front: Mapping[str, Any], name: str | None = None, limits: Sequence[Limit] = ()) -> dict[str, Any]:
    """Return the entry of a point: the named one, the best within the limits, or the picked one.

    Args:
        front: the content of ``front.json``.
        name: the point's id.
        limits: hard bounds; of the points that meet them the one with the least validation error is taken.

    Raises:
        SettingError: there is no such point, or both a name and limits are given.
        LimitError: no point meets the limits.
    """
    points = {str(point["id"]): point for point in front["points"]}
    if name is not None and limits:
        raise SettingError(f"a point or limits are required, got both {name!r} and {limit_text(limits[0])}")
    if limits:
        return _best_within(list(points.values()), limits)
    wanted = str(front.get("picked")) if name is None else name
    if wanted not in points:
        raise SettingError(unknown_name("a point", wanted, points))
    return dict(points[wanted])


def _best_within(points: Sequence[dict[str, Any]], limits: Sequence[Limit]) -> dict[str, Any]:
    """Return the point with the least validation error among those that meet the limits."""
    able = [point for point in points if violated(point["values"], limits) is None]
    if able:
        return min(able, key=lambda point: (point["values"]["error"], point["values"].get("size", 0.0)))
    closest = min(points, key=lambda point: excess(point["values"], limits))
    wanted = " and ".join(map(limit_text, limits))
    reached = ", ".join(
        f"{limit.objective} {format_quantity(closest['values'][limit.objective], OBJECTIVES[limit.objective])}"
        for limit in limits
        if limit.objective in closest["values"]
    )
    raise LimitError(f"a point with {wanted} is required, got none: the closest is {closest['id']} with {reached}")


def load_point(path: Path, name: str | None = None, limits: Sequence[Limit] = ()) -> Model:
    """Return the model of a point of a folder; see `choose_point`.

    Raises:
        ModelError: the folder is no result, or was damaged or tampered with.
        SettingError: there is no such point.
        LimitError: no point meets the limits.
    """
    point = choose_point(open_front(path), name, limits)
    return load(path / MODEL, str(point["root"]))


def default_folder(table: str | os.PathLike[str]) -> Path:
    """Return where the result for a table file goes unless the user says otherwise.

    >>> default_folder("data/energy.csv.gz")
    PosixPath('netgraft-energy')
    """
    return Path(f"netgraft-{Path(table).name.split('.')[0] or 'table'}")
