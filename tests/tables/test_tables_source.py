"""Files and frames become the same polars frame; what cannot be read says so in one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netgraft.errors import TableError
from netgraft.tables.source import open_table

FRAME = pl.DataFrame({"a": [1, 2, 3], "b": [0.5, None, 1.5], "c": ["x", "y", None]})


def write(folder: Path, ending: str) -> Path:
    path = folder / f"table{ending}"
    if ending == ".csv":
        FRAME.write_csv(path)
    elif ending == ".tsv":
        FRAME.write_csv(path, separator="\t")
    elif ending in (".csv.gz", ".tsv.gz"):
        text = FRAME.write_csv(separator="\t" if "tsv" in ending else ",")
        path.write_bytes(gzip.compress(text.encode()))
    elif ending in (".parquet", ".pq"):
        FRAME.write_parquet(path)
    elif ending == ".stream.arrow":
        FRAME.write_ipc_stream(path)
    else:
        FRAME.write_ipc(path)
    return path


@pytest.mark.parametrize(
    "ending", [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq", ".arrow", ".feather", ".ipc", ".stream.arrow"]
)
def test_every_ending_gives_the_same_cells(tmp_path: Path, ending: str) -> None:
    assert open_table(write(tmp_path, ending)).equals(FRAME)


@pytest.mark.parametrize("convert", [lambda f: f, lambda f: f.lazy(), lambda f: f.to_pandas(), lambda f: f.to_arrow()])
def test_every_frame_gives_the_same_cells(convert: object) -> None:
    assert open_table(convert(FRAME)).equals(FRAME)  # type: ignore[operator]


def test_mapping_and_array() -> None:
    assert open_table({"a": [1, 2], "b": np.array([0.5, 1.5])}).to_dict(as_series=False) == {
        "a": [1, 2],
        "b": [0.5, 1.5],
    }
    assert open_table(np.eye(2)).columns == ["x0", "x1"]
    assert open_table(np.eye(2), names=["u", "v"]).columns == ["u", "v"]


def test_pandas_with_number_names_mixed_objects_and_index() -> None:
    frame = pd.DataFrame({0: [1, 2], "m": [1, "x"], "n": [None, "y"]}, index=["r", "s"])
    opened = open_table(frame)
    assert opened.columns == ["0", "m", "n"]
    assert opened["m"].to_list() == ["1", "x"]
    assert opened["n"].to_list() == [None, "y"]


def test_csv_types_that_show_late(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("a\n" + "1\n" * 20_000 + "2.5\n")
    assert open_table(path)["a"][-1] == 2.5


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_csv_with_another_separator(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"a{separator}b\n1{separator}2\n".encode())
    assert open_table(path).to_dict(as_series=False) == {"a": [1], "b": [2]}


def test_marks_of_missing_are_null_in_csv_and_leave_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n-,y\n3,-\n")
    assert open_table(path, na=["-", "100"]).to_dict(as_series=False) == {"a": [1, None, 3], "b": ["x", "y", None]}


def duplicate_files(folder: Path) -> list[Path]:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, folder / "d.parquet")
    with pa.OSFile(str(folder / "d.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    (folder / "d.csv").write_text('"a",b,a\n1,2,3\n')
    (folder / "d.csv.gz").write_bytes(gzip.compress(b"a,b,a\n1,2,3\n"))
    return [folder / name for name in ("d.parquet", "d.arrow", "d.csv", "d.csv.gz")]


def test_duplicate_names_are_found_before_any_renaming(tmp_path: Path) -> None:
    frames = [pd.DataFrame([[1, 2]], columns=["a", "a"]), pa.table([pa.array([1])] * 2, names=["a", "a"])]
    for table in [*duplicate_files(tmp_path), *frames]:
        with pytest.raises(TableError, match=r"column names must be unique, got duplicates in .*: 'a'"):
            open_table(table)
    with pytest.raises(TableError, match="'1'"):
        open_table(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_unreadable_tables(tmp_path: Path) -> None:
    def text(table: object) -> str:
        with pytest.raises(TableError) as caught:
            open_table(table)
        message = str(caught.value)
        assert "\n" not in message
        return message

    def file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert text(tmp_path / "none.csv").endswith("none.csv: no such file")
    (tmp_path / "folder.csv").mkdir()
    assert text(tmp_path / "folder.csv").endswith("folder.csv: a folder")
    assert "must end in one of .csv" in text(file("t.xlsx", b"x"))
    assert "must end in one of .csv" in text(file("t.parquet.gz", b"x"))
    assert text(file("e.csv", b"")).endswith("the file is empty")
    assert text(file("h.csv", b"a,b\n")).endswith("must have at least one row, got none")
    for name in ("bad.parquet", "bad.arrow", "bad.csv.gz"):
        assert text(file(name, b"ARROW1 this is no table, but it is long enough")).startswith(
            "a readable table is required, got"
        )
    assert "a readable table is required" in text(file("ragged.csv", b"a,b\n1,2\n1,2,3\n"))
    assert "a readable table is required" in text(file("latin.csv", b"a,b\n1,\xff\n"))
    assert "a table must be a path" in text(object())
    assert "a table must be a path" in text([1, 2])
    assert "two dimensions" in text(np.zeros(3))
    assert text(pl.DataFrame()).endswith("must have at least one column, got none")
    with pytest.raises(TableError, match="an array must have 2 columns, got 3"):
        open_table(np.zeros((2, 3)), names=["a", "b"])
