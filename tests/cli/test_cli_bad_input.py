"""Every kind of wrong input: exit code 2, one line that says what is required and what came, nothing written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cli_tables import QUICK, Searched, fault_table, power_table

from netgraft.cli import main

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Give a function that runs a command which must be refused, and returns the line."""

    def run(*words: object, leaves: tuple[Path, ...] = ()) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        assert line.startswith("netgraft: error: ")
        for path in leaves:
            assert not path.exists()
        return line.removeprefix("netgraft: error: ")

    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    power_table(60).write_csv(path)
    return path


def written(folder: Path, frame: pl.DataFrame | str) -> Path:
    path = folder / "table.csv"
    path.write_text(frame) if isinstance(frame, str) else frame.write_csv(path)
    return path


def with_column(name: str, values: object) -> pl.DataFrame:
    return power_table(60).with_columns(pl.Series(name, values))


TABLES = {
    "no such file": (None, "a table file is required, got"),
    "not a table": ("", "a table with rows is required"),
    "header only": ("load,power\n", "must have at least one row"),
    "duplicate names": ("a,a,power\n" + "1,2,3\n" * 30, "column names must be unique, got duplicates"),
    "target all missing": (with_column("power", [None] * 60), "the target must have values"),
    "target without variation": (with_column("power", [1.5] * 60), "the target must vary, got only 1.5"),
    "one class": (with_column("power", ["a"] * 60), "at least two classes, got one class 'a'"),
    "few rows": (power_table(19), "at least 20 rows with a target are required, got n_samples = 19"),
    "all columns constant": (
        pl.DataFrame({"a": [1.0] * 60, "b": ["x"] * 60, "power": power_table(60)["power"]}),
        "constant",
    ),
    "infinite values": (with_column("load", [np.inf] + [0.5] * 59), "in column 'load'"),
    "infinite target": (with_column("power", [np.inf, *range(59)]), "infinite"),
}


@pytest.mark.parametrize("case", list(TABLES))
def test_table_that_cannot_be_used(case: str, tmp_path: Path, refused: Refused) -> None:
    content, text = TABLES[case]
    path = tmp_path / "none.csv" if content is None else written(tmp_path, content)
    out = tmp_path / "out"
    assert text in refused("search", path, "--target", "power", *QUICK, "--out", out, leaves=(out,))


