"""The command as a process: streams, exit codes, Ctrl-C, and a kill at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_tables import QUICK, power_table, without_times

import netgraft.cli
from netgraft.cli import main

#: Three batches of candidates.
LONG = ["--evaluations", "60"]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "netgraft", *map(str, words)]


def words_of(folder: Path, *more: str) -> list[object]:
    """Return a search that is quick but has several batches; the last of an option counts."""
    table = folder / "table.parquet"
    if not table.exists():
        power_table(100).write_parquet(table)
    return ["search", table, "--target", "power", "--group", "site", *QUICK, *more]


def batches(journal: Path) -> int:
    """Return how many batches a journal holds that a running search has locked, the one being written included."""
    copy = journal.with_name("copy.db")
    try:
        copy.write_bytes(journal.read_bytes())
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM batches").fetchone()[0])
    except (OSError, sqlite3.Error):
        return 0
    finally:
        copy.unlink(missing_ok=True)


def started(words: list[object], out: Path, ready: Callable[[], bool]) -> subprocess.Popen[str]:
    """Return a search that runs and is ready."""
    process = subprocess.Popen(
        command(*words, "--out", out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 120
    while not ready() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    return process


def test_help_names_every_command_with_an_example() -> None:
    done = subprocess.run(command("--help"), capture_output=True, text=True, check=True)
    verbs = ["search", "predict", "evaluate", "export", "report", "device", "demo"]
    for verb in verbs:
        assert verb in done.stdout
    for verb in [*verbs, "device list", "device show", "device measure"]:
        if verb == "device":
            continue
        told = subprocess.run(command(*verb.split(), "--help"), capture_output=True, text=True, check=True)
        assert "Example: netgraft " + verb in " ".join(told.stdout.split()), verb


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, netgraft.cli\nassert netgraft.cli.main(['--help']) == 0\n"
        "print(sorted({'numpy', 'torch', 'polars', 'sklearn'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"netgraft {netgraft.__version__}\n"


def test_killed_search_goes_on(tmp_path: Path) -> None:
    words = words_of(tmp_path, *LONG)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = started(words, killed, lambda: batches(killed / "journal.db") >= 1)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert {path.name for path in killed.iterdir()} <= {"journal.db", "journal.db-journal"}
    assert main([str(word) for word in [*words, "--out", killed]]) == 2
    assert main([str(word) for word in [*words, "--out", killed, "--resume"]]) == 0
    assert main([str(word) for word in [*words, "--out", whole]]) == 0
    assert without_times(killed) == without_times(whole)
    for name in ("manifest.json", "trees.safetensors"):
        assert (killed / "model" / name).read_bytes() == (whole / "model" / name).read_bytes()


def test_killed_search_ends_its_other_processes(tmp_path: Path) -> None:
    import psutil

    out = tmp_path / "out"
    words = words_of(tmp_path, "--evaluations", "5000", "--jobs", "2")
    process = started(words, out, lambda: batches(out / "journal.db") >= 1)
    others = psutil.Process(process.pid).children(recursive=True)
    assert len(others) >= 2
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(others, timeout=20)
    assert alive == []


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupted_search_writes_the_front_so_far(tmp_path: Path, jobs: str) -> None:
    out = tmp_path / "out"
    words = words_of(tmp_path, "--evaluations", "5000", "--jobs", jobs, "--json")
    process = started(words, out, lambda: batches(out / "journal.db") >= 2)
    os.killpg(process.pid, signal.SIGINT)
    printed, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert told == "netgraft: interrupted\n"
    front = json.loads((out / "front.json").read_text())
    assert {key: value for key, value in json.loads(printed).items() if key != "out"} == front
    assert 0 < front["evaluations"] < 5000
    assert front["points"]
    assert main(["predict", str(out), str(tmp_path / "table.parquet"), "--out", str(tmp_path / "p.csv")]) == 0


def test_search_interrupted_before_it_has_anything_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = started(words_of(tmp_path), out, out.exists)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=120)
    if process.returncode in (0, -signal.SIGINT) and (out / "front.json").exists():
        pytest.skip("the search was done, or Python was ending, before the signal came")
    assert process.returncode == 130
    assert told.splitlines()[-1] == "netgraft: interrupted"
    assert not out.exists() or (out / "front.json").exists()


def test_json_is_alone_on_stdout(tmp_path: Path) -> None:
    done = subprocess.run(
        command(*words_of(tmp_path), "--out", tmp_path / "o", "--json"), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["format"] == 1


def test_fault_of_ours_is_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import netgraft.lifecycle.predict

    def fail(*_words: object, **_more: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(netgraft.lifecycle.predict, "predict_table", fail)
    assert main(["predict", "a", "b.csv"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("netgraft: a fault of netgraft, not of your input: ZeroDivisionError: division by zero\n")
    assert "Traceback" not in told
    monkeypatch.setenv("NETGRAFT_DEBUG", "1")
    assert main(["predict", "a", "b.csv"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import netgraft.lifecycle.predict

    def interrupted(*_words: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(netgraft.lifecycle.predict, "predict_table", interrupted)
    assert main(["predict", "a", "b.csv"]) == 130
    assert capsys.readouterr().err == "netgraft: interrupted\n"
