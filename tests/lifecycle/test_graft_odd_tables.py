"""Starts from earlier models where tables and sources hardly fit, and searches resumed beside another library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from netgraft.errors import JournalError, SettingError
from netgraft.library import Library
from netgraft.lifecycle.job import search_into
from netgraft.lifecycle.prepare import prepare
from netgraft.lifecycle.ranking import rank_sources
from netgraft.lifecycle.roots import rows_of
from netgraft.lifecycle.search import Front, SearchSettings, search_front
from netgraft.lifecycle.shelf import add_to_library
from netgraft.lifecycle.sources import sources_for
from netgraft.tables import Task
from netgraft.transfer.source import Source

SMALL = {"depth": "1,2", "width_1": "8", "width_2": "8", "members": "1"}


def table(rows: int, seed: int) -> pl.DataFrame:
    """Return a table with numbers and categories whose target few rows do not show."""
    rng = np.random.default_rng(seed)
    x, mode, site = rng.uniform(-2, 2, (rows, 3)), rng.choice(["a", "b", "c"], rows), rng.choice(["u", "v"], rows)
    y = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + 2.0 * (mode == "a") + (site == "u") + rng.normal(0, 0.05, rows)
    return pl.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "x2": x[:, 2], "mode": mode, "site": site, "y": y})


def stored(
    tmp: Path,
    frame: pl.DataFrame,
    name: str = "only",
    *,
    keep_rows: int = 0,
    library: Library | None = None,
    **genes: str,
) -> Library:
    library = library or Library.init(tmp / "library")
    path = tmp / f"{name}.parquet"
    frame.write_parquet(path)
    settings = SearchSettings(evaluations=2, settings={**SMALL, **genes})
    search_into(tmp / name, lambda: Task.read(path, target="y"), settings)
    add_to_library(library, tmp / name, name, keep_rows=keep_rows)
    return library


def searched(library: Library, frame: pl.DataFrame, *, journal: Path | None = None, resume: bool = False,
             evaluations: int = 2, genes: dict[str, str] | None = None, **reading: object) -> Front:  # fmt: skip
    settings = SearchSettings(
        evaluations=evaluations, settings={**SMALL, **(genes or {})}, library=str(library.location)
    )
    task = Task.read(frame, target="y", **reading)
    return search_front(task, settings, journal=journal, resume=resume)


def nearest(library: Library, task: Task) -> list[Source]:
    return sources_for(library, task, ("auto",), rank_sources(library, task))


def test_a_target_of_categories_only(tmp_path: Path) -> None:
    library = stored(tmp_path, table(400, 1), keep_rows=100)
    front = searched(library, table(80, 2).select("mode", "site", "y"))
    assert "network held" in [each["name"] for each in front.transfer["guard"]["candidates"]]


@pytest.mark.parametrize("basis", ["linear", "periodic"])
def test_a_source_whose_root_has_no_bins_gives_its_outputs_only(tmp_path: Path, basis: str) -> None:
    library = stored(tmp_path, table(400, 1), basis=basis)
    front = searched(library, table(60, 2), genes={"basis": "tree"})
    names = [each["name"] for each in front.transfer["guard"]["candidates"]]
    assert "trees with source" in names
    assert "network held" not in names


def test_a_source_without_numbers_leaves_the_bins_of_the_target(tmp_path: Path) -> None:
    library = stored(tmp_path, table(400, 1).select("mode", "site", "y"))
    assert searched(library, table(60, 2), genes={"basis": "tree"}).points


def test_a_source_in_a_far_larger_unit_does_not_count_as_good(tmp_path: Path) -> None:
    library = stored(tmp_path, table(300, 1).with_columns(pl.col("y") * 1e36), keep_rows=100)
    front = searched(library, table(40, 2), metric="rmse")
    errors = {each["name"]: each["error"] for each in front.transfer["guard"]["candidates"]}
    if front.transfer["guard"]["decision"] == "accepted":
        assert errors["mixture with sources"] < errors["mixture without"]


def test_an_entry_of_the_same_rows_is_never_chosen_whatever_seed_and_metric(tmp_path: Path) -> None:
    frame = table(100, 1)
    library = stored(tmp_path, frame)
    for reading in ({}, {"seed": 1}, {"metric": "mae"}, {"test": table(30, 3)}):
        assert nearest(library, Task.read(frame, target="y", **reading)) == []
    assert nearest(library, Task.read(table(100, 2), target="y"))


def test_entries_that_share_names_but_no_kind_give_way_to_others(tmp_path: Path) -> None:
    other = table(60, 3).select("y", mode="x0", site="x1")
    library = stored(tmp_path, other.with_columns(more=pl.col("mode") * 2), "other")
    stored(tmp_path, table(60, 4), "usable", library=library)
    task = Task.read(table(60, 5).select("mode", "site", "y"), target="y")
    assert [source.name for source in nearest(library, task)] == ["usable"]


def test_rows_of_a_source_without_a_logarithm_are_moved_in_the_unit_of_the_target(tmp_path: Path) -> None:
    library = stored(tmp_path, table(400, 1).with_columns(pl.col("y") + 100), keep_rows=200)
    far = table(80, 2).with_columns((pl.col("y") + 5).clip(0.1))
    prepared = prepare(Task.read(far, target="y", target_transform="log1p"), seed=0, teacher_s=None)
    assert prepared.output.log1p
    rows = rows_of(nearest(library, prepared.task), prepared)
    assert rows is not None
    assert abs(float(rows.translated.mean())) < 1.0


def test_a_resumed_search_keeps_the_start_it_began_with(tmp_path: Path) -> None:
    library = stored(tmp_path, table(400, 1).with_columns(pl.col("mode").replace({"a": "z"})))
    few, journal = table(80, 2), tmp_path / "journal.db"
    before = searched(library, few, journal=journal, evaluations=3)
    assert before.transfer["guard"]["decision"] == "accepted"
    stored(tmp_path, table(400, 3), "nearer", library=library)
    after = searched(library, few, journal=journal, resume=True, evaluations=4)
    assert after.transfer == before.transfer
    assert after.points[0].model.encoding.columns == before.points[0].model.encoding.columns
    library.remove("only")
    with pytest.raises(SettingError, match="only"):
        searched(library, few, journal=journal, resume=True, evaluations=5)
    (tmp_path / "again").mkdir()
    stored(tmp_path / "again", table(400, 1), "only", library=library)
    with pytest.raises(JournalError, match="'only' must be those that the search began with"):
        searched(library, few, journal=journal, resume=True, evaluations=5)


def test_a_resumed_search_that_refused_its_sources_refuses_them_again(tmp_path: Path) -> None:
    library = stored(tmp_path, table(200, 1))
    noise = np.random.default_rng(3).normal(0, 1, 80)  # nothing helps to predict it
    few, journal = table(80, 2).with_columns(y=pl.Series(noise)), tmp_path / "journal.db"
    before = searched(library, few, journal=journal)
    assert before.transfer["guard"]["decision"] == "refused"
    stored(tmp_path, table(400, 3), "near", library=library)
    assert searched(library, few, journal=journal, resume=True, evaluations=3).transfer == before.transfer
