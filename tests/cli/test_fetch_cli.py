from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from device_cli_examples import KEY, Running, offer, rows_table, serving, today

from netgraft.cli import main
from netgraft.delivery.exchange.tiers import Retries
from netgraft.delivery.trust.accepting import SigningKey

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fetched")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Running]:
    with serving(place, 1) as found:
        yield found


def test_fetched_folder_predicts(server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    situation = tmp_path / "device.toml"
    situation.write_text("memory_bytes = 1_000_000\nrate_bps = 1e6\n")
    out = tmp_path / "out"
    words = ["fetch", server.url, "energy", "--situation", str(situation), "--out", str(out)]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    fetched = json.loads(said.out)
    best = max(today(1).head.cuts, key=lambda row: row.accuracy)
    assert (fetched["version"], fetched["cut"], fetched["decision"]) == (1, best.id, "device")
    assert fetched["received_bytes"] > best.bytes
    kinds = [line.split()[0] for line in said.err.splitlines()]
    assert kinds[:3] == ["started", "pinned", "usable"]
    assert kinds[-1] == "done"
    rows_table().write_parquet(tmp_path / "rows.parquet")
    assert main(["predict", str(out), str(tmp_path / "rows.parquet"), "--out", str(tmp_path / "p.csv")]) == 0
    predicted = pl.read_csv(tmp_path / "p.csv")
    assert predicted.columns == ["prediction", *(f"probability_class {i}" for i in range(3))]
    assert predicted.height == 4
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"version 1 of energy, cut {best.id}, accuracy ")
    assert [line.split()[0] for line in said.err.splitlines()] == ["started", "done"]
    assert "answers already" not in said.err  # the reason is said once, at the end
    assert "answers already" in said.out


def test_named_key_is_the_only_one_that_counts(
    server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    KEY.write(tmp_path / "right")
    SigningKey(b"w" * 32).write(tmp_path / "wrong")
    words = ["fetch", server.url, "energy", "--out", str(tmp_path / "out")]
    assert main([*words, "--trust", str(tmp_path / "wrong.pub")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "a trust document signed by the root key" in said[-1]
    assert said[-1].startswith("netgraft: error: ")
    assert main([*words, "--trust", str(tmp_path / "right.pub")]) == 0
    assert "pinned" not in capsys.readouterr().err
    assert main([*words, "--trust", str(tmp_path / "right")]) == 2
    right = tmp_path / "right"
    said = capsys.readouterr().err
    text = "a PEM file with an Ed25519 public key is required, got something else"
    assert f"{text}, in {right}; its public half is in {right}.pub" in said


def test_server_that_is_not_there_is_told_and_a_further_one_is_asked(
    server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retries, "wait_s", lambda self, rounds, generator: 0.0)
    words = ["fetch", "http://127.0.0.1:9", "energy", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert "an answer to /v1/trust is required, got none that is right: refused from http://127.0.0.1:9" in said[-1]
    assert main([*words, "--tier", server.url]) == 0
    assert "retried" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["ftp://x", "energy"], "a server's address must begin with http:// or https://, got 'ftp://x'"),
        (["URL", "energie"], "energie"),
        (["URL", "energy", "--situation", "absent.toml"], "a situation must be a TOML or JSON file that can be read"),
        (["URL", "energy", "--trust", "absent.pub"], "a key file that can be read is required, got absent.pub"),
    ],
)
def test_wrong_words_exit_2(
    server: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    text: str,
) -> None:
    monkeypatch.setattr(Retries, "wait_s", lambda self, rounds, generator: 0.0)
    asked = [server.url if word == "URL" else word for word in words]
    assert main(["fetch", *asked, "--out", str(tmp_path / "out")]) == 2
    assert text in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "out").exists() == (words == ["URL", "energie"])  # what is wrong here is seen before


@pytest.mark.parametrize("words", [["ftp://x", "energy"], [NOBODY, "energy", "--trust", "absent.pub"]])
def test_device_run_sees_wrong_words_before_it_makes_a_folder(words: list[str], tmp_path: Path) -> None:
    assert main(["device", "run", *words, "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_older_version_than_the_known_one_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--out", str(tmp_path / "out")]
    for version in (1, 2):
        (tmp_path / str(version)).mkdir()
    with serving(tmp_path / "2", 2) as server:
        assert main(["fetch", server.url, "energy", *words]) == 0
    capsys.readouterr()
    with serving(tmp_path / "1", 1) as server:
        assert main(["fetch", server.url, "energy", *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-2] == f"version 2 goes on answering from {tmp_path / 'out'}"
    assert "version 2 or later of 'energy' is required, since that is known here, got the older version 1" in said[-1]


def test_situation_that_nothing_fits_says_what_is_closest(
    server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text("memory_bytes = 10\n")
    words = ["fetch", server.url, "energy", "--situation", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "a cut that fits the situation is required, got none; the closest is" in capsys.readouterr().err


def test_server_may_plan(server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fetch", server.url, "energy", "--ask-server", "--out", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["decision"] in ("device", "stay")


def test_new_version_is_fetched_into_the_same_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path, 1) as server:
        words = ["fetch", server.url, "energy", "--out", str(tmp_path / "out"), "--json"]
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["version"] == 1
        offer(tmp_path / "served", 2)
        for _ in range(100):  # a server sees a new version within a second
            assert main(words) == 0
            if json.loads(capsys.readouterr().out)["version"] == 2:
                break
        front = json.loads((tmp_path / "out" / "front.json").read_text())
        assert front["delivered"]["version"] == 2


def test_device_needs_no_torch_and_no_other_heavy_package(server: Running, tmp_path: Path) -> None:
    heavy = "torch polars pandas sklearn scipy lightgbm numba onnx onnxruntime sqlalchemy fsspec pyarrow"
    heavy += " fastapi uvicorn reedsolo constriction"
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy.split()!r})); from netgraft.cli import main; "
    words = ["fetch", server.url, "energy", "--out", str(tmp_path / "out")]
    run = [sys.executable, "-c", code + f"sys.exit(main({words!r}))"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = ["device", "run", "http://127.0.0.1:9", "energy", "--out", str(tmp_path / "out")]
    row = json.dumps(rows_table().row(0, named=True))
    run = [sys.executable, "-c", code + f"sys.exit(main({words!r}))"]
    done = subprocess.run(run, input=row + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == 1
