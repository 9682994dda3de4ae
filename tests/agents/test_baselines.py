from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraft.agents.baselines import BASELINES, _fairest, _required, baseline, with_floor
from netgraft.agents.evaluation import evaluate
from netgraft.errors import SettingError
from netgraft.ran import Scenario, SlicingEnv, preset
from netgraft.ran.delay import mean_delay
from netgraft.ran.kpis import kpis_of

THREE = preset("three")
NEEDS = arrays(np.float64, (3, 4), elements=st.floats(1e-4, 2))
USERS = arrays(np.float64, (3, 4), elements=st.integers(0, 12).map(float))


def running(scenario: Scenario = THREE) -> SlicingEnv:
    env = SlicingEnv(scenario, seed=3)
    env.reset()
    return env


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_shares_are_on_the_simplex(name: str) -> None:
    env = running()
    for _ in range(20):
        assert env.last_kpis is not None
        env.step(baseline(name)(env, env.last_kpis))


def test_proportional_knows_the_coming_demand_and_causal_the_last() -> None:
    env = running()
    env.step(np.full((3, 4), 0.25))
    last = env.last_kpis
    assert last is not None
    coming = env.simulator.demand_bps
    assert (coming != last.demand_bps).any()
    for name, demand in (("proportional", coming), ("causal", last.demand_bps)):
        total = demand.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(baseline(name)(env, last) * total, demand)


def test_a_cell_without_demand_has_equal_shares() -> None:
    env = running(THREE.with_traffic(np.zeros((1, 4))))
    assert env.last_kpis is not None
    for name in BASELINES:
        np.testing.assert_array_equal(baseline(name)(env, env.last_kpis), 0.25)


def test_a_floor_leaves_every_slice_a_share() -> None:
    env = running()
    last = env.last_kpis
    assert last is not None
    shares = with_floor(baseline("proportional"), 0.1)(env, last)
    assert shares.min() >= 0.1
    np.testing.assert_allclose(shares, 0.1 + 0.6 * baseline("proportional")(env, last))
    np.testing.assert_allclose(with_floor(baseline("proportional"), 0.6)(env, last), 0.25)
    with pytest.raises(SettingError, match=r"floor must be in \[0, 1\), got 1"):
        with_floor(baseline("equal"), 1)


def test_an_unknown_baseline() -> None:
    with pytest.raises(SettingError, match=r"a baseline must be one of .*, got 'orakel'; the nearest is 'oracle'"):
        baseline("orakel")


@given(NEEDS, USERS, st.floats(0.05, 1))
def test_required_shares_give_the_satisfaction(need: np.ndarray, users: np.ndarray, wanted: float) -> None:
    """What the oracle asks for gives that reward by the simulator's own formulas, and a little less does not."""
    users[0] = 0
    demand = users * THREE.throughput_bps
    need = np.where(users > 0, need, 0)
    shares = _required(THREE, need, demand, np.full(3, wanted))
    finite = np.where(np.isfinite(shares), shares, 1e9)
    reward = kpis_of(THREE, users, need, finite).reward
    assert (reward >= wanted * (1 - 1e-9)).all()
    less = kpis_of(THREE, users, need, finite * 0.99).reward
    assert (less[users.sum(axis=1) > 0] < wanted).all()


@given(NEEDS, USERS)
def test_no_other_shares_have_a_greater_reward(need: np.ndarray, users: np.ndarray) -> None:
    need = np.where(users > 0, need, 0)
    shares = _fairest(THREE, need, users * THREE.throughput_bps)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    best = kpis_of(THREE, users, need, shares).reward
    rng = np.random.default_rng(0)
    near = shares * np.exp(rng.normal(0, 0.1, (200, 3, 4)))
    for other in (*rng.dirichlet(np.ones(4), (200, 3)), *(near / near.sum(axis=2, keepdims=True))):
        assert (kpis_of(THREE, users, need, other).reward <= best + 1e-6).all()


def test_delays_are_those_of_the_simulator() -> None:
    need, demand = np.full((3, 4), 0.3), 5 * THREE.throughput_bps
    shares = _required(THREE, need, demand, np.full(3, 0.8))
    scenario = THREE
    delay = mean_delay(
        demand, need, shares, packet_bits=scenario.packet_bits, floor_s=scenario.delay_floor_s,
        utilisation_max=scenario.utilisation_max, longest_s=scenario.step_s,
    )  # fmt: skip
    assert (delay <= scenario.delay_s / 0.8 * (1 + 1e-9)).all()


def test_order_of_the_baselines_on_the_papers_network() -> None:
    """More knowledge is better, and the paper's baseline beats an equal split."""
    env = SlicingEnv("paper")
    reward = {name: evaluate(env, baseline(name), 300, seed=3).reward.mean() for name in BASELINES}
    assert reward["oracle"] > reward["proportional"] + 0.05
    assert reward["proportional"] > reward["equal"]
    assert reward["proportional"] > reward["causal"]


def test_a_target_below_the_floor_is_met_by_no_share() -> None:
    slow = replace(THREE, delay_floor_s=5e-3)
    shares = _required(slow, np.full((3, 4), 0.2), slow.throughput_bps, np.ones(3))
    assert np.isinf(shares).all()
    fair = _fairest(slow, np.full((3, 4), 0.2), slow.throughput_bps * 1.0)
    np.testing.assert_allclose(fair.sum(axis=1), 1)
