"""Many episodes of one scenario side by side, one per seed, in one call: each is that of `SlicingEnv` with its seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.errors import SettingError
from netgraft.ran.compiled import CompiledNetworks
from netgraft.ran.coordination import coordination as coordination_named
from netgraft.ran.episodes import checked_seed
from netgraft.ran.kpis import Kpis, unpacked
from netgraft.ran.observation import bounds, observation_size, observe
from netgraft.ran.presets import preset
from netgraft.ran.scenario import Scenario
from netgraft.ran.shares import checked_shares

FloatArray = NDArray[np.float64]
Observations = NDArray[np.float32]


class VectorSlicing:
    """All cells of S networks of one scenario; episodes have no end.

    Attributes:
        scenario: what is simulated.
        seeds: of the networks.
        coordination: among the cells of a network.
        observation_size: numbers an agent sees, D.
    """

    def __init__(self, scenario: Scenario | str, seeds: Sequence[int], *, coordination: str = "mean") -> None:
        """Place the users of every network.

        Args:
            scenario: itself, or the name of a preset.
            seeds: of users and traffic.
            coordination: see `netgraft.ran.coordination`.

        Raises:
            SettingError: an unknown preset or coordination, no seed, or one that is no whole number.
        """
        if not len(seeds):
            raise SettingError("seeds must be at least one, got none")
        self.scenario = preset(scenario) if isinstance(scenario, str) else scenario
        self.seeds = tuple(map(checked_seed, seeds))
        self.coordination = coordination_named(coordination, self.scenario)
        self.observation_size = observation_size(self.scenario, self.coordination)
        self._shape = (len(seeds), self.scenario.cells, self.scenario.slices)
        self._networks = CompiledNetworks(self.scenario, self.seeds)

    @property
    def users(self) -> FloatArray:
        """Active users of the period to be served, [S, K, N]."""
        return self._networks.users.copy()

    @property
    def demand_bps(self) -> FloatArray:
        """Rate that they offer, [S, K, N]."""
        return self._networks.users * self.scenario.throughput_bps

    def bounds(self) -> tuple[Observations, Observations]:
        """Return the least and the greatest observation; [D] each."""
        return bounds(self.scenario, self.coordination)

    def reset(self) -> Observations:
        """Begin the episodes of the seeds and return the first observations [S, K, D]."""
        self._networks.reset(self.seeds)
        equal = np.full(self._shape, 1 / self.scenario.slices)
        return observe(self._serve(equal), self.scenario, self.coordination)

    def step(self, shares: ArrayLike, *, checked: bool = True) -> tuple[Observations, FloatArray, Kpis]:
        """Serve a period and return observations [S, K, D], rewards [S, K] and the measures [S, K, N].

        Args:
            shares: of each slice in the cell's blocks [S, K, N].
            checked: whether to check that they are on the simplex.

        Raises:
            InputError: the shape is another, or a cell's shares are not on the simplex.
        """
        values = checked_shares(shares, self._shape) if checked else np.array(shares, np.float64, order="C")
        kpis = self._serve(values)
        return observe(kpis, self.scenario, self.coordination), kpis.reward, kpis

    def _serve(self, shares: FloatArray) -> Kpis:
        """Serve one period."""
        return unpacked(self.scenario, self._networks.serve(shares, 1)[:, :, 0])
