"""A task that starts from earlier models: taken when they help, refused when not, the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import netgraft as ng
from netgraft.errors import LibraryError, SettingError, TableError, TransferError
from netgraft.library import Draft, Library
from netgraft.lifecycle.folder import open_details
from netgraft.lifecycle.job import search_into
from netgraft.lifecycle.ranking import rank_sources
from netgraft.lifecycle.search import SearchSettings
from netgraft.lifecycle.shelf import add_to_library
from netgraft.lifecycle.sources import sources_for
from netgraft.tables import Task

QUICK = {"evaluations": 2, "settings": {"depth": "1,2", "width_1": "8,16", "width_2": "8", "members": "1"}}


def waves(rows: int, seed: int, *, scale: float = 1.0, far: bool = False) -> pl.DataFrame:
    """Return a table whose target is a curve that few rows do not show."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (rows, 4)) + (5 if far else 0)
    y = rng.normal(0, 1, rows) if far else np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + (x[:, 3] > 0.5)
    frame = {f"x{j}": x[:, j] for j in range(4)}
    return pl.DataFrame({**frame, "mode": rng.choice(["on", "off"], rows), "y": scale * y + rng.normal(0, 0.05, rows)})


def stored(library: Library, tmp: Path, name: str, frame: pl.DataFrame, *, keep_rows: int = 0) -> None:
    path = tmp / f"{name}.parquet"
    frame.write_parquet(path)
    search_into(tmp / name, lambda: Task.read(path, target="y"), SearchSettings(**QUICK))
    add_to_library(library, tmp / name, name, domain=name, keep_rows=keep_rows)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    tmp = tmp_path_factory.mktemp("sources")
    made = Library.init(tmp / "library")
    stored(made, tmp, "near", waves(800, 1), keep_rows=300)
    stored(made, tmp, "far", waves(300, 2, far=True))
    return made


def searched(library: Library, frame: pl.DataFrame, *sources: str, **more: object) -> ng.Front:
    settings = {**QUICK, "library": str(library.location), "sources": sources or ("auto",), **more}
    return ng.search_front(Task.read(frame, target="y"), SearchSettings(**settings))


def test_an_entry_tells_of_its_data_without_rows_unless_asked(library: Library) -> None:
    near, far = library.get("near"), library.get("far")
    assert {"front.json", "root.json", "root.safetensors", "archive.json", "origin.json"} <= near.files.keys()
    assert "rows.parquet" in near.files
    assert "rows.parquet" not in far.files
    assert near.domain == "near"
    assert dict(near.columns)["mode"] == "categorical"
    assert near.lineage["versions"]["netgraft"] == ng.__version__
    text = b"".join(library.read(far, name) for name in ("origin.json", "archive.json", "front.json")).decode()
    assert str(waves(300, 2, far=True)["x0"][0])[:9] not in text


def test_the_nearest_comes_first_by_every_measure_that_applies(library: Library) -> None:
    task = Task.read(waves(80, 3), target="y")
    for measure in ("sketch", "moments", "ridge", "logme"):
        ranked = rank_sources(library, task, measure, gains=2)
        assert [each.name for each in ranked] == ["near", "far"], measure
        assert ranked[0].expected_gain > 0.05 > ranked[1].expected_gain
    assert [each.name for each in rank_sources(library, task, "energy")] == ["near"]  # the other kept no rows
    with pytest.raises(SettingError, match="the nearest is"):
        rank_sources(library, task, "moment")


def test_the_library_of_python_users_adds_folders_and_ranks(library: Library, tmp_path: Path) -> None:
    models = ng.Library(library.location)
    task = Task.read(waves(60, 3), target="y")
    assert models.similar(task)[0].name == "near"
    search_into(tmp_path / "out", lambda: task, SearchSettings(**QUICK, strategy="random"))
    with pytest.raises(SettingError, match="a name is required"):
        models.add(tmp_path / "out")
    assert models.add(tmp_path / "out", "by hand", licence="CC0").licence == "CC0"
    models.remove("by hand")