def test_file_of_another_ending(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    line = refused(
        "search", tmp_path / "t.xlsx", "--target", "power", "--out", tmp_path / "o", leaves=(tmp_path / "o",)
    )
    assert "a table file must end in one of .csv" in line


def test_damaged_file(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and then nothing")
    line = refused("search", tmp_path / "t.parquet", "--target", "power", "--out", tmp_path / "o")
    assert "a readable table is required" in line


SETTINGS = {
    "unknown target": (["--target", "powr"], "the target column must be one of", "the nearest is 'power'"),
    "unknown drop": (["--drop", "lod"], "a dropped column must be one of", "the nearest is 'load'"),
    "unknown group": (["--group", "sites"], "the group column must be one of", "the nearest is 'site'"),
    "unknown time": (["--time", "tim"], "the time column must be one of", "the nearest is 'time'"),
    "unknown weight": (["--weight", "lad"], "the weight column must be one of", "the nearest is 'load'"),
    "unknown kind": (["--kind", "regresion"], "a task's kind must be one of", "the nearest is 'regression'"),
    "unknown metric": (["--metric", "rsme"], "a metric of regression must be one of", "the nearest is 'rmse'"),
    "unknown transform": (["--target-transform", "log"], "a target transform must be one of", "'log1p'"),
    "unknown objective": (["--objective", "sise"], "an objective must be one of", "the nearest is 'size'"),
    "unknown device": (["--device", "raspbery-pi-4"], "a device must be one of", "the nearest is 'raspberry-pi-4'"),
    "unknown strategy": (["--strategy", "evolve"], "a strategy must be one of", "the nearest is 'evolution'"),
    "unknown setting": (["--set", "dept=2"], "a setting must be one of", "the nearest is 'depth'"),
    "unknown value": (["--set", "activation=rel"], "activation must be one of", "the nearest is 'relu'"),
    "unknown engine": (["--engine", "locl"], "an engine must be one of local", "the nearest is 'local'"),
    "malformed setting": (["--set", "depth"], "a setting must be written KEY=VALUE", "got 'depth'"),
    "setting twice": (["--set", "depth=1", "--set", "depth=2"], "a setting must come once", "depth twice"),
    "malformed limit": (["--limit", "size=64KB"], "a limit must be written OBJECTIVE<=VALUE", "got 'size=64KB'"),
    "unknown limit": (["--limit", "siz<=64KB"], "a limit's objective must be one of", "the nearest is 'size'"),
    "unit of a limit": (["--limit", "size<=64ms"], "a quantity must be a number with one of the units", "'64ms'"),
    "impossible size": (["--limit", "size<=3B"], "size<=3 B cannot be met", "the smallest candidate has"),
    "impossible error": (["--limit", "error<=0.0000001"], "error<=1e-07 cannot be met", "smallest candidate has"),
    "no evaluations": (["--evaluations", "0"], "evaluations must be >= 1", "got 0"),
    "no jobs": (["--jobs", "0"], "jobs must be >= 1", "got 0"),
    "no budget": (["--budget", "0s"], "a duration must be positive", "got '0s'"),
    "malformed budget": (["--budget", "soon"], "a quantity must be a number", "got 'soon'"),
    "negative lag": (["--lag", "-1"], "lag must be a whole number from 0", "got -1"),
    "ray": (["--engine", "ray"], "the engine must be local", "which is for fleets (--by)"),
    "no library": (["--library", "no-such-library"], "a library", "no-such-library"),
    "source without a library": (["--source", "site 7"], "a library is required for a source", "'site 7'"),
    "no such option": (["--budgets", "3s"], "No such option", "--budget"),
    "no number": (["--evaluations", "many"], "Invalid value for '--evaluations'", "valid integer"),
}


@pytest.mark.parametrize("case", list(SETTINGS))
def test_setting_that_cannot_be_used(case: str, table: Path, tmp_path: Path, refused: Refused) -> None:
    words, required, came = SETTINGS[case]
    out = tmp_path / "out"
    line = refused("search", table, "--target", "power", *QUICK, "--out", out, *words, leaves=(out,))
    assert required in line
    assert came in line


def test_refused_search_leaves_no_folders_above(table: Path, tmp_path: Path, refused: Refused) -> None:
    out = tmp_path / "a" / "b" / "c"
    refused("search", table, "--target", "none", "--out", out, leaves=(tmp_path / "a",))


def test_refused_search_leaves_what_was_there(table: Path, tmp_path: Path, refused: Refused) -> None:
    out = tmp_path / "empty"
    out.mkdir()
    refused("search", table, "--target", "none", "--out", out)
    assert list(out.iterdir()) == []


def test_folder_that_holds_something(table: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    line = refused("search", table, "--target", "power", *QUICK, "--out", tmp_path / "out")
    assert line == f"a new or empty folder is required, got {tmp_path / 'out'} with 'mine.txt' in it"
    line = refused("search", table, "--target", "power", *QUICK, "--out", tmp_path / "out", "--resume")
    assert line == f"a folder with a journal.db is required to resume, got {tmp_path / 'out'} without one"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_folder_that_is_a_file(table: Path, tmp_path: Path, refused: Refused) -> None:
    assert f"a folder to write to is required, got the file {table}" in refused(
        "search", table, "--target", "power", "--out", table
    )
    line = refused("search", table, "--target", "power", "--out", table / "below")
    assert "a folder that can be written is required" in line


def test_folder_that_cannot_be_written(table: Path, refused: Refused) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("needs a file system that nobody can write to")
    line = refused("search", table, "--target", "power", "--out", "/proc/netgraft-out")
    assert "a folder that can be written is required, got /proc/netgraft-out" in line


def test_journal_of_another_table(power: Searched, tmp_path: Path, refused: Refused) -> None:
    shutil.copytree(power.folder, tmp_path / "o")
    power_table(120, seed=5).write_parquet(tmp_path / "other.parquet")
    words = ["search", tmp_path / "other.parquet", "--target", "power", "--group", "site", *QUICK]
    line = refused(*words, "--out", tmp_path / "o", "--resume")
    assert "a journal of this table is required to resume" in line
    assert (tmp_path / "o" / "front.json").read_bytes() == (power.folder / "front.json").read_bytes()


def test_journal_of_other_settings(power: Searched, tmp_path: Path, refused: Refused) -> None:
    shutil.copytree(power.folder, tmp_path / "o")
    words = ["search", power.table, "--target", "power", "--test", power.test, "--group", "site", *QUICK]
    line = refused(*words, "--limit", "size<=1MB", "--out", tmp_path / "o", "--resume")
    assert "limits must be [] as in the journal" in line


def test_journal_of_another_format(power: Searched, tmp_path: Path, refused: Refused) -> None:
    import sqlite3

    shutil.copytree(power.folder, tmp_path / "o")
    with sqlite3.connect(tmp_path / "o" / "journal.db") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    connection.close()
    words = ["search", power.table, "--target", "power", "--test", power.test, "--group", "site", *QUICK]
    line = refused(*words, "--out", tmp_path / "o", "--resume")
    assert "a journal of format version 1 is required, got version 99" in line


def test_journal_that_is_none(power: Searched, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "journal.db").write_bytes(b"not a data base, but long enough to be looked at" * 10)
    line = refused("search", power.table, "--target", "power", *QUICK, "--out", tmp_path / "o", "--resume")
    assert "a journal written by netgraft is required" in line


@pytest.mark.parametrize("ending", ["safetensors", "json"])
def test_model_that_was_tampered_with(power: Searched, tmp_path: Path, refused: Refused, ending: str) -> None:
    shutil.copytree(power.folder, tmp_path / "o")
    for path in (tmp_path / "o" / "model").glob(f"*.{ending}"):
        if path.name != "manifest.json":
            data = bytearray(path.read_bytes())
            data[-3] ^= 1
            path.write_bytes(bytes(data))
    line = refused("predict", tmp_path / "o", power.test, "--out", tmp_path / "p.csv", leaves=(tmp_path / "p.csv",))
    assert "must have the SHA-256 of the manifest; the file was changed or damaged" in line


def test_predict_table_that_lacks_columns(power: Searched, tmp_path: Path, refused: Refused) -> None:
    power_table(30).drop("load", "radio").write_csv(tmp_path / "t.csv")
    line = refused(
        "predict", power.folder, tmp_path / "t.csv", "--out", tmp_path / "p.csv", leaves=(tmp_path / "p.csv",)
    )
    assert line == "the table must have the columns 'load', 'radio', which the model was trained on"


def test_evaluate_table_without_the_target(power: Searched, tmp_path: Path, refused: Refused) -> None:
    power_table(30).drop("power").write_csv(tmp_path / "t.csv")
    line = refused("evaluate", power.folder, tmp_path / "t.csv")
    assert line == "the table must have the column 'power', which the model was trained on"


def test_points_that_do_not_exist(power: Searched, refused: Refused) -> None:
    assert "a point must be one of" in refused("evaluate", power.folder, power.test, "--point", "tree")
    assert "the nearest is 'trees'" in refused("evaluate", power.folder, power.test, "--point", "tree")
    line = refused("evaluate", power.folder, power.test, "--limit", "size<=1B")
    assert "a point with size<=1 B is required, got none: the closest is" in line
    line = refused("evaluate", power.folder, power.test, "--limit", "size<=1MB", "--point", "trees")
    assert line == "a point or limits are required, got both 'trees' and size<=1 MB"


def test_folders_that_are_no_results(power: Searched, tmp_path: Path, refused: Refused) -> None:
    assert "a folder written by netgraft search or fetch is required" in refused("report", tmp_path)
    (tmp_path / "journal.db").write_bytes(b"")
    assert "its search is unfinished: --resume goes on with it" in refused("report", tmp_path)
    (tmp_path / "front.json").write_text("{")
    assert "must be readable JSON" in refused("report", tmp_path)
    (tmp_path / "front.json").write_text("[]")
    assert "must hold a JSON object, got list" in refused("report", tmp_path)
    (tmp_path / "front.json").write_text('{"format": 2}')
    assert "must be of format 1, got 2" in refused("report", tmp_path)
    (tmp_path / "front.json").write_text('{"format": 1}')
    assert "must have points, got none" in refused("report", tmp_path)


def test_places_that_an_export_cannot_use(power: Searched, tmp_path: Path, refused: Refused) -> None:
    export = ["export", power.folder, "--out", tmp_path, "--format"]
    assert "a file to write to is required, got the folder" in refused(*export, "onnx")
    (tmp_path / "x").write_text("")
    assert "a new or empty folder is required" in refused(*export, "safetensors")
    assert "a format must be one of onnx, safetensors" in refused(*export, "onx")
    line = refused("export", power.folder, "--format", "onnx", "--out", tmp_path / "x" / "model.onnx")
    assert "a folder that can be written is required" in line
    line = refused("export", power.folder, "--format", "safetensors", "--out", tmp_path / "x" / "model")
    assert "a folder that can be written is required" in line


def test_places_that_predictions_cannot_go_to(power: Searched, tmp_path: Path, refused: Refused) -> None:
    line = refused("predict", power.folder, power.test, "--out", tmp_path / "p.txt")
    assert line == f"a file ending in .csv or .parquet is required, got {tmp_path / 'p.txt'}"
    (tmp_path / "p.csv").mkdir()
    line = refused("predict", power.folder, power.test, "--out", tmp_path / "p.csv")
    assert line == f"a file to write to is required, got the folder {tmp_path / 'p.csv'}"


def test_usage(refused: Refused) -> None:
    assert "No such command 'serch'." in refused("serch")
    assert "Missing" in refused("search")


def test_weights_that_are_negative(tmp_path: Path, refused: Refused) -> None:
    path = written(tmp_path, power_table(60).with_columns(w=pl.Series([-1.0] + [1.0] * 59)))
    line = refused("search", path, "--target", "power", "--weight", "w", *QUICK, "--out", tmp_path / "o")
    assert "row weights must be numbers of at least 0, got 1 negative" in line


def test_test_table_that_lacks_columns(table: Path, tmp_path: Path, refused: Refused) -> None:
    fault_table(30).write_csv(tmp_path / "t.csv")
    out = tmp_path / "o"
    line = refused(
        "search", table, "--target", "power", "--test", tmp_path / "t.csv", *QUICK, "--out", out, leaves=(out,)
    )
    assert "the table must have the columns" in line
