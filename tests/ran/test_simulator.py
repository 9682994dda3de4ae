from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_networks import SMALL, TWELVE, one_cell, random_shares, small

from netgraft.errors import InputError, SettingError
from netgraft.ran import Scenario, Simulator
from netgraft.ran.coupling import fixed_point
from netgraft.ran.kernels import place_all, serve_all
from netgraft.ran.kpis import MEASURES
from netgraft.ran.links import active_links, band_of
from netgraft.ran.masks import TrafficMask
from netgraft.ran.radio_map import radio_map
from netgraft.ran.reference import ReferenceNetwork
from netgraft.ran.shares import equal_shares

TABLE = TrafficMask(table=tuple((0.1 * n, 0.5, 1.0, 0.0) for n in range(7)))
SCENARIOS = {
    "paper": TWELVE,
    "waypoint": small(mobility="waypoint", speed_min_mps=5.0, speed_max_mps=30.0),
    "cqi": small(rate="cqi"),
    "users of the network": small(user_scope="network", users_per_slice=20, activity=1.0),
    "table": small(masks=TABLE),
    "uneven period": small(masks=TrafficMask(period_steps=12.5), heading_s=3.0, session_s=2.0),
    "overload": small(overhead=0.9),
    "no traffic": small(masks=TrafficMask(low=0.0, high=0.0)),
    "one cell": one_cell(),
}


def played(scenario: Scenario, shares: np.ndarray, *, seed: int = 0, fast: bool = True) -> np.ndarray:
    """Return the measures [8, steps, K, N] of an episode."""
    simulator = Simulator(scenario, seed=seed, fast=fast)
    return np.stack([simulator.step(each).packed() for each in shares], axis=1)


@pytest.mark.parametrize("name", SCENARIOS)
def test_compiled_code_equals_the_reference(name: str) -> None:
    """Who is where is the same bit for bit; measures to 1e-9 of their value."""
    scenario = SCENARIOS[name]
    fast, slow = (Simulator(scenario, seed=7, fast=fast) for fast in (True, False))
    for shares in random_shares(scenario, 1, 200):
        np.testing.assert_array_equal(fast.positions, slow.positions)
        np.testing.assert_array_equal(fast.users, slow.users)
        np.testing.assert_allclose(fast.step(shares).packed(), slow.step(shares).packed(), rtol=1e-9, atol=1e-12)


def test_the_same_seed_gives_the_same_episode() -> None:
    shares = random_shares(TWELVE, 2, 50)
    first = played(TWELVE, shares, seed=3)
    np.testing.assert_array_equal(first, played(TWELVE, shares, seed=3))
    assert (first != played(TWELVE, shares, seed=4)).any()
    again = Simulator(TWELVE, seed=9)
    again.step(shares[0])
    again.reset(3)
    np.testing.assert_array_equal(first, np.stack([again.step(each).packed() for each in shares], axis=1))


def test_a_reset_without_a_seed_is_another_episode_that_repeats() -> None:
    one, two = Simulator(SMALL, seed=1), Simulator(SMALL, seed=1)
    before = one.positions
    for simulator in (one, two):
        simulator.reset()
    assert (one.positions != before).any()
    assert one.step_index == 0
    np.testing.assert_array_equal(one.positions, two.positions)
    assert one.seed == two.seed != 1


def test_the_map_has_a_seed_of_its_own() -> None:
    ours, theirs = Simulator(TWELVE, seed=5), Simulator(replace(TWELVE, map_seed=1), seed=5)
    np.testing.assert_array_equal(ours.positions, theirs.positions)
    assert (ours.serving != theirs.serving).any()


@pytest.mark.parametrize("fast", [True, False])
def test_run_is_many_steps(fast: bool) -> None:
    shares = equal_shares(SMALL)
    stepped = played(SMALL, np.broadcast_to(shares, (30, *shares.shape)), fast=fast)
    simulator = Simulator(SMALL, fast=fast)
    parts = [simulator.run(shares, 10).packed(), simulator.run(shares, 20).packed()]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), stepped)
    assert simulator.step_index == 30


def test_masks_hold_beyond_what_is_computed_at_once() -> None:
    shares = equal_shares(SMALL)
    ours, theirs = Simulator(SMALL), Simulator(SMALL)
    ours.run(shares, 5000)
    theirs.run(shares, 4090)
    np.testing.assert_array_equal(ours.run(shares, 30).packed(), theirs.run(shares, 940).packed()[:, 910:])
    ours.reset(0)
    theirs.reset(0)
    np.testing.assert_array_equal(ours.step(shares).packed(), theirs.step(shares).packed())