def test_a_similar_source_is_accepted_and_helps(library: Library) -> None:
    few, test = waves(60, 4, scale=10.0), waves(400, 5, scale=10.0)
    front = searched(library, few)
    transfer = json.loads(json.dumps(front.to_json()["transfer"]))
    assert transfer["guard"]["decision"] == "accepted"
    assert transfer["sources"][0]["name"] == "near"
    assert transfer["mode"] in ("model", "held", "feature", "instance", "integrated", "generalist", "cold")
    names = [candidate["name"] for candidate in transfer["guard"]["candidates"]]
    assert {"network cold", "trees", "linear", "network model", "trees pooled", "mixture without"} <= set(names)
    cold = searched(library, few, "none")
    assert cold.transfer is None
    rows = Task.read(few, target="y", test=test).test
    errors = [
        np.mean((found.point().model.predict(rows.raw).values - rows.y) ** 2) / np.var(rows.y)
        for found in (front, cold)
    ]
    assert errors[0] < 0.7 * errors[1]


def test_the_front_of_a_similar_source_comes_first_and_trained_on(library: Library) -> None:
    few = waves(60, 4, scale=10.0)
    front = searched(library, few, evaluations=30)
    first = [e for e in front.archive.evaluations if e.batch == 0]
    assert {e.state for e in first} == {"scored"}
    assert {e.details["source"] for e in first} == {"near"}
    assert min(e.values["error"] for e in first) < 0.7
    later = [e for e in front.archive.evaluations if e.state == "scored" and "source" not in e.details]
    assert later
    assert all(e.batch > 1 for e in later)


def test_a_source_of_noise_is_refused_and_changes_nothing(library: Library) -> None:
    few = waves(100, 6)
    front, cold = searched(library, few, "far"), searched(library, few, "none")
    assert front.transfer["guard"]["decision"] == "refused"
    assert "no network of the sources does better than a constant" in front.transfer["guard"]["reason"]
    assert front.transfer["mode"] == "none"
    ours, theirs = front.to_json(), cold.to_json()
    assert ours["points"] == theirs["points"]


def test_where_nothing_can_be_learnt_sources_are_refused(library: Library) -> None:
    noise = waves(100, 6).with_columns(y=pl.Series(np.random.default_rng(0).normal(0, 1, 100)))
    front = searched(library, noise, "near")
    assert front.transfer["guard"]["decision"] == "refused"
    assert front.transfer["mode"] == "none"


def test_the_same_seed_gives_the_same_front(library: Library) -> None:
    few = waves(60, 7)
    first, second = (searched(library, few).to_json() for _ in range(2))
    for each in (first, second):
        each.pop("seconds")
        for batch in each["history"]:
            batch.pop("seconds")
    assert first == second


def test_a_front_from_a_source_deploys_like_any_other(library: Library, tmp_path: Path) -> None:
    few = waves(60, 8)
    settings = SearchSettings(**QUICK, library=str(library.location))
    front = search_into(tmp_path / "out", lambda: Task.read(few, target="y"), settings)
    again = Library.open(library.location)
    entry = add_to_library(again, tmp_path / "out", "grafted")
    assert entry.lineage["sources"] == [source["name"] for source in front.transfer["sources"]]
    again.remove("grafted")


def test_curves_of_the_roots_begin_when_training_does_and_never_rise(library: Library, tmp_path: Path) -> None:
    settings = SearchSettings(**QUICK, library=str(library.location))
    front = search_into(tmp_path / "out", lambda: Task.read(waves(60, 18), target="y"), settings)
    assert front.transfer["guard"]["decision"] == "accepted"
    assert front.transfer["mode"] != "cold"
    curves = front.transfer_curve
    assert set(curves) == {"with", "cold"}
    for curve in curves.values():
        seconds, errors = np.array(curve).T
        assert len(curve) > 1
        assert 0 <= seconds[0] < 30
        assert np.all(np.diff(seconds) >= 0)
        assert np.all(np.diff(errors) <= 0)
    assert curves["with"][0][1] < curves["cold"][0][1]  # what is known already
    assert open_details(tmp_path / "out")["transfer_curve"] == curves


