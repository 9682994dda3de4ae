"""Shares without learning: what agents are judged by.

A controller is a function of the environment and of the last period's measures that returns shares [K, N]. From least
to most knowledge: `equal` knows nothing; `causal` knows what the last period asked for, as agents do; `proportional`
knows what the coming period asks for (the baseline of Hu et al. 2022, section V: "perfect information about per-cell
per-slice traffic demands"); `oracle` knows besides how many blocks that takes and what eq. (2) rewards: no learner sees
that, it is there to tell how much is left to gain.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SettingError, unknown_name
from netgraft.ran import Kpis, Scenario, SlicingEnv

Floats = NDArray[np.float64]
Controller = Callable[[SlicingEnv, Kpis], Floats]
#: Rounds in which the oracle's shares and the interference they cause are made to agree.
_ROUNDS = 3
#: Halvings of the interval in which the greatest common reward lies.
_HALVINGS = 30


def equal(env: SlicingEnv, last: Kpis) -> Floats:
    """Return the same share for every slice."""
    return np.full((env.agents, env.slices), 1 / env.slices)


def proportional(env: SlicingEnv, last: Kpis) -> Floats:
    """Return shares in proportion to what each slice asks for in the coming period; equal ones where none asks."""
    return _in_proportion(env.simulator.demand_bps)


def causal(env: SlicingEnv, last: Kpis) -> Floats:
    """Return shares in proportion to what each slice asked for in the last period; equal ones where none asked."""
    return _in_proportion(last.demand_bps)


def oracle(env: SlicingEnv, last: Kpis) -> Floats:
    """Return the shares that make each cell's reward in the coming period greatest, given the others' interference.

    Every cell looks after itself: that it could do others a favour by sending less is left out.
    """
    load = last.cell_load
    for _ in range(_ROUNDS):
        need = env.simulator.need(load)
        shares = _fairest(env.scenario, need, env.simulator.demand_bps)
        load = np.minimum(shares, need).sum(axis=1)
    return shares


def with_floor(controller: Controller, floor: float) -> Controller:
    """Return a controller that gives every slice at least a share, and the rest as another controller does.

    Raises:
        SettingError: the floor is outside [0, 1).
    """
    if not 0 <= floor < 1:
        raise SettingError(f"floor must be in [0, 1), got {floor}")

    def floored(env: SlicingEnv, last: Kpis) -> Floats:
        least = min(floor, 1 / env.slices)
        return least + (1 - env.slices * least) * controller(env, last)

    return floored


#: Controllers by name.
BASELINES: dict[str, Controller] = {"equal": equal, "proportional": proportional, "causal": causal, "oracle": oracle}


def baseline(name: str) -> Controller:
    """Return the controller of a name.

    Raises:
        SettingError: no baseline has the name.
    """
    if name not in BASELINES:
        raise SettingError(unknown_name("a baseline", name, BASELINES))
    return BASELINES[name]


def _in_proportion(amounts: Floats) -> Floats:
    """Return amounts [K, N] scaled to sum 1 in each cell, equal ones where all are 0."""
    total = amounts.sum(axis=1, keepdims=True)
    return np.where(total > 0, amounts / np.where(total > 0, total, 1), 1 / amounts.shape[1])


def _fairest(scenario: Scenario, need: Floats, demand_bps: Floats) -> Floats:
    """Return shares [K, N] with which the least satisfaction of a cell is greatest; what is left over is spread.

    The share that a satisfaction takes grows with it, so the greatest one that all slices of a cell can have is found
    by halving an interval (max-min fairness).
    """
    low, high = np.zeros(len(need)), np.ones(len(need))
    fits = _required(scenario, need, demand_bps, high).sum(axis=1) <= 1
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        small = _required(scenario, need, demand_bps, middle).sum(axis=1) <= 1
        low, high = np.where(small, middle, low), np.where(small, high, middle)
    return _in_proportion(_required(scenario, need, demand_bps, np.where(fits, 1.0, low)))


def _required(scenario: Scenario, need: Floats, demand_bps: Floats, satisfaction: Floats) -> Floats:
    """Return the shares [K, N] that give every slice with users a satisfaction [K], in throughput and in delay.

    The delay of `netgraft.ran.delay` is solved for the utilisation need / share: with x the packets that arrive in the
    time that queueing and sending may take, it is x / (1 + x), or x (1 - u) where that is beyond the bound u.
    """
    wanted = np.maximum(satisfaction, 1e-9)[:, None]
    spare_s = np.maximum(scenario.delay_s / wanted - scenario.delay_floor_s, 0)
    x = demand_bps / scenario.packet_bits * spare_s
    utilisation = np.where(x / (1 + x) <= scenario.utilisation_max, x / (1 + x), x * (1 - scenario.utilisation_max))
    slowest = np.divide(need, utilisation, out=np.full_like(need, np.inf), where=utilisation > 0)
    return np.where(demand_bps > 0, np.maximum(wanted * need, slowest), 0.0)
