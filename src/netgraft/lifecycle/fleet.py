"""A fleet: one search for each domain of a table, each from the best of a library that grows with every one.

Rules the module keeps: the domains with most rows come first, so that those with few can start from them; one process,
the first, adds to the library and writes ``fleet.json``; a domain is noted there as done before it is added, so of a
fleet that was killed every entry in the library is of a domain that is done, and a resumed one adds what is missing.
A domain that cannot be searched costs itself only; a place that cannot be written stops the fleet.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from netgraft.errors import JournalError, LibraryError, NetgraftError, OutputError, SettingError
from netgraft.library import Library
from netgraft.lifecycle.domains import Domains, entry_name, folder_name, read_domains, table_name
from netgraft.lifecycle.engines import Engine, engine_named
from netgraft.lifecycle.fleet_job import Job, search_domain
from netgraft.lifecycle.fleet_record import FLEET, REPORT, DomainResult, Fleet, open_fleet
from netgraft.lifecycle.folder import JOURNAL, ClaimedFolder, claim
from netgraft.lifecycle.interrupts import undisturbed
from netgraft.lifecycle.job import check_settings
from netgraft.lifecycle.search import SearchSettings
from netgraft.lifecycle.shelf import add_to_library
from netgraft.search import Journal
from netgraft.tables import find_metric
from netgraft.tables.settings import Settings
from netgraft.tables.steps import FEWEST_ROWS

DOMAINS, LIBRARY = "domains", "library"
_LOST = "its process ended before it was done; there may have been too little memory"


def search_fleet(
    out: Path,
    table: Path,
    settings: SearchSettings,
    *,
    by: str,
    reading: Settings,
    test: Path | None = None,
    engine: str = "local",
    keep_rows: int = 0,
    resume: bool = False,
    on_progress: Callable[[str, float], None] | None = None,
) -> Fleet:
    """Return what became of the domains of a table after each front, ``fleet.json`` and a report were written.

    Args:
        out: the folder.
        table: a file.
        settings: how to search each domain; its jobs are domains at once. Without a library one is made in the folder,
            unless the sources are ``none``.
        by: the column whose values are the domains.
        reading: how the table is read.
        test: a further labelled file.
        engine: who searches, local or ray.
        keep_rows: rows of each domain that go into the library; by default none.
        resume: whether to go on with the fleet in the folder.
        on_progress: called with a text and the share done, 0 to 1.

    Raises:
        NetgraftError: a setting, the folder, the table or the library is not usable, or no domain is.
    """
    check_settings(settings)
    if keep_rows < 0:
        raise SettingError(f"the rows to keep must be >= 0, got {keep_rows}")
    runner = engine_named(engine, settings.jobs)
    folder = _claim(out, resume=resume)
    try:
        domains = read_domains(table, by=by, settings=reading, test=test)
        fleet = _planned(domains, reading, settings, table_name(table), engine)
        if not folder.is_fresh:
            fleet = fleet.resumed(open_fleet(out))
        run = _Run(folder.path, fleet, domains, settings, keep_rows, on_progress or (lambda _text, _share: None))
        run.check()
    except BaseException:
        _forget(folder)
        raise
    found = run.search(runner, resume=resume)
    if not found.count("done") and not found.interrupted:
        first = next(domain for domain in found.domains if domain.state == "failed")
        _forget(folder)
        raise NetgraftError(
            f"a fleet needs a domain that can be searched, got {found.count('failed')} that cannot, first"
            f" {first.value!r}: {first.reason}"
        )
    return found


def _claim(path: Path, *, resume: bool) -> ClaimedFolder:
    """Return the folder for a fleet, made if need be; one to resume is not fresh.

    Raises:
        OutputError: it holds something already, holds no fleet to resume, or cannot be written.
    """
    if (path / FLEET).exists():
        if resume:
            return ClaimedFolder(path, (), is_fresh=False)
        raise OutputError(f"a new or empty folder is required, got {path} with a fleet in it; --resume goes on with it")
    if resume and path.is_dir() and any(path.iterdir()):
        raise OutputError(f"a folder with a {FLEET} is required to resume, got {path} without one")
    return claim(path, resume=False)


def _forget(folder: ClaimedFolder) -> None:
    """Remove what a fleet without any front has written, if there was nothing before it."""
    if folder.is_fresh:
        for name in (DOMAINS, LIBRARY):
            shutil.rmtree(folder.path / name, ignore_errors=True)
        for name in (FLEET, REPORT):
            (folder.path / name).unlink(missing_ok=True)
        folder.release()


def _planned(domains: Domains, reading: Settings, settings: SearchSettings, table: str, engine: str) -> Fleet:
    """Return a fleet whose domains are open, those with too few rows skipped."""
    kind = domains.settings.kind
    assert kind != "auto"
    told = [f"{domains.left_out} rows have no {domains.by!r} and are left out"] if domains.left_out else []
    return Fleet(
        table,
        domains.by,
        {"kind": kind, "target": reading.target, "metric": find_metric(reading.metric, kind).name},
        tuple(_planned_domain(value, len(rows)) for value, rows in domains.rows.items()),
        tuple(told),
        {
            **settings.that_determine(),
            "budget_s": settings.budget_s,
            "evaluations": settings.evaluations,
            "library": settings.library,
            "sources": list(settings.sources),
            "jobs": settings.jobs,
            "engine": engine,
        },
    )


def _planned_domain(value: str, rows: int) -> DomainResult:
    """Return a domain before its search."""
    planned = DomainResult(value, f"{DOMAINS}/{folder_name(value)}", rows)
    if rows >= FEWEST_ROWS:
        return planned
    return replace(planned, state="skipped", reason=f"at least {FEWEST_ROWS} rows are required, got {rows}")


class _Run:
    """A fleet that is being searched."""

    def __init__(
        self,
        out: Path,
        fleet: Fleet,
        domains: Domains,
        settings: SearchSettings,
        keep_rows: int,
        told: Callable[[str, float], None],
    ) -> None:
        """Make the library, unless there is to be none.

        Raises:
            LibraryError, SettingError: it cannot be opened.
        """
        self._out, self._fleet, self._domains, self._told = out, fleet, domains, told
        self._began, self._keep_rows = time.monotonic() - fleet.seconds, keep_rows
        self._under_way: list[str] = []
        self._library = _library(out, settings)
        location = None if self._library is None else self._library.location
        self._settings = replace(settings, jobs=1, library=location)

    def check(self) -> None:
        """Check what an earlier run has done and that the names in the library are free.

        Raises:
            JournalError: a finished domain is of another table or setting.
            LibraryError: a name is taken.
        """
        done = [domain for domain in self._fleet.domains if domain.state == "done"]
        for domain in done:
            journal = self._out / domain.folder / JOURNAL
            if not journal.exists():
                raise JournalError(
                    f"the journal of domain {domain.value!r} is required to resume, got none at {journal}"
                )
            task = self._domains.table(domain.value).read()
            Journal.open(journal, task.fingerprint, self._settings.that_determine(), resume=True).close()
        if self._library is not None:
            held = set(self._library.names())
            for domain in self._fleet.domains:
                name = entry_name(self._fleet.table, domain.value)
                if name in held and domain.state != "done":
                    raise LibraryError(
                        f"a library without {name!r} is required, got {self._library.label} with an entry of that name"
                    )

    def search(self, engine: Engine, *, resume: bool) -> Fleet:
        """Return the fleet after every open domain was searched, or as it is when the user stops it."""
        self._save()
        try:
            for domain in self._fleet.domains:
                self._shelve(domain)
            with closing(engine.run(search_domain, self._jobs(resume=resume))) as results:
                for job, found in results:
                    self._keep(job.planned.failed(_LOST) if found is None else found)
        except KeyboardInterrupt:
            self._fleet = replace(self._fleet, interrupted=True)
        with undisturbed():
            self._save()
            self._fleet.write_report(self._out)
        return self._fleet

    def _jobs(self, *, resume: bool) -> Iterator[Job]:
        """Yield the search of each open domain when there is room for it."""
        for domain in self._fleet.domains:
            if domain.state == "open":
                self._under_way.append(domain.value)
                self._tell()
                table = self._domains.table(domain.value)
                yield Job(domain, (self._out / domain.folder).absolute(), table, self._settings, resume)

    def _keep(self, found: DomainResult) -> None:
        """Note what became of a domain, and add it to the library.

        Raises:
            KeyboardInterrupt: the user stopped it.
        """
        if found.state == "open":
            raise KeyboardInterrupt
        with undisturbed():
            self._under_way.remove(found.value)
            domains = tuple(found if domain.value == found.value else domain for domain in self._fleet.domains)
            self._fleet = replace(self._fleet, domains=domains)
            self._save()
            self._shelve(found)
        self._tell()

    def _shelve(self, domain: DomainResult) -> None:
        """Add a domain that is done to the library, unless it is there."""
        if self._library is not None and domain.state == "done":
            name = entry_name(self._fleet.table, domain.value)
            if name not in self._library.names():
                task = self._domains.table(domain.value).read() if self._keep_rows else None
                folder = self._out / domain.folder
                add_to_library(self._library, folder, name, domain=domain.value, keep_rows=self._keep_rows, task=task)

    def _save(self) -> None:
        self._fleet = replace(self._fleet, seconds=time.monotonic() - self._began)
        self._fleet.write(self._out)

    def _tell(self) -> None:
        ended, total = len(self._fleet.domains) - self._fleet.count("open"), len(self._fleet.domains)
        now = f", now {', '.join(self._under_way)}" if self._under_way else ""
        self._told(f"{ended} of {total} domains{now}", ended / total)


def _library(out: Path, settings: SearchSettings) -> Library | None:
    """Return the library of a fleet, by its absolute path: a process elsewhere may have another working folder.

    Raises:
        LibraryError, SettingError: it cannot be opened.
    """
    if settings.library is not None:
        is_url = "://" in settings.library
        return Library(settings.library if is_url else str(Path(settings.library).absolute()))
    if settings.sources == ("none",):
        return None
    return Library.open(str((out / LIBRARY).absolute()), create=True)
