from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_networks import SMALL, TWELVE, random_shares

from netgraft.conformance.parallel_env import Make, ParallelEnvConformance
from netgraft.errors import InputError, SettingError
from netgraft.ran import SlicingEnv, parallel_env
from netgraft.ran.parallel import NAME, SlicingParallelEnv

CROWDED = replace(TWELVE, overhead=0.7)


class TestConformance(ParallelEnvConformance):
    @pytest.fixture(params=["small", "crowded, all messages", "coupled"])
    def make(self, request: pytest.FixtureRequest) -> Make:
        def build() -> SlicingParallelEnv:
            if request.param == "small":
                return parallel_env(scenario=SMALL, steps=25)
            if request.param == "coupled":
                return parallel_env(scenario=TWELVE, steps=25, seed=3, coordination="coupled")
            return parallel_env(scenario=CROWDED, steps=50, coordination="all")

        return build


def actions_of(shares: np.ndarray) -> dict[str, np.ndarray]:
    """Return shares [K, N] by agent."""
    return {f"cell_{cell}": row for cell, row in enumerate(shares)}


def test_it_is_the_array_form_by_agent() -> None:
    env, arrays = parallel_env(scenario=SMALL, seed=2, steps=5), SlicingEnv(SMALL, seed=2)
    assert env.metadata["name"] == NAME == "netgraft_slicing_v1"
    observations, infos = env.reset()
    np.testing.assert_array_equal(np.stack(list(observations.values())), arrays.reset())
    for step, shares in enumerate(random_shares(SMALL, 0, 5)):
        for cell, name in enumerate(env.agents):
            np.testing.assert_array_equal(infos[name]["demand_bps"], arrays.simulator.demand_bps[cell])
            np.testing.assert_array_equal(infos[name]["demand_users"], arrays.simulator.users[cell])
        observations, rewards, terminations, truncations, infos = env.step(actions_of(shares))
        wanted, reward, kpis = arrays.step(shares)
        np.testing.assert_array_equal(np.stack(list(observations.values())), wanted)
        assert list(rewards.values()) == reward.tolist()
        assert not any(terminations.values())
        assert set(truncations.values()) == {step == 4}
        np.testing.assert_array_equal(infos["cell_1"]["kpis"]["delay_s"], kpis.delay_s[1])
    assert env.agents == []
    env.close()


def test_a_preset_is_the_paper() -> None:
    env = parallel_env()
    assert env.possible_agents == [f"cell_{cell}" for cell in range(12)]
    assert env.observation_space("cell_0").shape == (16,)
    assert env.action_space("cell_0").shape == (4,)


@pytest.mark.parametrize("action", [[0.5, 0.5, 0.5, 0.5], [np.nan, 1, 0, 0], [-1, 1, 1, 0], [0.5, 0.5]])
def test_a_wrong_action_names_agent_and_value(action: list[float]) -> None:
    env = parallel_env(scenario=SMALL, steps=5)
    env.reset()
    actions = actions_of(random_shares(SMALL, 0)[0]) | {"cell_2": np.array(action)}
    wanted = r"the action of 'cell_2' must be 4 numbers, finite, >= 0, with sum 1, got \[" + f"{float(action[0])}"
    with pytest.raises(InputError, match=wanted):
        env.step(actions)


def test_an_action_that_is_no_array_names_the_agent() -> None:
    env = parallel_env(scenario=SMALL, steps=5)
    env.reset()
    actions = actions_of(random_shares(SMALL, 0)[0]) | {"cell_1": "all"}
    with pytest.raises(InputError, match="the action of 'cell_1': an array of numbers is required, got 'all'"):
        env.step(actions)  # type: ignore[arg-type]


def test_missing_and_unknown_agents_are_named() -> None:
    env = parallel_env(scenario=SMALL, steps=5)
    env.reset()
    actions = actions_of(random_shares(SMALL, 0)[0])
    with pytest.raises(InputError, match="an agent must be one of cell_0, cell_1, cell_2, got 'cell_3'; the nearest"):
        env.step(actions | {"cell_3": actions["cell_0"]})
    with pytest.raises(InputError, match="an action of every agent is required, got none of 'cell_1'"):
        env.step({name: each for name, each in actions.items() if name != "cell_1"})


def test_it_can_be_shown() -> None:
    env = parallel_env(scenario=SMALL, render_mode="ansi")
    assert env.render() is None
    env.reset()
    lines = (env.render() or "").splitlines()
    assert lines[0] == "step 1"
    assert lines[1].startswith("cell_0   load")
    assert len(lines) == 4
    assert parallel_env(scenario=SMALL).render() is None


def test_bad_settings_are_refused() -> None:
    with pytest.raises(SettingError, match=r"a preset must be one of .*, got 'papers'; the nearest is 'paper'"):
        parallel_env("papers")
    with pytest.raises(SettingError, match="render_mode must be one of ansi, got 'human'"):
        parallel_env(scenario=SMALL, render_mode="human")
    with pytest.raises(SettingError, match="steps must be >= 1, got 0"):
        parallel_env(scenario=SMALL, steps=0)
