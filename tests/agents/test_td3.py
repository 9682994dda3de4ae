from __future__ import annotations

import numpy as np
import pytest
from td3_examples import AGENTS, D, N, random_replay, random_td3

from netgraft.agents.draws import draw_noise
from netgraft.agents.settings import Td3Settings
from netgraft.agents.td3 import Td3
from netgraft.errors import InputError, SettingError


def test_actions_are_shares() -> None:
    shares = random_td3().act(np.random.default_rng(0).normal(size=(AGENTS, D)))
    assert shares.dtype == np.float64
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-12)
    assert shares.min() > 0


def test_learning_is_repeatable_and_does_not_depend_on_the_calls() -> None:
    one, other = random_td3(), random_td3()
    replay = random_replay()
    one.learn(replay, updates=40)
    for updates in (1, 4, 35):
        other.learn(replay, updates=updates)
    np.testing.assert_array_equal(one.stack.parameters, other.stack.parameters)
    assert one.stack.counts[0].tolist() == [40, 20, 0, 40]


def test_an_agent_learns_the_same_whatever_learns_beside_it() -> None:
    alone, together = random_td3(), random_td3()
    replay = random_replay()
    alone.learn(replay, updates=5, agents=[1])
    losses = together.learn(replay, updates=5)
    np.testing.assert_array_equal(alone.stack.parameters[1], together.stack.parameters[1])
    assert np.isfinite(losses).all()
    assert alone.stack.counts[:, 3].tolist() == [0, 5, 0]


def test_a_bandit_is_solved() -> None:
    """The best shares depend on the first number that an agent sees."""
    rng = np.random.default_rng(0)
    td3 = Td3(1, 2, 2, settings=Td3Settings(logit_penalty=1e-3, warm_up=200))
    seen = rng.uniform(-1, 1, (2000, 2)).astype(np.float32)
    shares = rng.dirichlet([1, 1], 2000)
    wanted = 0.5 + 0.3 * seen[:, :1]
    reward = 1 - np.abs(shares[:, :1] - wanted)
    from netgraft.agents.replay import Replay

    replay = Replay(1, 2, 2)
    replay.remember(0, np.concatenate([seen, shares, reward, seen[::-1]], axis=1))
    td3.standardise(seen)
    td3.learn(replay, updates=3000)
    for first in (-0.8, 0.0, 0.8):
        assert td3.act([[first, 0.3]])[0, 0] == pytest.approx(0.5 + 0.3 * first, abs=0.06)


def test_a_fresh_actor_waits_for_its_critic() -> None:
    td3 = random_td3(warm_up=10)
    begun = td3.stack.parameters.copy()
    replay = random_replay()
    losses = td3.learn(replay, updates=10)
    actor, critic, _ = td3.layouts.parts(td3.stack.parameters != begun)
    assert not actor.any()
    assert critic.any()
    assert np.isnan(losses[:, 1]).all()
    losses = td3.learn(replay, updates=2)
    assert td3.layouts.parts(td3.stack.parameters != begun)[0].any()
    assert np.isfinite(losses).all()
    assert td3.stack.counts[0].tolist() == [12, 1, 0, 12]


def test_no_update_changes_nothing() -> None:
    td3 = random_td3()
    begun = td3.stack.parameters.copy()
    assert np.isnan(td3.learn(random_replay(), updates=0)).all()
    np.testing.assert_array_equal(td3.stack.parameters, begun)


def test_standardised_observations() -> None:
    td3 = random_td3()
    seen = np.random.default_rng(0).normal(3, 5, (100, AGENTS, D)).astype(np.float32)
    seen[..., 2] = 7
    td3.standardise(seen, agents=[0, 2])
    scaled = (seen[:, 0] - td3.stack.shift[0]) * td3.stack.scale[0]
    assert abs(scaled[:, 0]).max() < 5
    np.testing.assert_array_equal(scaled[:, 2], 0)
    np.testing.assert_array_equal(td3.stack.scale[1], 1)
    with pytest.raises(InputError, match=r"observations must have shape \(..., 7\), got \(3, 2\)"):
        td3.standardise(np.zeros((3, 2)))


def test_model_transfer_copies_targets_and_scaling_and_forgets_moments() -> None:
    td3, replay = random_td3(warm_up=4), random_replay()
    td3.standardise(np.random.default_rng(0).normal(size=(50, D)), agents=[0])
    td3.learn(replay, updates=30)
    source = td3.agent(0)
    td3.replace(2, source)
    for name in ("parameters", "targets", "shift", "scale"):
        np.testing.assert_array_equal(getattr(td3.stack, name)[2], getattr(td3.stack, name)[0])
    assert not td3.stack.first[2].any()
    assert not td3.stack.second[2].any()
    assert td3.stack.counts[2].tolist() == [0, 0, 0, 30]
    td3.learn(replay, updates=2, agents=[2])
    np.testing.assert_array_equal(source.parameters, td3.agent(0).parameters)
    assert (td3.agent(2).parameters != source.parameters).any()


