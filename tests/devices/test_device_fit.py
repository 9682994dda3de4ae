from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.devices import Layer, Profile, latency_s
from netgraft.devices.catalogue import declared
from netgraft.devices.fit import fit_latency
from netgraft.devices.measure import DESIGN, _profile
from netgraft.devices.sketch import random_sketches, sketch_layers
from netgraft.devices.timing import Timing


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["raspberry-pi-4", "raspberry-pi-5", "phone", "base-station"]), st.integers(0, 100))
def test_a_known_device_is_found_again_from_its_times(name: str, seed: int):
    true = declared(name)
    seen = [sketch_layers(sketch) for sketch in (*DESIGN, *random_sketches(24, seed))]
    fit = fit_latency(seen, [latency_s(model, true) for model in seen])
    found = _profile(fit, [Timing(1e-5, 1.2e-5, 10)])
    assert fit.median_error < 1e-3
    for sketch in random_sketches(30, seed + 1_000):
        model = sketch_layers(sketch)
        assert latency_s(model, found) == pytest.approx(latency_s(model, true), rel=0.05)


def test_figures_are_finite_and_not_negative_whatever_was_measured():
    fit = fit_latency([[Layer("dense", 4, 4)], [Layer("input", 1, 1)]], [1e-5, 1e-4])
    assert fit.overhead_s >= 0
    assert 0 < fit.operations_per_s <= 1e13
    assert 0 < fit.bandwidth_bytes_per_s <= 1e12
    assert all(rate.overhead_s >= 0 and rate.number_s >= 0 for rate in fit.layers.values())


def test_what_is_fitted_is_marked_measured_and_power_stays_declared():
    fit = fit_latency([[Layer("dense", 4, 4)]], [1e-5])
    profile = _profile(fit, [Timing(1e-5, 1.5e-5, 10)])
    assert isinstance(profile, Profile)
    assert profile.sources["power"].origin == "declared"
    assert {source.origin for name, source in profile.sources.items() if name != "power"} == {"measured"}
    assert profile.p95_ratio == pytest.approx(1.5)
    assert "ONNX Runtime" in profile.machine
