"""The slicing problem for PettingZoo: one agent per cell, all act at once.

Versions of ``netgraft_slicing_v1`` (a change of results makes a new one):

* v1: observations of `netgraft.ran.observation`, actions on the simplex, reward eq. (2) of Hu et al. 2022.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from netgraft.errors import InputError, SettingError, unknown_name
from netgraft.ran.kpis import MEASURES
from netgraft.ran.scenario import Scenario
from netgraft.ran.shares import as_numbers, on_simplex
from netgraft.ran.simplex import Simplex
from netgraft.ran.slicing_env import SlicingEnv

NAME = "netgraft_slicing_v1"


def parallel_env(
    preset: str = "paper",
    scenario: Scenario | None = None,
    *,
    seed: int = 0,
    steps: int = 1000,
    coordination: str = "mean",
    render_mode: str | None = None,
) -> SlicingParallelEnv:
    """Return the environment.

    Args:
        preset: name of a scenario.
        scenario: in place of a preset.
        seed: of the first episode; `reset` takes others.
        steps: after which an episode is truncated; none terminates.
        coordination: see `netgraft.ran.coordination`.
        render_mode: ``"ansi"`` or None.

    Raises:
        SettingError: an unknown preset, coordination or mode, or steps below 1.
    """
    env = SlicingEnv(scenario or preset, coordination=coordination, seed=seed, steps=steps)
    return SlicingParallelEnv(env, render_mode)


class SlicingParallelEnv(ParallelEnv[str, NDArray[Any], NDArray[Any]]):
    """Agents ``cell_0`` .. of a `SlicingEnv` with an end.

    An agent's info has ``demand_bps`` and ``demand_users`` [N], what the period that its next action serves will ask
    for (perfect knowledge: a baseline may read it, an agent that is to be deployed must not), and under ``kpis`` the
    measures [N] of the last period by the names of `netgraft.ran.Kpis`.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": NAME, "render_modes": ["ansi"], "is_parallelizable": True}

    def __init__(self, env: SlicingEnv, render_mode: str | None = None) -> None:
        """Wrap arrays in dicts.

        Args:
            env: with an end.
            render_mode: ``"ansi"`` or None.

        Raises:
            SettingError: an unknown mode.
        """
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise SettingError(unknown_name("render_mode", render_mode, self.metadata["render_modes"]))
        self.env = env
        self.render_mode = render_mode
        self.possible_agents = [f"cell_{cell}" for cell in range(env.agents)]
        self.agents: list[str] = []
        low, high = env.bounds()
        self.observation_spaces = {name: Box(low, high, dtype=np.float32) for name in self.possible_agents}
        self.action_spaces = {name: Simplex(env.slices) for name in self.possible_agents}

    def observation_space(self, agent: str) -> Box:
        """Return the space of an agent's observations."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Simplex:
        """Return the space of an agent's actions."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, dict[str, Any]]]:
        """Begin an episode and return observations and infos; no option is known.

        Args:
            seed: of users and traffic; None: see `SlicingEnv.reset`.
            options: ignored.
        """
        observations = self.env.reset(seed)
        self.agents = list(self.possible_agents)
        return self._by_agent(observations), self._infos()

    def step(
        self, actions: dict[str, NDArray[Any]]
    ) -> tuple[dict[str, NDArray[Any]], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Serve a period and return observations, rewards, terminations, truncations and infos.

        Args:
            actions: shares [N] of every agent.

        Raises:
            InputError: `reset` is due, an agent has no action or is unknown, or an action is not on the simplex.
        """
        observations, rewards, _ = self.env.step(self._shares(actions))
        acted, ended = self.agents, self.env.steps_left == 0
        self.agents = [] if ended else list(acted)
        return (
            self._by_agent(observations),
            {name: float(value) for name, value in zip(acted, rewards, strict=True)},
            dict.fromkeys(acted, False),
            dict.fromkeys(acted, ended),
            self._infos(),
        )

    def render(self) -> str | None:
        """Return a line per cell with load and reward of the last period, or nothing without a mode."""
        kpis = self.env.last_kpis
        if self.render_mode is None or kpis is None:
            return None
        lines = [f"step {self.env.simulator.step_index}"]
        for name, load, reward in zip(self.possible_agents, kpis.cell_load, kpis.reward, strict=True):
            lines.append(f"{name:8} load {load:4.0%} {'#' * round(20 * load):20} reward {reward:.2f}")
        return "\n".join(lines)

    def close(self) -> None:
        """Do nothing: the environment holds no resource."""

    def _shares(self, actions: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return the actions as one array [K, N]."""
        self.env.require_running()
        for name in actions.keys() - set(self.agents):
            raise InputError(unknown_name("an agent", str(name), self.agents))
        return np.stack([self._action(name, actions.get(name)) for name in self.agents])

    def _action(self, name: str, action: Any) -> NDArray[np.float64]:
        """Return an agent's action, checked so that a complaint names the agent."""
        if action is None:
            raise InputError(f"an action of every agent is required, got none of {name!r}")
        try:
            values = as_numbers(action)
        except InputError as error:
            raise InputError(f"the action of {name!r}: {error}") from error
        if values.shape != (self.env.slices,) or not on_simplex(values):
            size, came = self.env.slices, values.tolist()
            raise InputError(f"the action of {name!r} must be {size} numbers, finite, >= 0, with sum 1, got {came}")
        return values

    def _by_agent(self, observations: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return a row of its own for each agent."""
        return {name: row.copy() for name, row in zip(self.possible_agents, observations, strict=True)}

    def _infos(self) -> dict[str, dict[str, Any]]:
        """Return what each agent is told beside its observation."""
        simulator, kpis = self.env.simulator, self.env.measured
        demand_bps, users = simulator.demand_bps, simulator.users
        return {
            name: {
                "demand_bps": demand_bps[cell].copy(),
                "demand_users": users[cell].copy(),
                "kpis": {measure: getattr(kpis, measure)[cell].copy() for measure in MEASURES},
            }
            for cell, name in enumerate(self.possible_agents)
        }
