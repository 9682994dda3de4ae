from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from netgraft.agents.baselines import equal
from netgraft.agents.evaluation import acting, evaluate
from netgraft.agents.exploration import Exploration, dirichlet
from netgraft.agents.replay import Replay
from netgraft.agents.settings import Td3Settings
from netgraft.agents.td3 import Td3
from netgraft.agents.training import History, load_training, save_training, train
from netgraft.errors import InputError, ModelError, SettingError
from netgraft.ran import Slice, SlicingEnv, preset
from netgraft.ran.slices import SliceGroup

SETTINGS = Td3Settings(warm_up=20, capacity=200)
SHORT = {"seed": 4, "explore_steps": 12, "train_steps": 18}


def parts(seed: int = 0, settings: Td3Settings = SETTINGS) -> tuple[SlicingEnv, Td3, Replay]:
    env = SlicingEnv("three")
    td3 = Td3(env.agents, env.observation_size, env.slices, settings=settings, seed=seed)
    replay = Replay(env.agents, env.observation_size, env.slices, capacity=settings.capacity, seed=seed)
    return env, td3, replay


def assert_same(one: History, other: History) -> None:
    for field in fields(History):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def test_a_history_says_what_happened() -> None:
    env, td3, replay = parts()
    history = train(env, td3, replay, **SHORT)
    assert len(history) == 30
    assert history.shares.shape == (30, 3, 4)
    np.testing.assert_allclose(history.shares.sum(axis=2), 1)
    assert np.isnan(history.loss[:12]).all()
    assert np.isfinite(history.loss[12:]).all()
    np.testing.assert_array_equal(replay.transitions(1)[:, 20], history.reward[:, 1].astype(np.float32))
    # 20 updates of fresh critics, then one per step
    assert td3.stack.counts[:, 3].tolist() == [38] * 3
    assert td3.stack.counts[:, 1].tolist() == [9] * 3


def test_the_same_seeds_give_the_same_run() -> None:
    assert_same(train(*parts(), **SHORT), train(*parts(), **SHORT))
    other = train(*parts(1), **SHORT)
    assert (other.shares[20:] != train(*parts(), **SHORT).shares[20:]).any()


def test_shares_of_the_first_phase_are_the_explorations() -> None:
    history = train(*parts(), **SHORT, explore=dirichlet(1.0, seed=8))
    explore = dirichlet(1.0, seed=8)
    expected = [explore(np.zeros((3, 4)), step) for step in range(12)]
    np.testing.assert_allclose(history.shares[:12], expected, rtol=1e-12)


