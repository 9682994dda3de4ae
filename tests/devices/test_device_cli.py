from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from device_examples import SMALL_PROFILE
from typer.testing import CliRunner

from netgraft.cli.device import app
from netgraft.devices import Profile, cache_path, parse_profile, read_profile, this
from netgraft.errors import OutputError, SettingError

WIDE = {"COLUMNS": "200"}


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*, budget_s: float, seed: int, progress: object) -> Profile:
        del budget_s, seed, progress
        return replace(parse_profile(SMALL_PROFILE, "here"), machine=this.machine_identity())

    monkeypatch.setattr("netgraft.devices.measure_this", measure)


def test_list_names_every_device_and_measures_nothing():
    shown = CliRunner().invoke(app, ["list"], env=WIDE, catch_exceptions=False)
    assert shown.exit_code == 0
    for name in ("cortex-m7", "raspberry-pi-4", "raspberry-pi-5", "phone", "base-station", "this"):
        assert name in shown.stdout
    assert not cache_path().exists()


def test_list_as_json_is_one_object():
    shown = CliRunner().invoke(app, ["list", "--json"], catch_exceptions=False)
    found = {device["name"]: device for device in json.loads(shown.stdout)["devices"]}
    assert found["cortex-m7"]["memory_bytes"] == 524_288
    assert found["this"]["origin"] == "declared"


def test_show_prints_figures_and_sources():
    shown = CliRunner().invoke(app, ["show", "cortex-m7"], env=WIDE, catch_exceptions=False)
    assert "DS12110" in shown.stdout
    assert "declared" in shown.stdout


def test_show_as_json_is_the_profile():
    shown = CliRunner().invoke(app, ["show", "phone", "--json"], catch_exceptions=False)
    assert json.loads(shown.stdout) == Profile.load("phone").to_json()


def test_show_of_an_unknown_device_is_the_users_error():
    with pytest.raises(SettingError, match="the nearest is 'phone'"):
        CliRunner().invoke(app, ["show", "phon"], catch_exceptions=False)


@pytest.mark.usefixtures("_quick")
def test_measure_writes_the_file_it_was_told(tmp_path: Path):
    out = tmp_path / "gateway.toml"
    shown = CliRunner().invoke(app, ["measure", "--out", str(out), "--json"], catch_exceptions=False)
    assert json.loads(shown.stdout) == read_profile(out).to_json()
    assert not cache_path().exists()


@pytest.mark.usefixtures("_quick")
def test_measure_without_a_file_is_kept_as_this():
    shown = CliRunner().invoke(app, ["measure"], env=WIDE, catch_exceptions=False)
    assert "kept as 'this'" in shown.stderr
    assert Profile.load("this") == read_profile(cache_path())


@pytest.mark.usefixtures("_quick")
def test_measure_says_when_nothing_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    shown = CliRunner().invoke(app, ["measure"], env=WIDE, catch_exceptions=False)
    assert "not kept: /dev/null/netgraft/this.toml cannot be written" in shown.stderr


@pytest.mark.usefixtures("_quick")
def test_measure_refuses_a_folder_before_it_measures(tmp_path: Path):
    with pytest.raises(OutputError, match=f"a file to write the profile to is required, got the folder {tmp_path}"):
        CliRunner().invoke(app, ["measure", "--out", str(tmp_path)], catch_exceptions=False)


def test_measure_refuses_a_budget_that_is_none():
    with pytest.raises(SettingError, match="a duration must be positive, got '0s'"):
        CliRunner().invoke(app, ["measure", "--budget", "0s"], catch_exceptions=False)


def test_the_command_imports_nothing_heavy():
    heavy = "('numpy', 'onnx', 'onnxruntime', 'scipy', 'rich.table')"
    code = f"import sys, netgraft.cli.device; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
