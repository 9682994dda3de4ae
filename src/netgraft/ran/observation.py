"""What an agent sees of the last period: local measures and what the other cells tell (Hu et al. 2022, section IV-A).

Per cell, D = 3N + size numbers, float32, in this order:

1. throughput of each slice, the mean of its users, in Mb/s: raw, not divided by the target, because the target is what
   the agents' tasks differ in;
2. load of each slice, the fraction of the cell's blocks it used;
3. active users of each slice, in units of a slice's mean number in a cell under full traffic (mask 1);
4. what `netgraft.ran.coordination` gives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.coordination import Coordination
from netgraft.ran.kpis import Kpis
from netgraft.ran.scenario import Scenario

MEGA = 1e6


def observation_size(scenario: Scenario, coordination: Coordination) -> int:
    """Return D."""
    return 3 * scenario.slices + coordination.size


def usual_users(scenario: Scenario) -> float:
    """Return the mean number of active users of a slice in a cell under full traffic."""
    return scenario.users / (scenario.slices * scenario.cells) * scenario.activity


def observe(kpis: Kpis, scenario: Scenario, coordination: Coordination) -> NDArray[np.float32]:
    """Return what each agent sees; [..., K, D].

    Args:
        kpis: of the last period, or of many.
        scenario: they belong to.
        coordination: among its cells.
    """
    slices = scenario.slices
    seen = np.empty((*kpis.load.shape[:-1], observation_size(scenario, coordination)), np.float32)
    seen[..., :slices] = kpis.throughput_bps / MEGA
    seen[..., slices : 2 * slices] = kpis.load
    seen[..., 2 * slices : 3 * slices] = kpis.users / usual_users(scenario)
    seen[..., 3 * slices :] = coordination.features(kpis.load)
    return seen


def bounds(scenario: Scenario, coordination: Coordination) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the least and the greatest value of each number, the same for all cells; [D] each."""
    slices = scenario.slices
    most_users = scenario.users / slices / usual_users(scenario)
    high = np.ones(observation_size(scenario, coordination), np.float32)
    high[:slices] = scenario.throughput_bps.max(axis=0) / MEGA
    high[2 * slices : 3 * slices] = most_users
    return np.zeros_like(high), high
