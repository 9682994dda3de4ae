"""A fleet from outside: order, library, failures, and going on after a stop. The single search is a stand-in here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from netgraft.errors import JournalError, LibraryError, ModelError, NetgraftError, OutputError, SettingError, TableError
from netgraft.library import Draft, Entry, Library
from netgraft.lifecycle import fleet as fleets
from netgraft.lifecycle import fleet_job
from netgraft.lifecycle.domains import entry_name
from netgraft.lifecycle.fleet import search_fleet
from netgraft.lifecycle.fleet_record import Fleet, open_fleet
from netgraft.lifecycle.search import SearchSettings
from netgraft.records import write_json
from netgraft.search import Journal
from netgraft.tables import Task
from netgraft.tables.settings import Settings

SETTINGS = SearchSettings(device="raspberry-pi-4", evaluations=3)
READING = Settings(target="power")


def front_of(task: Task, sources: list[str]) -> dict[str, Any]:
    told = {
        "mode": "root" if sources else "none",
        "sources": [{"name": name, "measure": "sketch", "distance": 0.1} for name in sources],
        "guard": {"decision": "accepted" if sources else "refused", "reason": "", "candidates": []},
    }
    point = {"id": "n1", "values": {"error": 1 / len(task.rows), "size": 400.0}, "test": None}
    return {
        "format": 1, "task": {"kind": task.kind, "target": task.target, "metric": task.metric}, "seconds": 0.5,
        "evaluations": 3, "transfer": told, "points": [point], "picked": "n1",
    }  # fmt: skip


@dataclass(frozen=True)
class StandInFront:
    front: dict[str, Any]
    interrupted: bool = False

    def to_json(self) -> dict[str, Any]:
        return self.front


@dataclass
class Searches:
    """Stands for the single search: leaves a journal and a front whose sources are what the library holds by then.

    Attributes:
        told: the domains searched, in order, each with whether it was resumed.
        stop: raised, or returned as stopped by the user, when a domain of that name comes.
    """

    told: list[tuple[str, bool]] = field(default_factory=list)
    stop: dict[str, BaseException | str] = field(default_factory=dict)

    def search(
        self, out: Path, read: Callable[[], Task], settings: SearchSettings, *, resume: bool = False
    ) -> StandInFront:
        name = out.name
        self.told.append((name, resume))
        assert settings.jobs == 1
        task = read()
        found = self.stop.pop(name, None)
        if isinstance(found, BaseException):
            raise found
        sources = [] if settings.library is None else Library(settings.library).names()
        Journal.open(out / "journal.db", task.fingerprint, settings.that_determine(), resume=resume).close()
        write_json(out / "front.json", front_of(task, sources))
        return StandInFront(front_of(task, sources), interrupted=found == "stopped")


def stand_in_add(library: Library, folder: Path, name: str, *, domain: str, keep_rows: int, task: Task | None) -> Entry:
    assert (task is None) == (keep_rows == 0)
    front = json.loads((folder / "front.json").read_text())
    error = front["points"][0]["values"]["error"]
    return library.add(Draft(name=name, domain=domain, error=error, rows=9, **front["task"]))


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Searches:
    made = Searches()
    monkeypatch.setattr(fleet_job, "search_into", made.search)
    monkeypatch.setattr(fleets, "add_to_library", stand_in_add)
    return made


def site_table(seed: int = 0, **sizes: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    sites = rng.permutation([site for site, count in sizes.items() for _ in range(count)])
    load = rng.uniform(size=len(sites))
    return pl.DataFrame({"site": sites.tolist(), "load": load, "power": 100 * load + rng.normal(size=len(sites))})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "power.parquet"
    site_table(A=30, B=60, C=10, D=25).write_parquet(path)
    return path


def run(table: Path, settings: SearchSettings = SETTINGS, **more: Any) -> Fleet:
    return search_fleet(table.parent / "out", table, settings, **{"by": "site", "reading": READING, **more})


def entries(table: Path) -> list[str]:
    return Library(table.parent / "out" / "library").names()


def test_library_grows_from_the_largest_domain_on(table: Path, searches: Searches) -> None:
    found = run(table)
    assert [name for name, _ in searches.told] == ["B", "A", "D"]
    assert {d.value: (d.state, d.sources) for d in found.domains} == {
        "B": ("done", ()),
        "A": ("done", ("power/B",)),
        "D": ("done", ("power/A", "power/B")),
        "C": ("skipped", ()),
    }
    assert found.domains[1].transfer == {"mode": "root", "decision": "accepted"}
    assert entries(table) == ["power/A", "power/B", "power/D"]
    assert Library(table.parent / "out" / "library").get("power/A").domain == "A"


def test_rows_are_kept_only_where_asked_for(table: Path, searches: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, tuple[int, int]] = {}

    def noted(library: Library, folder: Path, name: str, *, domain: str, keep_rows: int, task: Task | None) -> Entry:
        assert task is not None
        kept[domain] = (keep_rows, len(task.rows))
        return stand_in_add(library, folder, name, domain=domain, keep_rows=keep_rows, task=task)

    monkeypatch.setattr(fleets, "add_to_library", noted)
    run(table, keep_rows=7)
    assert kept == {"B": (7, 60), "A": (7, 30), "D": (7, 25)}
    with pytest.raises(SettingError, match="the rows to keep must be >= 0, got -1"):
        search_fleet(table.parent / "other", table, SETTINGS, by="site", reading=READING, keep_rows=-1)
    assert not (table.parent / "other").exists()


def test_fleet_json_and_report(table: Path, searches: Searches) -> None:
    found = run(table)
    out = table.parent / "out"
    written = json.loads((out / "fleet.json").read_text())
    assert written == json.loads(json.dumps(found.to_json()))
    assert written["format"] == 1
    assert written["by"] == "site"
    assert written["task"] == {"kind": "regression", "target": "power", "metric": "r2"}
    assert written["domains"][0] == {
        "value": "B", "folder": "domains/B", "rows": 60, "state": "done", "reason": None, "picked": "n1",
        "error": 1 / 60, "size": 400.0, "test_error": None, "seconds": 0.5, "evaluations": 3,
        "transfer": {"mode": "none", "decision": "refused"}, "sources": [],
    }  # fmt: skip
    assert written["domains"][3]["reason"] == "at least 20 rows are required, got 10"
    assert written["settings"]["evaluations"] == 3
    assert "power by site" in (out / "report.html").read_text()
    assert open_fleet(out) == replace(found, seconds=written["seconds"])


def test_without_transfer_there_is_no_library(table: Path, searches: Searches) -> None:
    found = run(table, replace(SETTINGS, sources=("none",)))
    assert not (table.parent / "out" / "library").exists()
    assert all(domain.sources == () for domain in found.domains)


def test_library_of_the_user(table: Path, searches: Searches) -> None:
    library = Library.init(table.parent / "lib")
    run(table, replace(SETTINGS, library=str(table.parent / "lib")))
    assert library.names() == ["power/A", "power/B", "power/D"]
    assert not (table.parent / "out" / "library").exists()


def test_name_that_is_in_the_library_already(table: Path, searches: Searches) -> None:
    library = Library.init(table.parent / "lib")
    library.add(Draft(name="power/A", kind="regression", target="power", metric="r2", error=0.1, rows=9))
    with pytest.raises(LibraryError, match=r"a library without 'power/A' is required, got .*lib with an entry of that"):
        run(table, replace(SETTINGS, library=str(table.parent / "lib")))
    assert searches.told == []
    assert not (table.parent / "out").exists()


FAILURES = {
    "table": (TableError("the target must vary"), "the target must vary"),
    "setting": (SettingError("no such entry"), "no such entry"),
    "fault": (ZeroDivisionError("by zero"), "a fault of netgraft: ZeroDivisionError: by zero"),
}


@pytest.mark.parametrize("case", list(FAILURES))
def test_domain_that_fails_costs_itself_only(case: str, table: Path, searches: Searches) -> None:
    error, reason = FAILURES[case]
    searches.stop["A"] = error
    found = run(table)
    assert {d.value: (d.state, d.reason) for d in found.domains if d.value != "C"} == {
        "B": ("done", None),
        "A": ("failed", reason),
        "D": ("done", None),
    }
    assert entries(table) == ["power/B", "power/D"]


def test_unusable_domain_of_a_table_fails(table: Path, searches: Searches) -> None:
    frame = pl.read_parquet(table)
    frame.with_columns(power=pl.when(pl.col("site") == "A").then(1.0).otherwise("power")).write_parquet(table)
    found = run(table)
    assert found.domains[1].reason == "the target must vary, got only 1 in column 'power'"
    assert found.count("done") == 2


def test_fleet_in_which_every_domain_fails_leaves_nothing(table: Path, searches: Searches) -> None:
    searches.stop |= {site: TableError(f"{site} is no good") for site in "ABD"}
    with pytest.raises(NetgraftError, match="needs a domain that can be searched, got 3 that cannot, first 'B': B is"):
        run(table)
    assert [path.name for path in table.parent.iterdir()] == ["power.parquet"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), "stopped"], ids=["before its front", "with a front"])
def test_stopped_fleet_keeps_what_is_done_and_goes_on(
    stop: BaseException | str, table: Path, searches: Searches
) -> None:
    searches.stop["A"] = stop
    found = run(table)
    assert found.interrupted
    assert [d.state for d in found.domains] == ["done", "open", "open", "skipped"]
    assert open_fleet(table.parent / "out").interrupted
    assert entries(table) == ["power/B"]
    assert "not searched yet" in (table.parent / "out" / "report.html").read_text()
    searches.told.clear()
    again = run(table, resume=True)
    assert searches.told == [("A", True), ("D", True)]
    assert not again.interrupted
    assert [d.state for d in again.domains] == ["done", "done", "done", "skipped"]
    assert again.domains[0] == found.domains[0]
    assert again.domains[2].sources == ("power/A", "power/B")


def test_fleet_that_was_killed_before_the_library_knew(table: Path, searches: Searches) -> None:
    run(table)
    Library(table.parent / "out" / "library").remove("power/D")
    searches.told.clear()
    run(table, resume=True)
    assert searches.told == []
    assert entries(table) == ["power/A", "power/B", "power/D"]


def test_failed_domain_is_tried_again(table: Path, searches: Searches) -> None:
    searches.stop["A"] = MemoryError()
    run(table)
    searches.told.clear()
    assert run(table, resume=True).count("done") == 3
    assert searches.told == [("A", True)]


def test_place_that_cannot_be_written_stops_the_fleet(table: Path, searches: Searches) -> None:
    searches.stop["A"] = OutputError("a disk with room is required")
    with pytest.raises(OutputError, match="a disk with room is required"):
        run(table)
    assert [d.state for d in open_fleet(table.parent / "out").domains] == ["done", "open", "open", "skipped"]
    assert run(table, resume=True).count("done") == 3


def test_resume_of_another_fleet_is_refused(table: Path, searches: Searches) -> None:
    run(table)
    with pytest.raises(JournalError, match=r"evaluations must be 3 as in fleet.json to resume, got 4"):
        run(table, replace(SETTINGS, evaluations=4), resume=True)
    with pytest.raises(JournalError, match=r'metric must be "r2" as in fleet.json to resume, got "mae"'):
        run(table, reading=replace(READING, metric="mae"), resume=True)
    run(table, replace(SETTINGS, jobs=1), resume=True)
    site_table(A=30, B=61, C=10, D=25).write_parquet(table)
    with pytest.raises(JournalError, match=r"the table of fleet.json is required to resume, got one with other rows"):
        run(table, resume=True)
    site_table(A=30, B=60, C=10, D=25, seed=1).write_parquet(table)
    with pytest.raises(JournalError, match="a journal of this table is required to resume"):
        run(table, resume=True)


def test_resume_needs_the_journals(table: Path, searches: Searches) -> None:
    run(table)
    (table.parent / "out" / "domains" / "A" / "journal.db").unlink()
    with pytest.raises(JournalError, match="the journal of domain 'A' is required to resume, got none at"):
        run(table, resume=True)


def test_folder_of_a_fleet(table: Path, searches: Searches) -> None:
    out = table.parent / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match=r"a new or empty folder is required, got .*out with 'mine.txt' in it"):
        run(table)
    with pytest.raises(OutputError, match=r"a folder with a fleet.json is required to resume, got .*out without one"):
        run(table, resume=True)
    (out / "mine.txt").unlink()
    run(table, resume=True)
    with pytest.raises(OutputError, match=r"got .*out with a fleet in it; --resume goes on with it"):
        run(table)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "domains": [{"a": 1}]}'])
def test_damaged_fleet_json(text: str, table: Path) -> None:
    (table.parent / "fleet.json").write_text(text)
    with pytest.raises(ModelError, match=r"fleet.json must be"):
        open_fleet(table.parent)


def test_progress_counts_domains(table: Path, searches: Searches) -> None:
    told: list[tuple[str, float]] = []
    run(table, on_progress=lambda text, share: told.append((text, share)))
    assert told[0] == ("1 of 4 domains, now B", 0.25)
    assert told[-1] == ("4 of 4 domains", 1.0)


def test_entry_names() -> None:
    assert entry_name("energy", "A/1") == "energy/A/1"
    assert entry_name("energy", "tab\t") == "energy/tab%09"
    assert len(entry_name("x" * 300, "y" * 300)) <= 200
