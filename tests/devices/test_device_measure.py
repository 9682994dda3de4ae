from __future__ import annotations

import itertools
import os
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from device_examples import SMALL_PROFILE

from netgraft.devices import Profile, cache_path, keep, latency_s, measure_this, parse_profile, this, time_onnx
from netgraft.devices.graphs import onnx_model, raw_row
from netgraft.devices.measure import time_sketches
from netgraft.devices.sketch import Sketch, random_sketches, sketch_layers
from netgraft.devices.timing import time_models
from netgraft.errors import SettingError
from netgraft.seeds import generator

FEW = (Sketch(2), Sketch(16), Sketch(2, widths=(64, 64)), Sketch(4, bins=8, members=2, widths=(8,)))


class _Still:
    """A session that takes no time of its own."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, outputs: None, row: object) -> list[object]:
        del outputs, row
        self.runs += 1
        return []


def test_median_and_95th_percentile_of_a_known_clock():
    ticks = itertools.accumulate(itertools.cycle([1_000]))
    session = _Still()
    timing = time_models([session], [{}], budget_s=0.0, runs_per_round=5, min_rounds=2, clock=lambda: next(ticks))[0]
    assert timing.median_s == pytest.approx(1e-6)
    assert timing.p95_s == pytest.approx(1e-6)
    assert timing.runs == 10
    assert session.runs == 10 + 10 + 2  # warm-up, timed, one before each turn


def test_timing_stops_at_the_budget_and_reports_progress():
    ticks = itertools.accumulate(itertools.cycle([10_000_000]))
    parts: list[float] = []
    time_models([_Still()], [{}], budget_s=2.0, runs_per_round=10, clock=lambda: next(ticks), progress=parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == 1.0


def test_a_tiny_budget_measures_a_profile_that_reads_back():
    profile = measure_this(budget_s=0.02, sketches=FEW)
    assert parse_profile(profile.to_toml(), "here") == profile
    assert latency_s(sketch_layers(Sketch(16)), profile) > latency_s(sketch_layers(Sketch(2)), profile) > 0
    assert profile.memory_bytes > 10**8


def test_a_budget_must_be_positive():
    with pytest.raises(SettingError, match="a measuring budget must be > 0 seconds, got 0"):
        measure_this(budget_s=0)


def test_one_model_is_timed():
    sketch = Sketch(2)
    timing = time_onnx(onnx_model(sketch, generator(0, "weights")), raw_row(sketch, generator(0, "row")), runs=30)
    assert 0 < timing.median_s <= timing.p95_s
    assert timing.runs == 30


@pytest.mark.skipif(not os.environ.get("NETGRAFT_TIMED"), reason="timed; set NETGRAFT_TIMED=1 on a quiet machine")
def test_models_never_seen_are_predicted_within_20_percent():
    profile = measure_this(budget_s=1.0)
    sketches = random_sketches(15, 77)
    timings = time_sketches(sketches, budget_s=1.0)
    errors = [
        abs(latency_s(sketch_layers(sketch), profile) / timing.median_s - 1)
        for sketch, timing in zip(sketches, timings, strict=True)
    ]
    assert statistics.median(errors) < 0.2


def _quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make measuring take milliseconds and count it."""
    calls: list[int] = []

    def measure(*, budget_s: float) -> Profile:
        calls.append(1)
        del budget_s
        return replace(parse_profile(SMALL_PROFILE, "here"), machine=this.machine_identity())

    monkeypatch.setattr("netgraft.devices.measure.measure_this", measure)
    return calls


def test_this_machine_is_measured_once_and_kept(monkeypatch: pytest.MonkeyPatch):
    calls = _quick(monkeypatch)
    first = Profile.load("this")
    this._measured_once.cache_clear()  # as in another process
    assert Profile.load("this") == first
    assert len(calls) == 1
    assert cache_path().is_file()


def test_another_processor_is_measured_again(monkeypatch: pytest.MonkeyPatch):
    calls = _quick(monkeypatch)
    keep(replace(parse_profile(SMALL_PROFILE, "here"), machine="another processor"))
    assert Profile.load("this").machine == this.machine_identity()
    assert len(calls) == 1


def test_a_damaged_cache_is_measured_again(monkeypatch: pytest.MonkeyPatch):
    calls = _quick(monkeypatch)
    cache_path().parent.mkdir(parents=True)
    cache_path().write_text("format = ")
    Profile.load("this")
    assert len(calls) == 1


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch):
    calls = _quick(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert Profile.load("this") == Profile.load("this")
    assert len(calls) == 1
    assert keep(Profile.load("this")) is None


def test_a_user_without_a_home_is_no_error(monkeypatch: pytest.MonkeyPatch):
    def no_home() -> Path:
        raise RuntimeError("no home")

    calls = _quick(monkeypatch)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("netgraft.devices.this.Path.home", no_home)
    Profile.load("this")
    assert len(calls) == 1


def test_the_file_named_by_the_environment_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    calls = _quick(monkeypatch)
    path = tmp_path / "mine.toml"
    path.write_text(SMALL_PROFILE)
    monkeypatch.setenv(this.PATH_VARIABLE, str(path))
    assert Profile.load("this").name == "gateway"
    assert not calls


def test_a_damaged_file_named_by_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("format = 2")
    monkeypatch.setenv(this.PATH_VARIABLE, str(path))
    with pytest.raises(SettingError, match=r"must have format = 1, got 2 in .*mine.toml"):
        Profile.load("this")
