"""The main job as the command line runs it: a folder is claimed, a table searched, the result written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from netgraft.devices import Profile
from netgraft.errors import InputError, OutputError, SettingError, TableError, unknown_name
from netgraft.lifecycle.details import details_of
from netgraft.lifecycle.engines import ENGINES, engine_named
from netgraft.lifecycle.fleet_record import FLEET, open_fleet
from netgraft.lifecycle.folder import DETAILS, REPORT, ClaimedFolder, claim, open_details, open_front
from netgraft.lifecycle.interrupts import undisturbed
from netgraft.lifecycle.origin import origin_files
from netgraft.lifecycle.search import OWN_SETTINGS, Front, SearchSettings, search_front
from netgraft.lifecycle.space import network_space, restricted
from netgraft.records import write_text
from netgraft.reports import render_front
from netgraft.search import STRATEGIES, Journal, objectives_named
from netgraft.tables import Task


def search_into(
    out: Path,
    read: Callable[[], Task],
    settings: SearchSettings,
    *,
    resume: bool = False,
    on_progress: Callable[[str, float], None] | None = None,
) -> Front:
    """Return the front of a table after it was written to a folder.

    Args:
        out: the folder.
        read: gives the task; called after the settings and the folder were checked.
        settings: how to search.
        resume: whether to go on with the search whose journal is in the folder.
        on_progress: called with a text and the share done, 0 to 1.

    Raises:
        NetgraftError: a setting, the folder or the table is not usable; the folder is then left as it was.
    """
    check_settings(settings)
    folder = claim(out, resume=resume)
    try:
        front = search_front(read(), settings, journal=folder.journal, resume=resume, on_progress=on_progress)
        with undisturbed():
            details = details_of(front, str(out))
            models = {point.id: point.model for point in front.points}
            left = origin_files(front.task, front.task.path, front.root, front.archive)
            folder.write(front.to_json(), details, models, left)
    except BaseException as error:
        if not _is_worth_keeping(folder, error):
            folder.release()
        raise
    return front


def _is_worth_keeping(folder: ClaimedFolder, error: BaseException) -> bool:
    """Return whether a search that failed can be resumed: it has batches, and its input is not what was wrong."""
    is_wrong_input = isinstance(error, InputError | TableError) and not isinstance(error, OutputError)
    if is_wrong_input or not folder.journal.exists():
        return False
    try:
        with Journal.read(folder.journal) as journal:
            return next(journal.batches(), None) is not None
    except Exception:  # a journal that cannot be read is of no use
        return False


def check_settings(settings: SearchSettings) -> None:
    """Check the names in the settings before any work is done.

    Raises:
        SettingError: an objective, strategy, device, setting or source is unknown.
        LibraryError: there is no library, or it cannot be read.
    """
    objectives_named(settings.objectives)
    if settings.strategy not in STRATEGIES:
        raise SettingError(unknown_name("a strategy", settings.strategy, STRATEGIES))
    widest = network_space(rows=1_000_000, has_numeric=True, has_codes=True)
    genes = {parameter.name for parameter in widest.parameters}
    for name in settings.settings:
        if name not in genes and name not in OWN_SETTINGS:
            raise SettingError(unknown_name("a setting", name, [*genes, *OWN_SETTINGS]))
    restricted(widest, {name: text for name, text in settings.settings.items() if name in genes})
    Profile.load(settings.device)
    if settings.library is not None:
        from netgraft.library import Library

        known = Library(settings.library)
        for name in settings.sources:
            if name not in ("auto", "none"):
                known.get(name)


def check_engine(name: str) -> None:
    """Check the name of the engine of a single search.

    Raises:
        SettingError: it is unknown, or for fleets only.
    """
    if name in ENGINES and name != "local":
        raise SettingError(f"the engine must be local, got {name!r}, which is for fleets (--by)")
    engine_named(name, jobs=1)


def rewrite_report(path: Path) -> Path:
    """Write a folder's report again from what it holds, that of a search or of a fleet, and return the report's path.

    Raises:
        ModelError: the folder is no result.
        OutputError: the folder cannot be written.
    """
    if (path / FLEET).exists():
        open_fleet(path).write_report(path)
        return path / REPORT
    front, details = open_front(path), open_details(path)
    write_text(path / REPORT, render_front(front, {**details, "folder": str(path)}))
    return path / REPORT


__all__ = ["DETAILS", "check_engine", "check_settings", "rewrite_report", "search_into"]
