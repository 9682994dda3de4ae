"""What every parallel environment must do, beyond PettingZoo's own test: a class for pytest.

Its fixture ``make`` is overridden to give a function that builds a fresh environment with an end.
"""
# ruff: noqa: D102  the name of a test says what it asks

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pytest
from pettingzoo import ParallelEnv
from pettingzoo.test import parallel_api_test

from netgraft.errors import InputError

Environment: TypeAlias = ParallelEnv[str, Any, Any]
Make = Callable[[], Environment]
#: What `step` returns, `reset` with None where it has nothing.
Answer = tuple[Any, ...]


def played(env: Environment, seed: int | None, actions_seed: int = 0) -> Iterator[Answer]:
    """Yield what an environment answers over an episode, until no agent is left, to actions sampled from its spaces.

    Args:
        env: to play.
        seed: of the reset.
        actions_seed: of the actions.
    """
    for number, name in enumerate(env.possible_agents):
        env.action_space(name).seed(actions_seed + number)
    observations, infos = env.reset(seed=seed)
    yield observations, None, None, None, infos
    while env.agents:
        yield env.step({name: env.action_space(name).sample() for name in env.agents})


class ParallelEnvConformance:
    """Tests of a parallel environment.

    Attributes:
        rewards: least and greatest reward.
        longest: steps after which an episode must have ended.
    """

    rewards = (0.0, 1.0)
    longest = 10_000

    @pytest.fixture
    def make(self) -> Make:
        """Give a function that builds a fresh environment."""
        raise NotImplementedError("override the fixture 'make'")

    def test_pettingzoo_is_content(self, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
        parallel_api_test(make(), num_cycles=200)
        assert "Passed" in capsys.readouterr().out

    def test_a_seed_repeats_the_whole_episode_exactly(self, make: Make) -> None:
        first = list(played(make(), 11))
        assert len(first) > 2
        assert _same(first, list(played(make(), 11)))
        used = make()
        assert not _same(first, list(played(used, 12)))
        assert _same(first, list(played(used, 11)))

    def test_nothing_depends_on_global_random_numbers(self, make: Make) -> None:
        state = np.random.get_state()  # noqa: NPY002  the global generator is what this is about
        try:
            np.random.seed(0)  # noqa: NPY002
            first = list(played(make(), 3))
            np.random.seed(1)  # noqa: NPY002
            assert _same(first, list(played(make(), 3)))
        finally:
            np.random.set_state(state)  # noqa: NPY002

    def test_resets_without_a_seed_go_on_to_other_episodes(self, make: Make) -> None:
        env, again = make(), make()
        first, second = list(played(env, 5)), list(played(env, None))
        assert not _same(first, second)
        list(played(again, 5))
        assert _same(second, list(played(again, None)))

    def test_observations_and_rewards_are_within_their_bounds(self, make: Make) -> None:
        env = make()
        for observations, rewards, *_ in played(env, 1):
            for name, observation in observations.items():
                space = env.observation_space(name)
                assert space.contains(observation), (name, observation)
                assert observation.dtype == space.dtype
            for name, reward in (rewards or {}).items():
                assert self.rewards[0] <= reward <= self.rewards[1], (name, reward)

    def test_samples_are_allowed_actions(self, make: Make) -> None:
        env = make()
        for name in env.possible_agents:
            space = env.action_space(name)
            space.seed(0)
            assert all(space.contains(space.sample()) for _ in range(100))

    def test_spaces_are_the_same_objects_each_time(self, make: Make) -> None:
        env = make()
        for name in env.possible_agents:
            assert env.action_space(name) is env.action_space(name)
            assert env.observation_space(name) is env.observation_space(name)

    def test_answers_are_about_the_agents_that_acted(self, make: Make) -> None:
        env = make()
        possible = list(env.possible_agents)
        acting: list[str] = []
        for step, (observations, *told) in enumerate(played(env, 2)):
            assert step <= self.longest, "an episode must end"
            if step == 0:
                acting = list(env.agents)
                assert acting == possible
            assert set(observations) == set(acting)
            assert all(set(each) == set(acting) for each in told if each is not None)
            _, terminated, truncated, _ = told
            gone = [] if step == 0 else [name for name in acting if terminated[name] or truncated[name]]
            acting = [name for name in acting if name not in gone]
            assert env.agents == acting
        assert env.possible_agents == possible

    def test_a_step_after_the_end_is_refused(self, make: Make) -> None:
        env = make()
        with pytest.raises(InputError, match="reset is required, got a step before"):
            env.step({})
        *_, last = played(env, 0)
        actions = {name: env.action_space(name).sample() for name in last[0]}
        for given in ({}, actions):
            with pytest.raises(InputError, match="reset is required, got a step after"):
                env.step(given)
        env.reset(seed=0)
        env.step(actions)

    def test_answers_do_not_change_later(self, make: Make) -> None:
        env = make()
        answers = list(played(env, 4))
        kept = copy.deepcopy(answers)
        list(played(env, 5))
        assert _same(answers, kept)

    def test_writing_into_answers_and_actions_changes_nothing(self, make: Make) -> None:
        wanted = list(played(make(), 6))
        env, got = make(), []
        for answer in played(env, 6):
            got.append(copy.deepcopy(answer))
            _overwrite(answer)
        assert _same(wanted, got)

    def test_actions_are_not_written_to(self, make: Make) -> None:
        env = make()
        env.reset(seed=0)
        actions = {name: env.action_space(name).sample() for name in env.agents}
        for action in actions.values():
            action.flags.writeable = False
        env.step(actions)

    def test_a_refused_action_changes_nothing(self, make: Make) -> None:
        wanted = list(played(make(), 7))
        env, got = make(), []
        for answer in played(env, 7):
            got.append(answer)
            if env.agents:
                with pytest.raises(InputError):
                    env.step({name: np.full(env.action_space(name).shape, np.nan) for name in env.agents})
        assert _same(wanted, got)


def _same(one: Any, two: Any) -> bool:
    """Return whether two nests of lists, tuples, dicts, arrays and values are equal bit for bit."""
    if isinstance(one, np.ndarray):
        return isinstance(two, np.ndarray) and one.dtype == two.dtype and np.array_equal(one, two, equal_nan=True)
    if isinstance(one, dict):
        return isinstance(two, dict) and one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(two) and len(one) == len(two) and all(map(_same, one, two))
    return type(one) is type(two) and bool(one == two)


def _overwrite(answer: Any) -> None:
    """Write into every array of a nest."""
    if isinstance(answer, np.ndarray):
        answer.fill(-1)
    elif isinstance(answer, dict):
        for value in answer.values():
            _overwrite(value)
    elif isinstance(answer, list | tuple):
        for value in answer:
            _overwrite(value)
