"""The simulator: shares of the current period in, measures out, and the network moves on.

A period (a step) is served as a whole: users stand still, interference settles (`netgraft.ran.coupling`), each slice
gets what its share carries. Then users move and the traffic masks change. Nothing is carried over but the users'
state and the loads from which the next period's coupling starts. Random numbers come by counter from the seed, so the
same seed and shares give the same episode bit for bit on one machine, whichever form computes it: the users' ways and
activity are the same numbers, measures of compiled code and of the NumPy reference agree to 1e-9 of their value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.errors import InputError, SettingError
from netgraft.ran.compiled import CompiledNetwork
from netgraft.ran.coupling import Links, need_of
from netgraft.ran.episodes import checked_seed, next_seed
from netgraft.ran.kpis import Kpis, unpacked
from netgraft.ran.links import active_links, band_of
from netgraft.ran.radio_map import radio_map
from netgraft.ran.reference import ReferenceNetwork
from netgraft.ran.scenario import Scenario

FloatArray = NDArray[np.float64]


class Simulator:
    """A network of sliced cells; it has no end.

    What its properties tell holds for the period that the next `step` serves.

    Attributes:
        scenario: what is simulated.
        seed: of the current episode's users and traffic.
    """

    def __init__(self, scenario: Scenario, *, seed: int = 0, fast: bool = True) -> None:
        """Place the users; the first period is ready to be served.

        Args:
            scenario: what is simulated.
            seed: of users and traffic.
            fast: compiled code, or the NumPy reference.

        Raises:
            SettingError: the seed is no whole number.
        """
        self.scenario = scenario
        self.seed = seed = checked_seed(seed)
        self._shape = (scenario.cells, scenario.slices)
        self._network: CompiledNetwork | ReferenceNetwork = (
            CompiledNetwork(scenario, seed) if fast else ReferenceNetwork(scenario, seed)
        )
        self._links: tuple[int, Links] | None = None

    @property
    def step_index(self) -> int:
        """Number of the period, from 0."""
        return self._network.step_index

    @property
    def users(self) -> FloatArray:
        """Active users per cell and slice, [K, N]."""
        return self._network.users.copy()

    @property
    def demand_bps(self) -> FloatArray:
        """Rate that the active users offer, [K, N]: every one its slice's target."""
        return self._network.users * self.scenario.throughput_bps

    @property
    def positions(self) -> FloatArray:
        """Where all users are, x and y in metres, [U, 2]."""
        return self._network.positions_m

    @property
    def serving(self) -> NDArray[np.int64]:
        """Cell that serves each user, active or not, [U]."""
        radio = radio_map(self.scenario)
        return radio.serving[radio.nearest(*self.positions.T)].astype(np.int64)

    def need(self, load: ArrayLike) -> FloatArray:
        """Return the fraction of its cell's blocks that each slice needs if the cells interfere with these loads.

        Args:
            load: of the cells [K].

        Returns:
            [K, N]; may exceed 1.

        Raises:
            InputError: the loads are not [K].
        """
        cell_load = np.asarray(load, np.float64)
        if cell_load.shape != self._shape[:1]:
            raise InputError(f"load must be an array of shape {self._shape[:1]}, got shape {cell_load.shape}")
        if self._links is None or self._links[0] != self.step_index:
            self._links = self.step_index, active_links(self.scenario, self._network.active)
        return need_of(self._links[1], band_of(self.scenario), cell_load, self.scenario.slices)

    def reset(self, seed: int | None = None) -> None:
        """Place the users anew, at step 0.

        Args:
            seed: of users and traffic; None: one derived from the last.

        Raises:
            SettingError: the seed is no whole number.
        """
        self.seed = next_seed(self.seed) if seed is None else checked_seed(seed)
        self._links = None
        self._network.reset(self.seed)

    def step(self, shares: ArrayLike) -> Kpis:
        """Serve the current period, move on to the next and return what was measured; arrays [K, N].

        Args:
            shares: of each slice in the cell's blocks [K, N]; on the simplex, which is not checked here.

        Raises:
            InputError: the shape is another.
        """
        return unpacked(self.scenario, self._network.serve(self._array(shares), 1)[:, 0])

    def run(self, shares: ArrayLike, steps: int) -> Kpis:
        """Serve periods with the same shares and return what was measured; arrays [steps, K, N].

        Args:
            shares: as `step` takes them.
            steps: number of periods.

        Raises:
            InputError: the shape is another.
            SettingError: steps below 1.
        """
        if steps < 1:
            raise SettingError(f"steps must be >= 1, got {steps}")
        return unpacked(self.scenario, self._network.serve(self._array(shares), steps))

    def _array(self, shares: ArrayLike) -> FloatArray:
        """Return shares as the networks take them: a copy, because code is compiled anew for what cannot be written."""
        values = np.array(shares, np.float64, order="C")
        if values.shape != self._shape:
            raise InputError(f"shares must be an array of shape {self._shape}, got shape {values.shape}")
        return values