def test_properties_tell_of_the_period_that_comes() -> None:
    simulator = Simulator(TWELVE)
    for shares in random_shares(TWELVE, 3, 20):
        users, demand_bps, need = simulator.users, simulator.demand_bps, simulator.need
        wholly = need(np.ones(12)), need(np.zeros(12))
        kpis = simulator.step(shares)
        np.testing.assert_array_equal(kpis.users, users)
        np.testing.assert_array_equal(kpis.demand_bps, demand_bps)
        assert (kpis.need <= wholly[0] + 1e-12).all()
        assert (kpis.need >= wholly[1] - 1e-12).all()


def test_coupling_has_settled() -> None:
    """What the iterations leave open is far below what a period's users change."""
    network = ReferenceNetwork(TWELVE, 0)
    gaps = []
    for shares in random_shares(TWELVE, 4, 100):
        settled, _ = fixed_point(active_links(TWELVE, network.active), band_of(TWELVE), shares)
        gaps.append(np.abs(network.serve(shares, 1)[MEASURES.index("load"), 0] - settled).max())
    assert np.mean(gaps) < 1e-4
    assert np.max(gaps) < 5e-3


def test_one_cell_is_a_closed_form() -> None:
    scenario = one_cell()
    radio, simulator = radio_map(scenario), Simulator(scenario)
    row, column = radio.nearest(*simulator.positions.T)
    gain = radio.gain[0, row, column].astype(float)
    snr = scenario.block_power_w * gain / scenario.block_noise_w
    efficiency = np.clip(0.6 * np.log2(1 + snr), 0.6 * np.log2(1.1), 4.4)
    need = (2e6 / (scenario.usable_hz * efficiency)).sum()
    kpis = simulator.step([[1.0]])
    assert kpis.need.item() == pytest.approx(need, rel=1e-12)
    assert kpis.spectral_efficiency.item() == pytest.approx(4 / (1 / efficiency).sum(), rel=1e-12)
    assert simulator.serving.tolist() == [0, 0, 0, 0]


def test_results_are_not_touched_later() -> None:
    simulator = Simulator(SMALL)
    shares = equal_shares(SMALL)
    kpis, users = simulator.step(shares), simulator.users
    before, users_before = kpis.packed().copy(), users.copy()
    shares[:] = 0.0
    simulator.run(equal_shares(SMALL), 20)
    np.testing.assert_array_equal(kpis.packed(), before)
    np.testing.assert_array_equal(users, users_before)
    assert (kpis.shares == 0.25).all()


def test_compiled_code_is_compiled_once() -> None:
    for scenario in (SMALL, one_cell(), TWELVE, small(rate="cqi", mobility="waypoint")):
        shares = equal_shares(scenario)
        shares.flags.writeable = False
        simulator = Simulator(scenario)
        simulator.step(shares)
        simulator.run(np.asfortranarray(shares), 2)
    assert len(serve_all.signatures) == len(place_all.signatures) == 1


def test_bad_calls_are_refused() -> None:
    simulator = Simulator(SMALL)
    with pytest.raises(InputError, match=r"shares must be an array of shape \(3, 4\), got shape \(4,\)"):
        simulator.step(np.ones(4))
    with pytest.raises(InputError, match=r"load must be an array of shape \(3,\), got shape \(3, 4\)"):
        simulator.need(np.ones((3, 4)))
    with pytest.raises(SettingError, match="steps must be >= 1, got 0"):
        simulator.run(equal_shares(SMALL), 0)
    with pytest.raises(SettingError, match=r"seed must be a whole number, got 1\.5"):
        simulator.reset(1.5)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="seed must be a whole number, got 'x'"):
        Simulator(SMALL, seed="x")  # type: ignore[arg-type]


def test_any_whole_number_is_a_seed() -> None:
    for seed in (-1, 2**64 - 1, np.int64(5), np.uint64(2**63)):
        fast, slow = (Simulator(SMALL, seed=seed, fast=fast) for fast in (True, False))  # type: ignore[arg-type]
        np.testing.assert_array_equal(fast.positions, slow.positions)


def test_measures_have_names() -> None:
    kpis = Simulator(SMALL).step(equal_shares(SMALL))
    assert all(getattr(kpis, name).shape == (3, 4) for name in MEASURES)
    assert all(getattr(kpis, name).dtype == np.float64 for name in MEASURES)


@pytest.mark.parametrize("mobility", ["direction", "waypoint"])
def test_the_fastest_users_stay_in_the_area(mobility: str) -> None:
    scenario = one_cell(mobility=mobility, users_per_slice=50, speed_max_mps=500.0, heading_s=2.0)
    simulator = Simulator(scenario)
    x0, y0, x1, y1 = radio_map(scenario).area_m
    assert scenario.speed_max_mps * scenario.step_s == x1 - x0
    for _ in range(300):
        simulator.step([[1.0]])
        x, y = simulator.positions.T
        assert ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).all()
        assert (simulator.serving == 0).all()