def test_a_table_without_a_shared_column_is_told_so(library: Library) -> None:
    other = waves(60, 9).rename({f"x{j}": f"z{j}" for j in range(4)}).drop("mode")
    task = Task.read(other, target="y")
    with pytest.raises(TransferError, match=r"shares a column with the table is required.*--source none searches"):
        sources_for(library, task, ("auto",), rank_sources(library, task))
    with pytest.raises(TransferError, match="share a column"):
        searched(library, other, "near")
    assert searched(library, other, "none").transfer is None


def test_an_empty_library_starts_cold(tmp_path: Path) -> None:
    front = searched(Library.init(tmp_path / "empty"), waves(60, 9))
    assert front.transfer["guard"] == {"decision": "refused", "reason": "there is no source", "candidates": []}
    assert front.transfer["sources"] == []


def test_other_kinds_and_names_are_refused_in_one_line(library: Library) -> None:
    few = waves(60, 10)
    classes = few.with_columns(y=pl.when(pl.col("y") > 0).then(pl.lit("high")).otherwise(pl.lit("low")))
    with pytest.raises(TransferError, match="must be of a classification"):
        searched(library, classes, "near")
    with pytest.raises(SettingError, match="near"):
        searched(library, few, "neer")
    with pytest.raises(SettingError, match="a library is required"):
        SearchSettings(sources=("near",))
    with pytest.raises(SettingError, match="auto, none or names"):
        SearchSettings(library="x", sources=("auto", "near"))
    with pytest.raises(LibraryError):
        ng.search_front(Task.read(few, target="y"), SearchSettings(**QUICK, library="/nowhere/at/all"))


def test_rows_are_kept_of_files_only(library: Library, tmp_path: Path) -> None:
    frame = waves(60, 11)
    search_into(tmp_path / "out", lambda: Task.read(frame, target="y"), SearchSettings(**QUICK))
    with pytest.raises(TableError, match="of a file only"):
        add_to_library(library, tmp_path / "out", "frame", keep_rows=10)
    assert "frame" not in library.names()


def test_an_entry_that_is_no_source_is_named(tmp_path: Path) -> None:
    made = Library.init(tmp_path / "library")
    stored(made, tmp_path, "whole", waves(60, 16))
    entry = made.get("whole")
    told = {name: made.read(entry, name) for name in entry.files if not name.startswith("model/")}
    common = {"kind": entry.kind, "target": "y", "metric": "r2", "error": 0.1, "rows": 50, "columns": entry.columns}
    made.add(Draft(name="broken", facts=entry.facts, blobs=told, **common))
    with pytest.raises(LibraryError, match="'broken'"):
        searched(made, waves(60, 17), "broken")


def test_rows_of_a_table_that_has_changed_are_not_kept(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    waves(60, 14).write_csv(path)
    search_into(tmp_path / "out", lambda: Task.read(path, target="y"), SearchSettings(**QUICK, strategy="random"))
    waves(60, 15).write_csv(path)
    with pytest.raises(TableError, match="rows that were searched are required"):
        add_to_library(library, tmp_path / "out", "changed", keep_rows=10)
    assert "changed" not in library.names()


def test_classes_of_a_source_become_those_of_the_target(tmp_path: Path) -> None:
    library = Library.init(tmp_path / "library")
    y = pl.col("y")
    cut = pl.when(y > 1).then(pl.lit("high")).when(y > -1).then(pl.lit("mid")).otherwise(pl.lit("low")).alias("y")
    stored(library, tmp_path, "three", waves(800, 12).with_columns(cut), keep_rows=200)
    two = pl.when(pl.col("y") > 1).then(pl.lit("high")).otherwise(pl.lit("low"))
    front = searched(library, waves(80, 13).with_columns(y=two))
    names = [candidate["name"] for candidate in front.transfer["guard"]["candidates"]]
    assert "network integrated" in names
    assert front.task.classes == ("high", "low")
