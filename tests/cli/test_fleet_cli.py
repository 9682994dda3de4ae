"""``netgraft search --by``: a fleet of real searches, from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from cli_tables import QUICK, without_times

from netgraft.cli import main
from netgraft.library import Library
from netgraft.lifecycle import engines


def fleet_table(seed: int = 0) -> pl.DataFrame:
    """Return 130 rows of three sites, one of them with too few, in which power depends on load."""
    rng = np.random.default_rng(seed)
    sites = rng.permutation(["S 1"] * 70 + ["S/2"] * 50 + ["new"] * 10)
    load = rng.uniform(size=len(sites))
    mode = rng.choice(["eco", "full"], len(sites))
    power = 80 * load + 20 * (mode == "full") + 10 * (sites == "S 1") + rng.normal(size=len(sites))
    return pl.DataFrame({"site": sites.tolist(), "load": load, "mode": mode.tolist(), "power": power})


def words_of(folder: Path, *more: object) -> list[str]:
    """Return a fleet of quick searches; its table is written first if need be."""
    table = folder / "power.parquet"
    if not table.exists():
        fleet_table().write_parquet(table)
    return ["search", str(table), "--target", "power", "--by", "site", *QUICK, *map(str, more)]


def fronts(out: Path) -> dict[str, Any]:
    """Return the fronts of a fleet without what depends on the clock, by folder."""
    return {path.name: without_times(path) for path in sorted((out / "domains").iterdir())}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a finished fleet; its table is beside it."""
    root = tmp_path_factory.mktemp("fleet")
    assert main(words_of(root, "--out", root / "out")) == 0
    return root / "out"


def test_every_domain_has_a_result_as_a_single_search_writes_it(fleet: Path) -> None:
    assert {path.name for path in fleet.iterdir()} == {"domains", "fleet.json", "library", "report.html"}
    assert set(fronts(fleet)) == {"S%201", "S%2F2"}
    told = json.loads((fleet / "fleet.json").read_text())
    assert [(d["value"], d["state"]) for d in told["domains"]] == [("S 1", "done"), ("S/2", "done"), ("new", "skipped")]
    for domain in told["domains"][:2]:
        folder = fleet / domain["folder"]
        front = json.loads((folder / "front.json").read_text())
        point = next(point for point in front["points"] if point["id"] == front["picked"])
        assert (domain["picked"], domain["error"]) == (point["id"], point["values"]["error"])
        assert front["task"]["columns"] == ["load", "mode"]
        assert {"front.json", "report.html", "journal.db", "model"} <= {path.name for path in folder.iterdir()}
        new = fleet.parent / "new.csv"
        fleet_table(1).drop("power", "site").write_csv(new)
        assert main(["predict", str(folder), str(new), "--out", str(fleet.parent / "p.csv")]) == 0
        assert len(pl.read_csv(fleet.parent / "p.csv")) == 130


def test_library_has_every_domain(fleet: Path) -> None:
    library = Library(fleet / "library")
    assert library.names() == ["power/S 1", "power/S/2"]
    assert library.get("power/S/2").domain == "S/2"
    second = json.loads((fleet / "domains" / "S%2F2" / "front.json").read_text())
    assert [each["name"] for each in second["transfer"]["ranked"]] == ["power/S 1"]


def test_several_processes_search_as_one_does(tmp_path: Path) -> None:
    """Where every domain starts cold, no order of the library can make a difference."""
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(words_of(tmp_path, "--source", "none", "--out", one)) == 0
    assert main(words_of(tmp_path, "--source", "none", "--out", two, "--jobs", "2")) == 0
    assert fronts(one) == fronts(two)
    assert not (one / "library").exists()


def test_interrupted_fleet_goes_on_to_the_same_result(fleet: Path, tmp_path: Path) -> None:
    (tmp_path / "power.parquet").write_bytes((fleet.parent / "power.parquet").read_bytes())
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "netgraft", *words_of(tmp_path, "--out", out, "--json")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not (out / "domains" / "S%2F2").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    printed, told = process.communicate(timeout=120)
    if process.returncode == 0:
        pytest.skip("the fleet was done before the signal came")
    assert process.returncode == 130
    assert told == "netgraft: interrupted\n"
    assert [domain["state"] for domain in json.loads(printed)["domains"]] == ["done", "open", "skipped"]
    assert main([*words_of(tmp_path, "--out", out, "--resume")]) == 0
    for name, front in fronts(out).items():
        assert front["points"] == without_times(fleet / "domains" / name)["points"]


def test_what_is_printed(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of(fleet.parent, "--out", fleet, "--resume")
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "Fronts for power by site" in printed.out
    assert printed.out.splitlines()[-1] == f"Report: {fleet / 'report.html'}"
    assert printed.err.splitlines() == ["skipped: new (at least 20 rows are required, got 10)"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("out") == str(fleet)
    assert told == json.loads((fleet / "fleet.json").read_text())


REFUSED = {
    "unknown column": (["--by", "sit"], "the column of a fleet must be one of", "the nearest is 'site'"),
    "one value": (["--by", "one"], "a fleet needs at least two values in its column", "got only '1' in 'one'"),
    "unknown engine": (["--engine", "rai"], "an engine must be one of local, ray", "the nearest is 'ray'"),
    "unknown target": (["--target", "powr"], "the target column must be one of", "the nearest is 'power'"),
    "no library": (["--library", "nowhere"], "a library is required", "nowhere"),
    "limit": (["--limit", "size<=3B"], "a fleet needs a domain that can be searched", "'S 1': size<=3 B cannot be met"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_fleet_that_cannot_be(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, required, came = REFUSED[case]
    fleet_table().with_columns(one=pl.lit(1)).write_parquet(tmp_path / "power.parquet")
    out = tmp_path / "out"
    assert main(words_of(tmp_path, "--out", out, *words)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert required in line
    assert came in line
    assert not out.exists()


def test_ray_that_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: None)
    assert main(words_of(tmp_path, "--engine", "ray", "--out", tmp_path / "out")) == 2
    assert capsys.readouterr().err == (
        "netgraft: error: the engine ray needs a package that is not installed; pip install 'netgraft[ray]' adds it\n"
    )


def test_ray_is_for_fleets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of(tmp_path, "--engine", "ray", "--out", tmp_path / "out")
    words.remove("--by")
    words.remove("site")
    assert main(words) == 2
    assert "the engine must be local, got 'ray', which is for fleets (--by)" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install 'netgraft[ray]'")
def test_ray_searches_as_one_process_does(tmp_path: Path) -> None:
    one, ray = tmp_path / "one", tmp_path / "ray"
    assert main(words_of(tmp_path, "--source", "none", "--out", one)) == 0
    assert main(words_of(tmp_path, "--source", "none", "--out", ray, "--engine", "ray", "--jobs", "2")) == 0
    assert fronts(one) == fronts(ray)
