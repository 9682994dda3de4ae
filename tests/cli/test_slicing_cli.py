"""``netgraft slicing``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from netgraft.cli import main

Refused = Callable[..., str]
TINY = [
    word
    for setting in (
        "explore_steps=10", "train_steps=10", "transfer_steps=12", "evaluation_steps=8", "progress_every=6",
        "progress_steps=4", "sample_steps=20", "instances=10", "generalist_updates=4", "generalist_rows=5",
    )
    for word in ("--set", setting)
]  # fmt: skip
SCENARIO = 'base = "three"\nname = "mine"\nusers_per_slice = 4\nmap_step_m = 50\n'

SLICE = "{ name = 'a', throughput_bps = 1e6, delay_s = 1e-3 }"


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
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SCENARIO)
    return path


def test_simulate_writes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "network.parquet"
    assert main(["slicing", "simulate", "--preset", "three", "--steps", "5", "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    table = pl.read_parquet(out)
    assert (printed["rows"], printed["columns"]) == (15, table.columns)
    assert main(["slicing", "simulate", "--preset", "three", "--steps", "5", "--out", str(out)]) == 0
    assert "15 rows" in capsys.readouterr().out


def test_run_prints_methods_and_checks(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "study"
    words = ["slicing", "run", "--scenario", str(scenario), "--out", str(out), *TINY]
    assert main([*words, "--seed", "4"]) == 0
    printed = capsys.readouterr().out
    assert "tl_similar" in printed
    assert "holds: " in printed
    assert f"Report: {out}/report.html" in printed
    results = json.loads((out / "results.json").read_text())
    assert results["seeds"] == [4]
    assert results["scenario"]["name"] == "mine"
    # again, from the stages that are done
    assert main([*words, "--seed", "4", "--resume", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"methods", "similarity", "seconds", "out"}
    assert told["methods"] == results["methods"]
    assert told["similarity"] == results["similarity"]


BAD_SCENARIOS = {
    "negative power": ("power_dbm = -3", "power_dbm must be"),
    "no bandwidth": ("bandwidth_hz = 0", "bandwidth_hz must be > 0, got 0"),
    "no user": ("users_per_slice = 0", "users_per_slice must be"),
    "slices of one name": (
        f"[[groups]]\ncells = [0, 1, 2]\nslices = [{SLICE}, {SLICE}]",
        "slices must have different names, got 'a' 2 times",
    ),
    "unknown key": ("powr_dbm = 3", "'powr_dbm'"),
    "mask outside": ("[masks]\ntable = [[0.5, 0.5, 0.5, 1.5]]", "must have values in [0, 1], got 1.5 in row 0"),
    "mask missing": ("[masks]\nfile = 'masks.csv'", "got none in row 1, column 'slice-2'"),
    "no toml": ("= 3", "a scenario must be a TOML file"),
}


@pytest.mark.parametrize("verb", ["run", "simulate"])
@pytest.mark.parametrize("case", BAD_SCENARIOS)
def test_scenarios_that_are_refused(case: str, verb: str, tmp_path: Path, refused: Refused) -> None:
    text, told = BAD_SCENARIOS[case]
    (tmp_path / "masks.csv").write_text("slice-1,slice-2,slice-3,slice-4\n0.5,0.5,0.5,0.5\n0.5,,0.5,0.5\n")
    path, out = tmp_path / "bad.toml", tmp_path / ("out" if verb == "run" else "out.csv")
    path.write_text(f'base = "three"\n{text}\n')
    assert told in refused("slicing", verb, "--scenario", path, "--out", out, leaves=(out,))


@pytest.mark.parametrize("verb", ["run", "simulate"])
def test_presets_that_are_refused(verb: str, tmp_path: Path, scenario: Path, refused: Refused) -> None:
    out = tmp_path / ("out" if verb == "run" else "out.csv")
    told = refused("slicing", verb, "--preset", "papr", "--out", out, leaves=(out,))
    assert "a preset must be one of" in told
    assert told.endswith("got 'papr'; the nearest is 'paper'")
    both = refused("slicing", verb, "--preset", "three", "--scenario", scenario, "--out", out, leaves=(out,))
    assert both.startswith("a preset or a scenario is required, got both 'three' and")
    missing = refused("slicing", verb, "--scenario", tmp_path / "none.toml", "--out", out, leaves=(out,))
    assert "none.toml: No such file" in missing


RUNS = {
    "no seeds": (["--seeds", "0"], "--seeds must be >= 1, got 0"),
    "negative seed": (["--seed", "-1"], "seeds must be different whole numbers >= 0"),
    "no jobs": (["--jobs", "0"], "jobs must be >= 1, got 0"),
    "no updates": (["--updates", "0"], "updates_per_step must be >= 1, got 0"),
    "engine": (["--engine", "clod"], "an engine must be one of local, ray, got 'clod'"),
    "setting": (["--set", "train_step=3"], "got 'train_step'; the nearest is 'train_steps'"),
    "no setting": (["--set", "train_steps"], "a setting must be written KEY=VALUE"),
    "measure": (["--set", "measure=energi"], "got 'energi'; the nearest is 'energy'"),
}


@pytest.mark.parametrize("case", RUNS)
def test_runs_that_are_refused(case: str, tmp_path: Path, refused: Refused) -> None:
    words, told = RUNS[case]
    out = tmp_path / "out"
    assert told in refused("slicing", "run", "--preset", "three", *words, "--out", out, leaves=(out,))


def test_folders_that_are_refused(tmp_path: Path, refused: Refused) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    words = ("slicing", "run", "--preset", "three", "--out", out)
    assert "a new or empty folder is required" in refused(*words)
    assert "a folder with a study.json is required to resume" in refused(*words, "--resume")
    file = tmp_path / "file"
    file.write_text("")
    assert "a folder to write to is required, got the file" in refused(*words[:-1], file)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_tables_that_are_refused(tmp_path: Path, refused: Refused) -> None:
    words = ("slicing", "simulate", "--preset", "three", "--out")
    assert ".parquet or .csv file" in refused(*words, tmp_path / "out.xlsx", leaves=(tmp_path / "out.xlsx",))
    out = tmp_path / "out.csv"
    assert "steps must be >= 1, got 0" in refused(*words, out, "--steps", "0", leaves=(out,))
    assert "shares must be one of" in refused(*words, out, "--shares", "all", leaves=(out,))
