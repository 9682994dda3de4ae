"""What is measured of a period: per cell and slice, from the users, the blocks they need and the shares they got.

Within a slice every user is served the same fraction of what it offers, min(1, share / need): blocks go to users in
proportion to what they need.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.delay import mean_delay
from netgraft.ran.reward import delay_satisfaction, reward_of, throughput_satisfaction
from netgraft.ran.scenario import Scenario

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Kpis:
    """Measures of one period, or of many with a leading axis: float64 [..., K, N]; arrays are read-only by custom.

    Attributes:
        throughput_bps: mean of the slice's active users; the target where it has none.
        delay_s: mean of the slice's packets; 0 where it has no user.
        load: blocks used, as a fraction of the cell's; never more than the share.
        users: active users.
        demand_bps: rate that the users offer together.
        need: fraction of the cell's blocks that would carry all of it under this period's interference; may exceed 1.
        spectral_efficiency: harmonic mean over the demand in b/s/Hz; 0 where the slice has no user.
        shares: the action.
        throughput_target_bps: of the slice in the cell [K, N].
        delay_target_s: of the slice in the cell [K, N].
    """

    throughput_bps: FloatArray
    delay_s: FloatArray
    load: FloatArray
    users: FloatArray
    demand_bps: FloatArray
    need: FloatArray
    spectral_efficiency: FloatArray
    shares: FloatArray
    throughput_target_bps: FloatArray
    delay_target_s: FloatArray

    @cached_property
    def cell_load(self) -> FloatArray:
        """Blocks used by all slices, as a fraction of the cell's; [..., K]."""
        return self.load.sum(axis=-1)

    @cached_property
    def throughput_satisfaction(self) -> FloatArray:
        """min(1, throughput / target); [..., K, N]."""
        return throughput_satisfaction(self.throughput_bps, self.throughput_target_bps)

    @cached_property
    def delay_satisfaction(self) -> FloatArray:
        """min(1, target / delay); [..., K, N]."""
        return delay_satisfaction(self.delay_s, self.delay_target_s)

    @cached_property
    def reward(self) -> FloatArray:
        """Eq. (2): the least satisfaction of the slices with users; [..., K]."""
        return reward_of(
            self.throughput_bps,
            self.delay_s,
            self.users,
            throughput_target_bps=self.throughput_target_bps,
            delay_target_s=self.delay_target_s,
        )

    def at(self, index: int) -> Self:
        """Return the measures at an index of the leading axis."""
        arrays = {name: getattr(self, name)[index] for name in MEASURES}
        return type(self)(
            **arrays, throughput_target_bps=self.throughput_target_bps, delay_target_s=self.delay_target_s
        )

    def packed(self) -> FloatArray:
        """Return the measures in one array [8, ..., K, N], in the order of `MEASURES`."""
        return np.stack([getattr(self, name) for name in MEASURES])


#: The arrays [..., K, N], in the order in which they are packed into one.
MEASURES = tuple(field.name for field in fields(Kpis))[:8]


def unpacked(scenario: Scenario, arrays: FloatArray) -> Kpis:
    """Return the measures in an array [8, ..., K, N], without a copy."""
    named = dict(zip(MEASURES, arrays, strict=True))
    return Kpis(**named, throughput_target_bps=scenario.throughput_bps, delay_target_s=scenario.delay_s)


def kpis_of(scenario: Scenario, users: FloatArray, need: FloatArray, shares: FloatArray) -> Kpis:
    """Return the measures of a period.

    Args:
        scenario: for targets, band and packets.
        users: active users [..., K, N].
        need: fraction of the cell's blocks that would serve them wholly [..., K, N].
        shares: fraction of the cell's blocks [..., K, N].
    """
    target_bps = scenario.throughput_bps
    demand_bps = users * target_bps
    served = np.minimum(1.0, np.divide(shares, need, out=np.ones_like(need), where=need > 0))
    carried = need * scenario.usable_hz
    return Kpis(
        throughput_bps=target_bps * served,
        delay_s=mean_delay(
            demand_bps,
            need,
            shares,
            packet_bits=scenario.packet_bits,
            floor_s=scenario.delay_floor_s,
            utilisation_max=scenario.utilisation_max,
            longest_s=scenario.step_s,
        ),
        load=np.minimum(shares, need),
        users=users,
        demand_bps=demand_bps,
        need=need,
        spectral_efficiency=np.divide(demand_bps, carried, out=np.zeros_like(need), where=need > 0),
        shares=shares,
        throughput_target_bps=target_bps,
        delay_target_s=scenario.delay_s,
    )
