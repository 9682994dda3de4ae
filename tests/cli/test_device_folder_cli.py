"""A device's folder at the command line: what it says, what is damaged, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from device_cli_examples import KEY, Running, offer, rows_table, running, serving, settings, today

from netgraft.cli import main


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path, 1) as found:
        yield found


@pytest.fixture
def folder(server: Running, tmp_path: Path) -> Path:
    """Give a folder that has fetched version 1, then 2."""
    out = tmp_path / "device"
    assert main(["fetch", server.url, "energy", "--out", str(out)]) == 0
    offer(tmp_path / "served", 2)
    with running(settings(tmp_path / "served")) as fresh:
        assert main(["fetch", fresh.url, "energy", "--out", str(out)]) == 0
    return out


def test_status_is_short_and_says_what_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["device", "status", str(folder)]) == 0
    said = capsys.readouterr()
    lines = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in said.out.splitlines())
    best = max(today(2).head.cuts, key=lambda row: row.accuracy)
    assert lines["model"] == "energy"
    assert lines["answers"] == f"version 2, cut {best.id}, accuracy {best.accuracy:.4f}"
    assert lines["before it"].startswith("version 1, ")
    assert lines["publisher"] == f"1 of {KEY.id[:16]}..."
    assert re.fullmatch(r"version 2, signed \d{4}-\d\d-\d\d \d\d:\d\d UTC \(\d+ \w+ ago\)", lines["stamp"])
    assert re.search(r"\(in 2[34] hours\)", lines["expires"])
    assert max(map(len, said.out.splitlines())) <= 80
    assert said.err == ""


def test_status_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["device", "status", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["active"]["version"], found["previous"]["version"]) == ("energy", 2, 1)


def test_check_has_a_line_for_each_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["device", "check", str(folder)]) == 0
    assert re.fullmatch(r"whole: heads 2, chunks \d+, models 2\n", capsys.readouterr().out)
    chunk = sorted((folder / "chunks").iterdir())[0]
    chunk.write_bytes(b"no")
    assert main(["device", "check", str(folder)]) == 2
    said = capsys.readouterr()
    counts, fault = said.out.splitlines()
    assert counts.startswith("whole: heads 2, ")
    assert fault == f"the chunk {chunk.name[:16]}... is damaged"  # the error follows it
    assert said.err == f"netgraft: error: a whole folder is required, got {folder} with 1 fault(s)\n"
    assert main(["device", "check", str(folder), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["faults"] == [f"the chunk {chunk.name[:16]}... is damaged"]
    assert found["error"].startswith("a whole folder is required")


def test_way_back_and_forward(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows_table().write_parquet(tmp_path / "rows.parquet")
    predictions = ["predict", str(folder), str(tmp_path / "rows.parquet")]
    assert main(predictions) == 0
    capsys.readouterr()
    assert main(["device", "rollback", str(folder)]) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(r"version 1 \w+ answers; version 2 is refused until a later one comes\n", said)
    assert main(predictions) == 0
    assert json.loads((folder / "front.json").read_text())["delivered"]["version"] == 1
    with running(settings(tmp_path / "served")) as server:
        fetch = ["fetch", server.url, "energy", "--out", str(folder), "--json"]
        capsys.readouterr()
        assert main(fetch) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["decision"], found["version"]) == ("stay", 1)
        assert main(["device", "rollback", str(folder), "--undo", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["version"], found["refused"]) == (2, None)
        assert main(fetch) == 0
        assert json.loads(capsys.readouterr().out)["version"] == 2


@pytest.mark.parametrize("verb", ["status", "check", "rollback"])
def test_folder_that_is_no_devices_is_refused_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        assert main(["device", verb, str(place)]) == 2
        assert f"the folder of a device is required, got {place}: No such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_device_that_runs_is_not_rolled_back_but_is_looked_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from netgraft.delivery.device.store import device_folder

    with device_folder(folder):
        assert main(["device", "rollback", str(folder)]) == 2
        assert "a folder that no other client uses is required" in capsys.readouterr().err
        assert main(["device", "status", str(folder)]) == 0
        assert re.search(r"in use +by process \d+\n", capsys.readouterr().out)
        assert main(["device", "check", str(folder)]) == 0


def test_nothing_that_answers_exits_2(server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "down.toml").write_text("rate_bps = 0\nmin_accuracy = 1\n")
    words = ["fetch", server.url, "energy", "--situation", str(tmp_path / "down.toml"), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    start = (
        "netgraft: error: a model that can be installed is required, got none and nothing answers: Wait: the link is"
    )
    assert said.err.splitlines()[-1].startswith(start)
    assert main([*words, "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["decision"], found["cut"]) == ("stay", None)
    assert "the link is down" in found["error"]
    rows_table().write_parquet(tmp_path / "rows.parquet")
    assert main(["predict", str(tmp_path / "out"), str(tmp_path / "rows.parquet")]) == 2
    text = "without front.json; nothing was installed there yet: netgraft device status says more"
    assert text in capsys.readouterr().err
    assert main(["device", "status", str(tmp_path / "out")]) == 0
    assert re.search(r"answers +nothing\n", capsys.readouterr().out)
