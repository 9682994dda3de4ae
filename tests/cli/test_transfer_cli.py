"""``netgraft library add | similar`` and ``netgraft search --library`` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_tables import QUICK, Searched, power_table

from netgraft.cli import main


@pytest.fixture(scope="module")
def library(power: Searched, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a library with one entry that kept rows."""
    path = tmp_path_factory.mktemp("cli library") / "models"
    assert main(["library", "init", str(path)]) == 0
    words = ["--name", "first site", "--domain", "north", "--keep-rows", "50", "--licence", "CC0"]
    assert main(["library", "add", str(path), str(power.folder), *words]) == 0
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a small table of another place."""
    path = tmp_path_factory.mktemp("few") / "few.csv"
    power_table(60, seed=5).write_csv(path)
    return path


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_added_search_is_listed_with_what_it_is(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (entry,) = printed(capsys, "library", "list", library, "--json")["entries"]
    assert (entry["name"], entry["domain"], entry["licence"], entry["target"]) == (
        "first site",
        "north",
        "CC0",
        "power",
    )
    shown = printed(capsys, "library", "show", library, "first site", "--json")
    assert shown["facts"]["rows_kept"] == 50
    assert {"origin.json", "archive.json", "rows.parquet"} <= shown["files"].keys()


def test_similar_ranks_entries_and_estimates_the_gain(
    library: Path, few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["library", "similar", library, few, "--target", "power"]
    found = printed(capsys, *words, "--json")
    assert found["measure"] == "sketch"
    assert [each["name"] for each in found["ranked"]] == ["first site"]
    assert found["ranked"][0].keys() == {"name", "distance", "expected_gain"}
    assert printed(capsys, *words, "--measure", "energy", "--json")["measure"] == "energy"
    assert main(list(map(str, words))) == 0
    assert "expected gain" in capsys.readouterr().out


def test_a_search_from_a_library_says_what_it_took(
    library: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["search", few, "--target", "power", "--library", library, "--source", "first site", *QUICK, "--out", out]
    front = printed(capsys, *words, "--json")
    transfer = front["transfer"]
    assert transfer["sources"] == [{"name": "first site", "measure": "sketch", "distance": pytest.approx(0, abs=2)}]
    assert transfer["guard"]["decision"] in ("accepted", "refused")
    assert {c["name"] for c in transfer["guard"]["candidates"]} >= {"trees pooled", "source", "trees", "linear"}
    assert json.loads((out / "front.json").read_text())["transfer"] == transfer
    assert "first site" in (out / "report.html").read_text()
    assert main(["predict", str(out), str(few), "--out", str(tmp_path / "p.csv")]) == 0


BAD = {
    "no folder": (["library", "add", "LIB", "nowhere", "--name", "x"], "a folder written by", "nowhere"),
    "name taken": (["library", "add", "LIB", "DIR", "--name", "first site"], "first site", ""),
    "bad name": (["library", "add", "LIB", "DIR", "--name", "/"], "a name must be", "'/'"),
    "negative rows": (["library", "add", "LIB", "DIR", "--name", "x", "--keep-rows", "-1"], "must be >= 0", "-1"),
    "no library": (["library", "add", "no-lib", "DIR", "--name", "x"], "a library", "no-lib"),
    "unknown measure": (
        ["library", "similar", "LIB", "FEW", "--target", "power", "--measure", "mmmd"], "one of", "nearest is 'mmd'",
    ),
    "unknown target": (["library", "similar", "LIB", "FEW", "--target", "powr"], "powr", "power"),
    "unknown source": (["search", "FEW", "--target", "power", "--library", "LIB", "--source", "frst"], "", "first"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_is_refused_in_one_line(
    case: str, library: Path, few: Path, power: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words, required, came = BAD[case]
    places = {"LIB": str(library), "FEW": str(few), "DIR": str(power.folder)}
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main([places.get(word, word) for word in words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1
    assert required in told.err
    assert came in told.err
    assert list(tmp_path.iterdir()) == []
