from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_studies import SMALL

from netgraft.errors import OutputError, SettingError
from netgraft.lifecycle.slicing.simulate import write_kpi_table
from netgraft.ran import kpi_table


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_the_table_is_that_of_the_network(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"table{ending}"
    write_kpi_table(out, SMALL, seed=3, steps=8)
    found = pl.read_parquet(out) if ending == ".parquet" else pl.read_csv(out)
    wanted = kpi_table(SMALL, seed=3, steps=8)
    assert found.columns == list(wanted)
    assert found.height == 8 * SMALL.cells
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name].to_numpy(), values, rtol=1e-12)


def test_the_same_seed_is_the_same_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    for out in (one, other):
        write_kpi_table(out, SMALL, steps=5)
    assert one.read_bytes() == other.read_bytes()


def test_equal_shares(tmp_path: Path) -> None:
    table = write_kpi_table(tmp_path / "table.csv", SMALL, steps=4, shares="equal")
    assert (table["share_slice-1"] == 0.25).all()


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    write_kpi_table(tmp_path / "t.csv", SMALL, steps=100, on_progress=lambda text, share: told.append((text, share)))
    assert told == [("50 of 100 steps", 0.5), ("100 of 100 steps", 1.0)]


def test_what_is_refused_leaves_an_old_file(tmp_path: Path) -> None:
    old = tmp_path / "table.csv"
    old.write_text("old")
    with pytest.raises(SettingError, match="steps must be >= 1, got 0"):
        write_kpi_table(old, SMALL, steps=0)
    with pytest.raises(SettingError, match="shares must be one of equal, random, got 'even'"):
        write_kpi_table(old, SMALL, shares="even")
    assert old.read_text() == "old"
    with pytest.raises(OutputError, match=r"the table must go to a \.parquet or \.csv file, got .*table.txt"):
        write_kpi_table(tmp_path / "table.txt", SMALL)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match=r"a file to write to is required, got the folder"):
        write_kpi_table(tmp_path / "folder.csv", SMALL)
