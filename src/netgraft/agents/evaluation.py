"""What a controller achieves: per period and cell the reward and the two measures of the paper's figures 5 and 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.agents.baselines import Controller
from netgraft.agents.policy import Policy
from netgraft.agents.td3 import Td3
from netgraft.errors import InputError, SettingError
from netgraft.ran import Kpis, SlicingEnv
from netgraft.ran.observation import observe

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Measures of T periods of K cells, float64 [T, K].

    Attributes:
        reward: eq. (2).
        throughput_satisfaction: min(1, throughput / target) of the slice that is worst off (figure 5).
        delay_s: the greatest delay of a slice (figure 6).
        load: fraction of the cell's blocks in use.
    """

    reward: Floats
    throughput_satisfaction: Floats
    delay_s: Floats
    load: Floats

    @classmethod
    def of(cls, periods: Sequence[Kpis]) -> Evaluation:
        """Return what periods measured."""
        return cls(
            reward=np.array([kpis.reward for kpis in periods]),
            throughput_satisfaction=np.array([kpis.throughput_satisfaction.min(axis=-1) for kpis in periods]),
            delay_s=np.array([kpis.delay_s.max(axis=-1) for kpis in periods]),
            load=np.array([kpis.cell_load for kpis in periods]),
        )


def acting(agents: Td3 | Sequence[Policy]) -> Controller:
    """Return the controller that agents, or one policy per cell, are without exploration.

    Raises:
        InputError: when it acts: there are not as many as cells, or they see or decide other numbers.
    """

    def act(env: SlicingEnv, last: Kpis) -> Floats:
        seen = observe(last, env.scenario, env.coordination)
        if isinstance(agents, Td3):
            return agents.act(seen)
        if len(agents) != env.agents:
            raise InputError(f"one policy per cell is required, {env.agents}, got {len(agents)}")
        shares = np.array([policy.act(row) for policy, row in zip(agents, seen, strict=True)])
        if shares.shape[1] != env.slices:
            raise InputError(f"a policy must decide {env.slices} shares, got {shares.shape[1]}")
        return shares

    return act


def evaluate(env: SlicingEnv, controller: Controller, steps: int, *, seed: int | None = None) -> Evaluation:
    """Return what a controller achieves.

    Args:
        env: the network.
        controller: who decides for all cells.
        steps: periods T.
        seed: of the episode that begins; None: the current one goes on, or one begins with the environment's seed.

    Raises:
        SettingError: steps below 1.
        InputError: the controller's shares are not on the simplex.
    """
    if steps < 1:
        raise SettingError(f"steps must be >= 1, got {steps}")
    if seed is not None or env.last_kpis is None:
        env.reset(seed)
    periods = []
    last = env.last_kpis
    assert last is not None
    for _ in range(steps):
        _, _, last = env.step(controller(env, last))
        periods.append(last)
    return Evaluation.of(periods)