def test_training_begins_with_the_scale_of_what_was_seen() -> None:
    env, td3, replay = parts()
    train(env, td3, replay, seed=4, explore_steps=30, train_steps=1)
    seen = np.concatenate([replay.transitions(agent)[:30, : env.observation_size] for agent in range(3)])
    np.testing.assert_allclose(td3.stack.shift[2], seen.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_an_agent_with_a_frozen_layer_keeps_the_scale_it_came_with() -> None:
    env, td3, replay = parts()
    td3.freeze(1, 1)
    train(env, td3, replay, **SHORT)
    assert (td3.stack.scale[1] == 1).all()
    assert (td3.stack.scale[0] != 1).any()


class StopHereError(Exception):
    """Ends a run from inside."""


@pytest.mark.parametrize("stop", [5, 12, 13, 29])
def test_an_interrupted_run_goes_on_bit_for_bit(stop: int, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    whole = train(*parts(), **SHORT)

    env, td3, replay = parts()

    def save(step: int, history: Callable[[], History]) -> None:
        if step == stop:
            save_training(path, td3, replay, history())
            raise StopHereError

    with pytest.raises(StopHereError):
        train(env, td3, replay, **SHORT, on_step=save)
    env, td3, replay = parts()
    begun = load_training(path, td3, replay)
    assert len(begun) == stop
    assert_same(train(env, td3, replay, **SHORT, begun=begun), whole)


def test_a_finished_run_has_nothing_left() -> None:
    env, td3, replay = parts()
    whole = train(env, td3, replay, **SHORT)
    before = td3.stack.parameters.copy()
    assert_same(train(env, td3, replay, **SHORT, begun=whole), whole)
    np.testing.assert_array_equal(td3.stack.parameters, before)


def test_one_new_cell_while_the_others_go_on() -> None:
    env, td3, replay = parts()
    before = td3.stack.parameters.copy()
    history = train(env, td3, replay, **SHORT, agents=[1])
    assert (td3.stack.parameters[[0, 2]] == before[[0, 2]]).all()
    assert (td3.stack.parameters[1] != before[1]).any()
    assert np.isnan(history.loss[:, [0, 2]]).all()
    # the others act as they have learned: nearly uniform here
    assert np.abs(history.shares[:, [0, 2]] - 0.25).max() < 0.02
    assert np.abs(history.shares[:12, 1] - 0.25).max() > 0.1


def test_transferred_agents_need_no_exploration() -> None:
    env, td3, replay = parts()
    train(env, td3, replay, **SHORT)
    source = td3.agent(0)
    env, td3, replay = parts(5)
    for agent in range(3):
        td3.replace(agent, source)
    first = td3.act(env.reset(9))
    history = train(env, td3, replay, seed=9, explore_steps=0, train_steps=3, perturb=no_noise)
    np.testing.assert_array_equal(history.shares[0], first)
    np.testing.assert_array_equal(td3.stack.scale[1], source.scale)


def no_noise(logits: np.ndarray, step: int) -> np.ndarray:
    from netgraft.agents.networks import act

    return act(logits, "softmax")


def test_a_fresh_agent_learns_from_its_source_first() -> None:
    env, td3, replay = parts()
    train(env, td3, replay, **SHORT)
    rows = replay.transitions(0)
    env, td3, replay = parts(5)
    for agent in range(3):
        replay.set_source(agent, rows, share=0.5, anneal=10)
    train(env, td3, replay, seed=9, explore_steps=0, train_steps=2)
    assert td3.stack.counts[:, 3].tolist() == [22] * 3
    np.testing.assert_allclose(td3.stack.shift[0], rows[:, : env.observation_size].mean(axis=0), rtol=1e-4, atol=1e-6)


def test_learning_beats_an_equal_split() -> None:
    """Where one slice asks for much more than the others."""
    slices = tuple(Slice(name, rate_bps, 2e-3) for name, rate_bps in zip("abcd", (6e6, 5e5, 5e5, 5e5), strict=True))
    env = SlicingEnv(replace(preset("three"), groups=(SliceGroup((0, 1, 2), slices),)))
    td3 = Td3(3, env.observation_size, 4, settings=Td3Settings(warm_up=300))
    train(env, td3, Replay(3, env.observation_size, 4), seed=1, explore_steps=800, train_steps=700)
    learned = evaluate(env, acting(td3), 300, seed=7).reward.mean()
    assert learned > evaluate(env, equal, 300, seed=7).reward.mean() + 0.05


def test_evaluation_is_that_of_the_network() -> None:
    env, td3, _ = parts()
    found = evaluate(env, acting(td3), 5, seed=3)
    again = evaluate(env, acting([td3.policy(agent) for agent in range(3)]), 5, seed=3)
    for name, values in vars(found).items():
        assert values.shape == (5, 3)
        np.testing.assert_allclose(values, getattr(again, name), rtol=1e-4, err_msg=name)
    assert env.last_kpis is not None
    np.testing.assert_array_equal(again.reward[-1], env.last_kpis.reward)
    np.testing.assert_array_equal(again.delay_s[-1], env.last_kpis.delay_s.max(axis=1))
    np.testing.assert_array_equal(again.throughput_satisfaction[-1], env.last_kpis.throughput_satisfaction.min(axis=1))


def test_an_evaluation_without_a_seed_goes_on() -> None:
    env, _, _ = parts()
    together = evaluate(env, equal, 6, seed=3).reward
    first = evaluate(env, equal, 2, seed=3).reward
    np.testing.assert_array_equal(np.concatenate([first, evaluate(env, equal, 4).reward]), together)


def test_bad_input(tmp_path: Path) -> None:
    env, td3, replay = parts()
    for name in ("explore_steps", "train_steps", "updates_per_step"):
        with pytest.raises(SettingError, match=f"{name} must be >= 0, got -1"):
            train(env, td3, replay, **{**SHORT, name: -1})  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="steps must be >= 1, got 0"):
        evaluate(env, equal, 0)
    with pytest.raises(InputError, match="one policy per cell is required, 3, got 1"):
        evaluate(env, acting([td3.policy(0)]), 1)
    with pytest.raises(InputError, match="a policy must decide 4 shares, got 2"):
        evaluate(env, acting([Td3(1, env.observation_size, 2).policy(0)] * 3), 1)
    with pytest.raises(InputError, match="an agent must be 0 to 2, got 7"):
        train(env, td3, replay, **SHORT, agents=[7])
    with pytest.raises(InputError, match="observations must have shape"):
        train(env, Td3(2, env.observation_size, 4), replay, **SHORT)
    tanh = Td3(3, env.observation_size, 4, settings=Td3Settings(output="tanh"))
    with pytest.raises(InputError, match="agents whose output is softmax are required, got tanh"):
        train(env, tanh, replay, **SHORT)


def test_a_run_of_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    env, td3, replay = parts()
    save_training(path, td3, replay, train(env, td3, replay, **SHORT))
    for others, text in (
        (parts(1), r"a training with seeds \[1, 1\] is required, got \[0, 0\]"),
        (parts(0, replace(SETTINGS, gamma=0.5)), "a training with settings .*'gamma': 0.5.* is required"),
        (parts(0, replace(SETTINGS, capacity=9)), r"a training with sizes \[3, 16, 4, 9\] is required"),
    ):
        with pytest.raises(ModelError, match=text):
            load_training(path, *others[1:])
    with pytest.raises(ModelError, match=r"a netgraft-training file is required, got .*nothing: No such file"):
        load_training(tmp_path / "nothing", td3, replay)


def test_exploration_is_a_plain_function() -> None:
    calls: list[int] = []

    def explore(logits: np.ndarray, step: int) -> np.ndarray:
        calls.append(step)
        return np.full_like(logits, 0.25)

    chosen: Exploration = explore
    train(*parts(), **SHORT, explore=chosen, perturb=chosen)
    # the second phase counts from its own beginning
    assert calls == [*range(12), *range(18)]
