"""What a moving user can download: the rate that the blocks its slice leaves unused would give it.

In each period the user stands where the simulator has it, is served by the cell that is strongest there, and gets the
blocks of its slice's share that the slice's active users do not need,

    rate_t = (share_{k,n} - load_{k,n}) W c(SINR_t),

with the interference of the other cells' loads as in `netgraft.ran.coupling`. What the download itself adds to the load
of its cell, and so to the interference of others, is left out: it is one user among many, and it comes last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.errors import SettingError
from netgraft.ran.links import band_of, gain_by_point
from netgraft.ran.radio_map import radio_map
from netgraft.ran.simulator import Simulator


def user_rates(simulator: Simulator, shares: ArrayLike, *, user: int, steps: int) -> NDArray[np.float64]:
    """Serve periods and return what one user could download in each, in bits per second; [steps].

    ``scenario.step_s`` is the length of a period. The simulator moves on by the steps.

    Args:
        simulator: where it stands.
        shares: of each slice in the cells' blocks [K, N], the same in all periods.
        user: its number, from 0; users of a slice follow each other.
        steps: periods, at least one.

    Raises:
        SettingError: there is no such user, or no step.
        InputError: the shape of the shares is another.
    """
    scenario = simulator.scenario
    if not 0 <= user < scenario.users:
        raise SettingError(f"user must be a number from 0 to {scenario.users - 1}, got {user}")
    if steps < 1:
        raise SettingError(f"steps must be >= 1, got {steps}")
    band, radio, gain = band_of(scenario), radio_map(scenario), gain_by_point(radio_map(scenario))
    own_slice = user // (scenario.users // scenario.slices)
    rates = np.empty(steps)
    for step in range(steps):
        row, column = radio.nearest(*simulator.positions[user, :, None])
        cell = int(radio.serving[row, column][0])
        received_w = gain[row[0] * radio.serving.shape[1] + column[0]].astype(np.float64) * scenario.block_power_w
        kpis = simulator.step(shares)
        load = kpis.cell_load
        others_w = received_w @ load - received_w[cell] * load[cell]
        efficiency = band.efficiency(np.array([received_w[cell] / (others_w + band.noise_w)]))[0]
        unused = max(0.0, float(kpis.shares[cell, own_slice] - kpis.load[cell, own_slice]))
        rates[step] = unused * band.width_hz * efficiency
    return rates
