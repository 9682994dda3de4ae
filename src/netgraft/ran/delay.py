"""Mean packet delay of a slice: processor sharing with a floor.

The users of a slice share its blocks as packets share a processor (M/G/1-PS, insensitive to the size's distribution):
with packets of L bits that arrive at rate q = demand / L, utilisation u = need / share and capacity C = q L / u, a
packet stays (L / C) / (1 - u) on average (Kleinrock 1976, volume 2, section 4.4), so that q times it, the mean number
in the slice, is u / (1 - u) (Little's law). Three departures: a floor for what does not depend on load; the utilisation
in the denominator stops below 1, because beyond it the excess is dropped (throughput falls) and does not queue; and no
packet is counted with more than the longest delay, so that a slice without blocks has a number. The queue is empty at
the start of each period; a backlog that carries over is left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def mean_delay(
    demand_bps: FloatArray,
    need: FloatArray,
    shares: FloatArray,
    *,
    packet_bits: float,
    floor_s: float,
    utilisation_max: float,
    longest_s: float,
) -> FloatArray:
    """Return the mean delay of a packet in seconds [...]; 0 where nothing is offered.

    Args:
        demand_bps: offered rate [...].
        need: fraction of the cell's blocks that would carry it [...].
        shares: fraction of the cell's blocks that the slice has [...].
        packet_bits: mean size of a packet.
        floor_s: delay without load.
        utilisation_max: where the denominator stops, < 1.
        longest_s: bound, such as the period.
    """
    offered = demand_bps > 0
    utilisation = np.divide(need, shares, out=np.full(np.shape(need), np.inf), where=shares > 0)
    service_s = np.divide(packet_bits * utilisation, demand_bps, out=np.zeros_like(utilisation), where=offered)
    delay_s = floor_s + service_s / (1 - np.minimum(utilisation, utilisation_max))
    return np.where(offered, np.minimum(delay_s, longest_s), 0.0)
