from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netgraft.delivery.link.channel import Link, Trace
from netgraft.errors import InputError, SettingError
from netgraft.ran import Simulator, preset, user_rates
from netgraft.ran.coupling import links_of, need_of
from netgraft.ran.links import band_of, gain_by_point
from netgraft.ran.radio_map import radio_map
from netgraft.ran.shares import equal_shares

SCENARIO = preset("three")
SHARES = equal_shares(SCENARIO)
STEPS = 30


@pytest.mark.parametrize("user", [0, SCENARIO.users - 1])
def test_rate_is_what_the_unused_blocks_carry(user: int) -> None:
    found = user_rates(Simulator(SCENARIO, seed=3), SHARES, user=user, steps=STEPS)
    # the same from the need of a link that offers one bit per second
    simulator, radio, slice_index = (
        Simulator(SCENARIO, seed=3),
        radio_map(SCENARIO),
        user * SCENARIO.slices // SCENARIO.users,
    )
    for rate in found:
        row, column = radio.nearest(*simulator.positions[user, :, None])
        gain = gain_by_point(radio)[row * radio.serving.shape[1] + column].astype(np.float64)
        cell = simulator.serving[user]
        link = links_of(gain * SCENARIO.block_power_w, np.array([cell]), np.array([slice_index]), np.ones(1))
        kpis = simulator.step(SHARES)
        need = need_of(link, band_of(SCENARIO), kpis.cell_load, SCENARIO.slices)[cell, slice_index]
        assert rate == pytest.approx((SHARES - kpis.load)[cell, slice_index] / need, rel=1e-9, abs=1e-3)
    assert len(set(found)) > 1


def test_idle_network_leaves_everything_and_a_full_one_nothing() -> None:
    idle = user_rates(Simulator(replace(SCENARIO, activity=1e-9)), SHARES, user=0, steps=5)
    assert (idle > 0).all()
    none = np.eye(SCENARIO.slices)[np.ones(SCENARIO.cells, int)]  # all to the slice of others
    assert not user_rates(Simulator(SCENARIO, seed=3), none, user=0, steps=5).any()
    busy = user_rates(Simulator(SCENARIO), SHARES, user=0, steps=5)
    assert (busy <= idle).all()


def test_rates_are_a_link_of_a_device() -> None:
    rates = user_rates(Simulator(SCENARIO, seed=3), SHARES, user=0, steps=STEPS)
    trace = Trace(tuple(np.arange(STEPS) * SCENARIO.step_s), tuple(rates))
    assert Link(downlink=trace).downlink is trace
    bits = rates[:10].sum() * SCENARIO.step_s
    assert trace.bits_before(10 * SCENARIO.step_s) == pytest.approx(bits)
    assert 9 * SCENARIO.step_s < trace.finished_s(0.0, bits * (1 - 1e-9)) <= 10 * SCENARIO.step_s or not rates[9]


def test_what_cannot_be_is_refused() -> None:
    simulator = Simulator(SCENARIO)
    with pytest.raises(SettingError, match=f"user must be a number from 0 to {SCENARIO.users - 1}, got -1"):
        user_rates(simulator, SHARES, user=-1, steps=1)
    with pytest.raises(SettingError, match="steps must be >= 1, got 0"):
        user_rates(simulator, SHARES, user=0, steps=0)
    with pytest.raises(InputError, match="shares must be an array of shape"):
        user_rates(simulator, np.ones(3), user=0, steps=1)
    assert simulator.step_index == 0
