"""The network as compiled code, for one seed or for many at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.kernels import Rules, State, place_all, serve_all
from netgraft.ran.kpis import MEASURES
from netgraft.ran.links import ActiveUsers, gain_by_point, least_efficiency
from netgraft.ran.radio_map import radio_map
from netgraft.ran.randomness import seed_word
from netgraft.ran.rate import rate_curve
from netgraft.ran.scenario import Scenario
from netgraft.ran.traffic import mask_values

FloatArray = NDArray[np.float64]
#: Steps of which masks are computed at once.
_MASK_STEPS = 4096


class CompiledNetworks:
    """States of networks of one scenario in the period that is to be served, one network per seed.

    Attributes:
        step_index: number of the period, the same for all.
    """

    def __init__(self, scenario: Scenario, seeds: Sequence[int]) -> None:
        """Place the users.

        Args:
            scenario: what is simulated.
            seeds: of users and traffic, S of them.
        """
        self.scenario = scenario
        self.step_index = 0
        self._rules = rules_of(scenario)
        self._state = _empty_state(scenario, len(seeds))
        self._first_mask = 0
        self._masks = mask_values(scenario, _MASK_STEPS)
        self.reset(seeds)

    @property
    def users(self) -> FloatArray:
        """Active users per seed, cell and slice, [S, K, N]; the state itself, not a copy."""
        return self._state.counts

    @property
    def positions_m(self) -> FloatArray:
        """Where all users are, [S, U, 2]."""
        return np.stack([self._state.users[:, 0], self._state.users[:, 1]], axis=-1)

    def active(self, index: int) -> ActiveUsers:
        """Return the active users of one network."""
        point, cell, slice_index = self._state.active[index, :, : int(self._state.counts[index].sum())].copy()
        return ActiveUsers(point, cell, slice_index)

    def reset(self, seeds: Sequence[int]) -> None:
        """Place the users anew at step 0; as many seeds as before."""
        self.step_index = 0
        self._state.word[:] = [seed_word(seed) for seed in seeds]
        place_all(self._rules, self._state, self._mask_rows(0, 1)[0])

    def serve(self, shares: FloatArray, steps: int) -> FloatArray:
        """Serve periods with the same shares and return the measures [8, S, steps, K, N].

        Args:
            shares: [S, K, N], contiguous.
            steps: number of periods.
        """
        measures = np.empty((len(MEASURES), len(shares), steps, *shares.shape[1:]))
        masks = self._mask_rows(self.step_index + 1, steps)
        serve_all(self._rules, self._state, shares, masks, self.step_index, measures)
        self.step_index += steps
        return measures

    def _mask_rows(self, first: int, count: int) -> FloatArray:
        """Return the masks of steps from a first one, [count, N]."""
        start = first - self._first_mask
        if start < 0 or start + count > len(self._masks):
            self._first_mask, start = first, 0
            self._masks = mask_values(self.scenario, range(first, first + max(count, _MASK_STEPS)))
        return self._masks[start : start + count]


class CompiledNetwork:
    """One network; see `netgraft.ran.reference.ReferenceNetwork`."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        """Place the users.

        Args:
            scenario: what is simulated.
            seed: of users and traffic.
        """
        self._networks = CompiledNetworks(scenario, [seed])

    @property
    def step_index(self) -> int:
        """Number of the period."""
        return self._networks.step_index

    @property
    def active(self) -> ActiveUsers:
        """The active users."""
        return self._networks.active(0)

    @property
    def users(self) -> FloatArray:
        """Active users per cell and slice, [K, N]; the state itself, not a copy."""
        return self._networks.users[0]

    @property
    def positions_m(self) -> FloatArray:
        """Where all users are, [U, 2]."""
        return self._networks.positions_m[0]

    def reset(self, seed: int) -> None:
        """Place the users anew at step 0."""
        self._networks.reset([seed])

    def serve(self, shares: FloatArray, steps: int) -> FloatArray:
        """Serve periods with the same shares [K, N] and return the measures [8, steps, K, N]."""
        return self._networks.serve(shares[None], steps)[:, 0]


def rules_of(scenario: Scenario) -> Rules:
    """Return a scenario and its map as the kernels take them."""
    radio, curve = radio_map(scenario), rate_curve(scenario)
    return Rules(
        gain=gain_by_point(radio),
        serving=radio.serving.copy(),
        origin_x_m=radio.origin_m[0],
        origin_y_m=radio.origin_m[1],
        map_step_m=radio.step_m,
        area_m=radio.area_m,
        power_w=scenario.block_power_w,
        noise_w=scenario.block_noise_w,
        width_hz=scenario.usable_hz,
        sinr_min=curve.sinr_min,
        alpha=curve.alpha,
        efficiency_max=float(curve.efficiency_max),
        levels=curve.levels,
        efficiency_least=least_efficiency(scenario),
        target_bps=scenario.throughput_bps.copy(),
        straight=scenario.mobility == "direction",
        speed_min_mps=scenario.speed_min_mps,
        speed_spread_mps=scenario.speed_max_mps - scenario.speed_min_mps,
        turn_probability=scenario.step_s / scenario.heading_s,
        renew_probability=scenario.step_s / scenario.session_s,
        activity=scenario.activity,
        step_s=scenario.step_s,
        packet_bits=scenario.packet_bits,
        delay_floor_s=scenario.delay_floor_s,
        utilisation_max=scenario.utilisation_max,
    )


def _empty_state(scenario: Scenario, seeds: int) -> State:
    """Return arrays for the state of networks."""
    cells, users = scenario.cells, scenario.users
    return State(
        word=np.zeros(seeds, np.uint64),
        users=np.zeros((seeds, 8, users)),
        active=np.zeros((seeds, 3, users), np.int64),
        counts=np.zeros((seeds, cells, scenario.slices)),
        cell_load=np.zeros((seeds, cells)),
        own_w=np.empty(users),
        other_w=np.empty((cells, users)),
    )
