from __future__ import annotations

import pytest
from device_examples import SMALL_PROFILE, dense, layers
from hypothesis import given
from hypothesis import strategies as st

from netgraft.devices import Cost, Layer, Profile, cost, energy_j, fits, latency_s, parse_profile
from netgraft.devices.catalogue import declared

SMALL = parse_profile(SMALL_PROFILE, "here")
profiles = st.sampled_from(["cortex-m7", "raspberry-pi-4", "phone", "base-station", "this"]).map(declared)


def test_latency_of_one_layer_by_hand():
    # run + layer + 30 numbers + 420 operations + 880 bytes
    assert latency_s([dense(10, 20)], SMALL) == pytest.approx(1e-5 + 1e-6 + 30e-9 + 420e-9 + 880e-9)


def test_lookups_and_trees_do_not_read_all_their_weights():
    table = Layer("embedding", 2, 8, weight_bytes=10**9)
    assert latency_s([table], SMALL) == pytest.approx(1e-5 + 1e-6 + 2e-9)


def test_energy_is_power_times_time():
    assert energy_j([dense(10, 20)], SMALL) == pytest.approx(2 * latency_s([dense(10, 20)], SMALL))


@given(profiles, st.integers(1, 200), st.integers(1, 200), st.integers(1, 64), st.integers(1, 16))
def test_a_wider_layer_is_slower_and_takes_more_of_everything(
    profile: Profile, inputs: int, width: int, more: int, rows: int
):
    narrow = cost([dense(inputs, width, rows), dense(width, 1, rows)], profile, 10)
    wide = cost([dense(inputs, width + more, rows), dense(width + more, 1, rows)], profile, 10)
    for name in ("memory", "operations", "latency", "energy"):
        assert wide[name].value > narrow[name].value


@given(profiles, st.lists(layers, max_size=6), layers)
def test_costs_are_not_negative_and_another_layer_is_never_free(profile: Profile, model: list[Layer], more: Layer):
    assert latency_s([*model, more], profile) >= latency_s(model, profile) > 0
    assert energy_j(model, profile) >= 0


def test_each_cost_says_how_it_is_known():
    costs = cost([dense(10, 20)], SMALL, 900)
    assert costs["size"] == Cost(900, "exact")
    assert costs["memory"] == Cost(1000, "exact")
    assert costs["operations"] == Cost(420, "exact")
    assert {name for name, value in costs.items() if value.origin == "modelled"} == {"latency", "energy"}


def test_a_model_that_fits_to_the_byte_fits():
    assert fits([dense(10, 20)], SMALL) is None


def test_a_model_that_does_not_fit_says_why():
    assert fits([dense(10, 21)], SMALL) == "the model must fit the 1 KB of memory of gateway, got 1.05 KB"
