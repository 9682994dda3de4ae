"""A table by domain: which rows, in which order, read how, in which folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.errors import SettingError, TableError
from netgraft.lifecycle.domains import folder_name, read_domains, table_name
from netgraft.tables import Task
from netgraft.tables.settings import Settings


def site_table(**sizes: int) -> pl.DataFrame:
    """Return a table whose target depends on one number, with so many rows of each site, all mixed."""
    rng = np.random.default_rng(0)
    sites = rng.permutation([site for site, count in sizes.items() for _ in range(count)])
    load = rng.uniform(size=len(sites))
    return pl.DataFrame({"site": sites.tolist(), "load": load, "power": 100 * load + rng.normal(size=len(sites))})


def written(folder: Path, frame: pl.DataFrame, name: str = "t.parquet") -> Path:
    path = folder / name
    frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
    return path


def test_domains_have_their_rows_and_come_largest_first(tmp_path: Path) -> None:
    frame = site_table(A=30, B=50, C=20, D=30)
    found = read_domains(written(tmp_path, frame), by="site", settings=Settings(target="power"))
    assert list(found.rows) == ["B", "A", "D", "C"]
    for site in "ABCD":
        assert found.table(site).rows.equals(frame.filter(pl.col("site") == site))
    task = found.table("A").read()
    assert [column.name for column in task.encoding.columns] == ["load"]
    assert len(task.rows) == 30


def test_rows_without_a_value_are_left_out(tmp_path: Path) -> None:
    frame = site_table(A=30, B=30).with_columns(site=pl.Series([None, "", "-", *["A", "B"] * 28, "A"]))
    found = read_domains(written(tmp_path, frame), by="site", settings=Settings(target="power", na=("-",)))
    assert found.left_out == 3
    assert {value: len(rows) for value, rows in found.rows.items()} == {"A": 29, "B": 28}


def test_test_rows_go_to_their_domain(tmp_path: Path) -> None:
    path, test = written(tmp_path, site_table(A=30, B=30)), written(tmp_path, site_table(B=7, C=9), "test.parquet")
    found = read_domains(path, by="site", settings=Settings(target="power"), test=test)
    rows = found.table("B").test
    assert rows is not None
    assert rows["site"].to_list() == ["B"] * 7
    assert found.table("A").test is None
    task = found.table("B").read()
    assert task.test is not None
    assert len(task.test) == 7


def test_text_file_is_read_as_a_single_search_reads_it(tmp_path: Path) -> None:
    """A mark of a missing cell makes a column of numbers text, which only a text file's columns may be."""
    cells = pl.Series([["1.5", "2.5", "NA"][i % 3] if i < 6 else str(i / 7) for i in range(80)])
    flags = pl.Series([["True", "False", "True"][i % 3] for i in range(80)])
    frame = site_table(A=40, B=40).with_columns(late=cells, flag=flags)
    path = written(tmp_path, frame, "t.csv")
    found = read_domains(path, by="site", settings=Settings(target="power")).table("A").read()
    alone = written(tmp_path, frame.filter(pl.col("site") == "A"), "a.csv")
    whole = Task.read(alone, target="power", drop=["site"], kind="regression")
    assert found.encoding.columns == whole.encoding.columns
    assert {column.name: column.kind for column in found.encoding.columns}["late"] == "numeric"
    assert {column.name: column.kind for column in found.encoding.columns}["flag"] == "boolean"


def test_kind_of_the_task_is_that_of_the_whole_table(tmp_path: Path) -> None:
    """The whole numbers of B alone would be classes."""
    frame = site_table(A=60, B=40).with_columns(
        power=pl.when(pl.col("site") == "A").then(pl.col("power")).otherwise(pl.int_range(pl.len()) % 2)
    )
    found = read_domains(written(tmp_path, frame), by="site", settings=Settings(target="power"))
    assert [found.table(site).read().kind for site in "AB"] == ["regression", "regression"]


REFUSED = {
    "unknown column": ("sit", {}, "the column of a fleet must be one of load, power, site, got 'sit'; the nearest is"),
    "one value": ("one", {}, "a fleet needs at least two values in its column, got only '1' in 'one'"),
    "no value": ("none", {}, "a fleet needs at least two values in its column, got none in 'none'"),
    "many values": ("load", {}, "a domain with at least 20 rows is required, got at most 1 for a 'load'"),
    "the target": ("power", {}, "must have no other use, got 'power' as the target column too"),
    "the group": ("site", {"group": "site"}, "must have no other use, got 'site' as the group column too"),
    "unknown target": ("site", {"target": "powr"}, "the target column must be one of .* the nearest is 'power'"),
    "metric": ("site", {"metric": "accuracy"}, "a metric of regression must be one of"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_column_that_makes_no_fleet(case: str, tmp_path: Path) -> None:
    by, more, text = REFUSED[case]
    frame = site_table(A=30, B=30)
    if by in ("one", "none"):
        frame = frame.with_columns(pl.lit(1 if by == "one" else None).alias(by))
    with pytest.raises((TableError, SettingError), match=text):
        read_domains(written(tmp_path, frame), by=by, settings=Settings(**{"target": "power", **more}))


def test_test_table_needs_the_column(tmp_path: Path) -> None:
    path = written(tmp_path, site_table(A=30, B=30))
    test = written(tmp_path, site_table(A=5).drop("site"), "test.parquet")
    with pytest.raises(TableError, match="the column of the fleet in the test table must be one of load, power"):
        read_domains(path, by="site", settings=Settings(target="power"), test=test)


@given(st.lists(st.text(min_size=1, max_size=120), min_size=2, max_size=2, unique=True))
def test_folder_names_are_distinct_parts_of_a_path(values: list[str]) -> None:
    try:
        names = [folder_name(value) for value in values]
    except UnicodeEncodeError:  # no cell of a table is a lone surrogate
        return
    assert names[0] != names[1]
    for value, name in zip(values, names, strict=True):
        assert name.isascii()
        assert 0 < len(name) <= 200
        assert Path(name).parts == (name,)
        assert name not in (".", "..")
        if "~" not in name:
            assert unquote(name) == value


def test_table_name() -> None:
    assert table_name("a/energy.2025.csv.gz") == "energy"
    assert table_name(".csv") == "table"
