"""The network in NumPy, written to be read: what `netgraft.ran.compiled` is checked against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.coupling import ITERATIONS, coupled_load
from netgraft.ran.kpis import kpis_of
from netgraft.ran.links import ActiveUsers, active_links, active_users, band_of, count_users
from netgraft.ran.mobility import Users, active, move, place
from netgraft.ran.radio_map import radio_map
from netgraft.ran.scenario import Scenario
from netgraft.ran.traffic import mask_values

FloatArray = NDArray[np.float64]


class ReferenceNetwork:
    """State of a network in the period that is to be served.

    Attributes:
        step_index: number of the period.
        active: the active users.
        users: their number per cell and slice [K, N].
    """

    step_index: int
    active: ActiveUsers
    users: FloatArray

    def __init__(self, scenario: Scenario, seed: int) -> None:
        """Place the users.

        Args:
            scenario: what is simulated.
            seed: of users and traffic.
        """
        self.scenario = scenario
        self.area = radio_map(scenario).area_m
        self.reset(seed)

    @property
    def positions_m(self) -> FloatArray:
        """Where all users are, [U, 2]."""
        return np.stack([self._users.x, self._users.y], axis=1)

    def reset(self, seed: int) -> None:
        """Place the users anew at step 0."""
        self._seed = seed
        self._cell_load = np.zeros(self.scenario.cells)
        self._begin(place(self.scenario, self.area, seed), 0)

    def serve(self, shares: FloatArray, steps: int) -> FloatArray:
        """Serve periods with the same shares [K, N] and return the measures [8, steps, K, N]."""
        return np.stack([self._period(shares) for _ in range(steps)], axis=1)

    def _period(self, shares: FloatArray) -> FloatArray:
        """Serve one period, begin the next, and return the measures [8, K, N]."""
        links = active_links(self.scenario, self.active)
        load, need = coupled_load(links, band_of(self.scenario), shares, start=self._cell_load, iterations=ITERATIONS)
        self._cell_load = load.sum(axis=1)
        kpis = kpis_of(self.scenario, self.users, need, shares)
        step = self.step_index + 1
        self._begin(move(self._users, self.scenario, self.area, self._seed, step), step)
        return kpis.packed()

    def _begin(self, users: Users, step: int) -> None:
        """Take the users' state of a step and see who is active where."""
        self.step_index, self._users = step, users
        masks = mask_values(self.scenario, range(step, step + 1))[0]
        self.active = active_users(self.scenario, users.x, users.y, active(users, self.scenario, masks))
        self.users = count_users(self.scenario, self.active)
