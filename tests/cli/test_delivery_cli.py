"""From a table to a device with the command line alone: search, library, publish, serve, fetch, predict, update."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from cli_tables import QUICK, power_table

from netgraft.cli import main

SITUATION = 'device = "raspberry-pi-4"\nmemory_bytes = 2_000_000\nrate_bps = 10_000_000\n'


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a library whose entry is published, and a situation."""
    folder = tmp_path_factory.mktemp("delivery")
    power_table().write_parquet(folder / "power.parquet")
    library = str(folder / "lib")
    words = ["search", str(folder / "power.parquet"), "--target", "power", "--group", "site", *QUICK]
    assert main([*words, "--out", str(folder / "out")]) == 0
    assert main(["library", "init", library]) == 0
    assert main(["library", "add", library, str(folder / "out"), "--name", "site 7"]) == 0
    assert main(["publish", library, "site 7", "--budget", "2s"]) == 0
    (folder / "pi.toml").write_text(SITUATION)
    return folder


@contextmanager
def serving(library: Path) -> Iterator[str]:
    """Serve a library by the command line in a process of its own, and return its URL."""
    command = [sys.executable, "-m", "netgraft", "serve", str(library), "--port", "0"]
    environment = {**os.environ, "NETGRAFT_HOME": str(library.parent / "home")}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, env=environment, **streams) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0


def fetched(capsys: pytest.CaptureFixture[str], url: str, folder: Path, out: Path) -> dict[str, object]:
    """Fetch with the publisher's key and return what the command printed."""
    capsys.readouterr()
    words = ["fetch", url, "site 7", "--situation", str(folder / "pi.toml"), "--out", str(out), "--json"]
    assert main([*words, "--trust", str(folder / "lib" / "keys" / "publisher.key.pub")]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_what_is_published_is_fetched_predicts_and_is_updated(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "device", str(published / "power.parquet")
    with serving(published / "lib") as url:
        first = fetched(capsys, url, published, out)
        assert first["version"] == 1
        assert main(["predict", str(out), table, "--out", str(tmp_path / "p.csv")]) == 0
        assert pl.read_csv(tmp_path / "p.csv")["prediction"].is_finite().all()
        capsys.readouterr()
        assert main(["evaluate", str(out), table, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["metrics"]["r2"] > 0.3
        again = fetched(capsys, url, published, out)
        assert again["chunks"] == 0
        assert main(["publish", str(published / "lib"), "site 7", "--budget", "2s", "--fresh", "--seed", "1"]) == 0
    with serving(published / "lib") as url:
        assert fetched(capsys, url, published, out)["version"] == 2


def test_publishing_prints_the_table_of_cuts_as_json(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    words = ["publish", str(published / "lib"), "site 7", "--budget", "2s", "--fresh", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    chain = [cut for cut in found["cuts"] if cut["chain"]]
    assert [cut["bytes"] for cut in chain] == sorted(cut["bytes"] for cut in chain)
    assert found["head_bytes"] < found["full_bytes"]
    assert found["steps"] > 0
    assert found["epochs"] > 0


def test_publishing_says_how_long_it_trained_and_when_that_was_too_short(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["publish", str(published / "lib"), "site 7", "--budget", "200ms", "--fresh"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(r"grown in \d+ s: [\d,]+ steps, [\d,.]+ passes over the rows", said)
    assert "too few to be any good (300 steps and 2 passes at least): give a longer --budget" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["publish", "{lib}", "site 8"], "an entry must be one of site 7, got 'site 8'"),
        (["publish", "{lib}", "site 7", "--key", "nowhere"], "a key file that can be read is required"),
        (["publish", "{lib}", "site 7", "--days", "0"], "days until a head expires must be > 0"),
        (
            ["publish", "{lib}", "site 7", "--days", "inf"],
            "days until a head expires must be > 0 and <= 36500, got inf",
        ),
        (["publish", "{lib}", "x", "--images", "foo"], "images must be digits, cifar10, or a folder of CIFAR-100, got"),
        (["publish", "{lib}", "x", "--images", "digits", "--days", "3000000"], "and <= 36500, got 3e+06"),
        (["publish", "{lib}", "site 7", "--threshold", "2"], "threshold"),
        (["serve", "{lib}/nothing"], "a library is required"),
        (["serve", "{lib}", "--host", "192.0.2.1"], "--require-tokens"),
        (["fetch", "http://127.0.0.1:9", "site 7", "--situation", "{lib}/none.toml", "--out", "{lib}/x"], "situation"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    published: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([word.replace("{lib}", str(published / "lib")) for word in words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_images_are_published_and_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.datasets import load_digits

    library = str(tmp_path / "library")
    assert main(["library", "init", library]) == 0
    assert main(["publish", library, "digits", "--images", "digits", "--epochs", "2", "--tolerant"]) == 0
    said = capsys.readouterr()
    assert "published digits version 1" in said.out
    assert re.search(r"all 9 planes stay exact|the lowest [1-8] of 9 planes are tolerant", " ".join(said.err.split()))
    (tmp_path / "pi.toml").write_text("memory_bytes = 2_000_000\n")
    with serving(Path(library)) as url:
        words = ["fetch", url, "digits", "--situation", str(tmp_path / "pi.toml"), "--out", str(tmp_path / "device")]
        assert main(words) == 0
    loaded = load_digits()
    pixels = pl.DataFrame(loaded.images[:200].reshape(200, -1), schema=[f"pixel_{i}" for i in range(64)])
    pixels.write_parquet(tmp_path / "digits.parquet")
    table = str(tmp_path / "digits.parquet")
    assert main(["predict", str(tmp_path / "device"), table, "--out", str(tmp_path / "p.csv")]) == 0
    told = pl.read_csv(tmp_path / "p.csv")["prediction"].to_numpy()
    assert (told == loaded.target[:200]).mean() > 0.6


def test_images_need_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = str(tmp_path / "library")
    assert main(["library", "init", library]) == 0
    for more, text in (
        (["--fresh"], "--images without --fresh is required, got both"),
        (["--table", "x.csv"], "--images without --table is required, got both"),
        (["--images", str(tmp_path)], "train.bin is required: No such file or directory"),
    ):
        assert main(["publish", library, "digits", "--images", "digits", *more]) == 2
        assert text in capsys.readouterr().err
