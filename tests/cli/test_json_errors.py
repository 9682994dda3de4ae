"""With --json an error is one JSON object on stdout beside its line on stderr; exit codes stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netgraft.cli import main
from netgraft.library import Library


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["fetch", "http://127.0.0.1:9", "m", "--out", "OUT", "--situation", "absent.toml"], "SituationError"),
        (["fetch", "ftp://x", "m", "--out", "OUT"], "SettingError"),
        (["predict", "OUT", "t.csv"], "ModelError"),
        (["library", "list", "OUT"], "LibraryError"),
        (["device", "status", "OUT"], "StorageError"),
        (["key", "new", "OUT/no/key"], "OutputError"),
        (["token", "new", "--scope", "king"], "SettingError"),
    ],
)
def test_wrong_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], kind: str
) -> None:
    monkeypatch.setenv("NETGRAFT_HOME", str(tmp_path / "home"))
    given = [word.replace("OUT", str(tmp_path / "out")) for word in words]
    assert main([*given, "--json"]) == 2
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["kind"] == kind
    assert said.err.splitlines()[-1] == f"netgraft: error: {found['error']}"
    assert main(given) == 2
    assert capsys.readouterr().out == ""


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["error"].startswith("Missing argument")
    assert "netgraft: error: Missing argument" in said.err


def test_fault_of_ours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(path: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("netgraft.delivery.device.inspecting.status_of", broken)
    assert main(["device", "status", "x", "--json"]) == 1
    said = capsys.readouterr()
    text = "a fault of netgraft, not of your input: RuntimeError: two lines"
    assert json.loads(said.out) == {"error": text, "kind": "RuntimeError"}
    assert said.err.startswith(f"netgraft: {text}\n")


def test_report_with_an_error_in_it_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Library.init(tmp_path / "models")
    assert main(["library", "check", str(tmp_path / "models"), "--json"]) == 0
    assert "error" not in json.loads(capsys.readouterr().out)