def test_feature_transfer_takes_lower_layers() -> None:
    td3 = random_td3(warm_up=4)
    begun, source = td3.agent(2), td3.agent(0)
    td3.replace(2, source, layers=1)
    td3.freeze(2, 1)
    lower = td3.layouts.lower(1)
    np.testing.assert_array_equal(td3.agent(2).parameters[lower], source.parameters[lower])
    np.testing.assert_array_equal(td3.agent(2).parameters[~lower], begun.parameters[~lower])
    assert td3.stack.counts[2].tolist() == [0, 0, 4, 0]
    td3.learn(random_replay(), updates=6)
    np.testing.assert_array_equal(td3.agent(2).parameters[lower], source.parameters[lower])


def test_restart_makes_an_agent_fresh() -> None:
    fresh = Td3(AGENTS, D, N, settings=Td3Settings(warm_up=3), seed=5)
    td3 = Td3(AGENTS, D, N, settings=Td3Settings(warm_up=3), seed=5)
    td3.freeze(1, 2)
    td3.anchor(1, 0.1)
    td3.freeze(1, 0)
    td3.learn(random_replay(), updates=9)
    td3.restart(1)
    np.testing.assert_array_equal(td3.stack.parameters[1], fresh.stack.parameters[1])
    np.testing.assert_array_equal(td3.stack.targets[1], fresh.stack.parameters[1])
    assert td3.stack.pull[1] == 0
    assert td3.stack.counts[1].tolist() == [0, 0, 3, 9]
    td3.restart(1, seed=6)
    assert (td3.stack.parameters[1] != fresh.stack.parameters[1]).any()


def test_state_comes_back() -> None:
    one, replay = random_td3(), random_replay()
    one.learn(replay, updates=7)
    other = random_td3(3)
    other.seed, other._noise_seed = one.seed, one._noise_seed
    other.restore(one.state())
    for td3 in (one, other):
        td3.learn(replay, updates=5)
    np.testing.assert_array_equal(one.stack.parameters, other.stack.parameters)


def test_noise_is_normal_and_clipped() -> None:
    starts = np.zeros(AGENTS, np.int64)
    noise = draw_noise(np.uint64(3), 50, 32, N, np.arange(AGENTS), starts, 0.2, 0.5)
    assert noise.shape == (50, AGENTS, 32, N)
    assert abs(noise).max() == pytest.approx(0.5)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(0.2, abs=0.01)
    assert abs(np.corrcoef(noise[..., :2].reshape(-1, 2).T)[0, 1]) < 0.05
    odd = draw_noise(np.uint64(3), 1, 1, 3, np.arange(1), starts[:1], 0.2, 0.5)
    np.testing.assert_array_equal(
        odd.ravel()[:2], draw_noise(np.uint64(3), 1, 1, 2, np.arange(1), starts[:1], 0.2, 0.5).ravel()
    )


def test_bad_sizes_and_settings() -> None:
    for sizes, name in (((0, D, N), "agents"), ((1, 0, N), "observation_size"), ((1, D, 0), "action_size")):
        with pytest.raises(SettingError, match=f"{name} must be >= 1, got 0"):
            Td3(*sizes)
    td3 = random_td3()
    with pytest.raises(SettingError, match="updates must be >= 0, got -1"):
        td3.learn(random_replay(), updates=-1)
    with pytest.raises(SettingError, match="frozen layers must be 0 to 2, got 3"):
        td3.freeze(0, 3)
    with pytest.raises(SettingError, match="layers must be 1 to 3, got 0"):
        td3.replace(0, td3.agent(1), layers=0)
    with pytest.raises(SettingError, match="pull must be >= 0 and finite, got -1"):
        td3.anchor(0, -1)


def test_bad_input() -> None:
    td3 = random_td3()
    with pytest.raises(InputError, match=r"observations must have shape \(3, 7\), got \(7,\)"):
        td3.act(np.zeros(D))
    seen = np.zeros((AGENTS, D))
    seen[1, 3] = np.inf
    with pytest.raises(InputError, match=r"observations must be finite, got \[.*inf.*\] of agent 1"):
        td3.act(seen)
    with pytest.raises(InputError, match="an agent must be 0 to 2, got 3"):
        td3.learn(random_replay(), agents=[3])
    with pytest.raises(InputError, match=r"memories of \(3, 7, 4\) agents, .* are required, got \(2, 7, 4\)"):
        td3.learn(random_replay(agents=2))
    other = Td3(1, D, N, settings=Td3Settings(actor=(8, 8)))
    with pytest.raises(InputError, match=r"an agent with actor \(7, 48, 24, 4\).* is required, got .*\(7, 8, 8, 4\)"):
        td3.replace(0, other.agent(0))
