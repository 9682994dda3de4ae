from __future__ import annotations

import numpy as np
import pytest
from small_networks import SMALL, random_shares

from netgraft.errors import InputError, SettingError
from netgraft.ran import Simulator, SlicingEnv
from netgraft.ran.observation import observe
from netgraft.ran.shares import equal_shares


def episode(env: SlicingEnv, seed: int | None = None) -> list[np.ndarray]:
    """Return observations and rewards of 20 steps."""
    found = [env.reset(seed)]
    for shares in random_shares(env.scenario, 0, 20):
        seen, reward, _ = env.step(shares)
        found += [seen, reward]
    return found


def same(one: list[np.ndarray], two: list[np.ndarray]) -> bool:
    """Return whether two episodes are equal bit for bit."""
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_step_serves_the_period_that_the_simulator_tells_of() -> None:
    env = SlicingEnv(SMALL, seed=4)
    first = env.reset()
    simulator = Simulator(SMALL, seed=4)
    np.testing.assert_array_equal(first, observe(simulator.step(equal_shares(SMALL)), SMALL, env.coordination))
    assert first.shape == (env.agents, env.observation_size) == (3, 16)
    assert env.slices == 4
    for shares in random_shares(SMALL, 1, 10):
        demand_bps = env.simulator.demand_bps
        seen, reward, kpis = env.step(shares)
        wanted = simulator.step(shares)
        np.testing.assert_allclose(kpis.packed(), wanted.packed(), rtol=1e-12)
        np.testing.assert_array_equal(kpis.demand_bps, demand_bps)
        np.testing.assert_array_equal(reward, kpis.reward)
        np.testing.assert_array_equal(seen, observe(kpis, SMALL, env.coordination))
        assert env.last_kpis is env.measured is kpis


def test_seeds_of_episodes() -> None:
    env = SlicingEnv(SMALL, seed=1)
    first = episode(env)
    second = episode(env)
    assert not same(first, second)
    again = SlicingEnv(SMALL, seed=1)
    assert same(first, episode(again))
    assert same(second, episode(again))
    assert same(first, episode(again, 1))
    assert not same(first, episode(again, 2))


def test_the_reference_is_the_same_environment() -> None:
    fast, slow = (episode(SlicingEnv(SMALL, fast=fast)) for fast in (True, False))
    for one, two in zip(fast, slow, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_unchecked_shares_are_served_as_they_are() -> None:
    env = SlicingEnv(SMALL)
    env.reset()
    _, _, kpis = env.step(np.full((3, 4), 0.1), checked=False)
    assert (kpis.load <= 0.1).all()


def test_an_episode_ends() -> None:
    env = SlicingEnv(SMALL, steps=2)
    with pytest.raises(InputError, match="reset is required, got a step before the first reset"):
        env.step(equal_shares(SMALL))
    with pytest.raises(InputError, match="reset is required, got a question for measures before the first reset"):
        _ = env.measured
    env.reset()
    env.step(equal_shares(SMALL))
    assert env.steps_left == 1
    env.step(equal_shares(SMALL))
    with pytest.raises(InputError, match="reset is required, got a step after the last of 2"):
        env.step(equal_shares(SMALL))
    env.reset()
    assert env.steps_left == 2


def test_bad_settings_are_refused() -> None:
    with pytest.raises(SettingError, match="steps must be >= 1, got 0"):
        SlicingEnv(SMALL, steps=0)
    with pytest.raises(SettingError, match=r"a preset must be one of .*, got 'papr'; the nearest is 'paper'"):
        SlicingEnv("papr")
    with pytest.raises(SettingError, match="coordination must be one of"):
        SlicingEnv(SMALL, coordination="x")


def test_bad_shares_are_refused_and_nothing_moves() -> None:
    env = SlicingEnv(SMALL)
    env.reset()
    shares = equal_shares(SMALL)
    shares[2, 0] = np.nan
    with pytest.raises(InputError, match=r"shares of cell 2 must be finite, >= 0 and sum to 1, got \[nan, 0.25"):
        env.step(shares)
    assert env.simulator.step_index == 1
