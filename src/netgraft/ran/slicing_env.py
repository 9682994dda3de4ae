"""The slicing problem as arrays of all cells: what training uses, and what the other forms are made of.

Order of a step: the shares serve the current period, whose measures give the reward; then users move and traffic
changes. So an agent decides period t from the measures of period t - 1, while `Simulator.demand_bps` and
`Simulator.users` already tell what period t will ask for: what reads them has perfect knowledge (the paper's baseline).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.errors import InputError, SettingError
from netgraft.ran.coordination import coordination as coordination_named
from netgraft.ran.kpis import Kpis
from netgraft.ran.observation import bounds, observation_size, observe
from netgraft.ran.presets import preset
from netgraft.ran.scenario import Scenario
from netgraft.ran.shares import checked_shares, equal_shares
from netgraft.ran.simulator import Simulator

FloatArray = NDArray[np.float64]
Observations = NDArray[np.float32]


class SlicingEnv:
    """All cells of a scenario, one agent each.

    Attributes:
        scenario: what is simulated.
        coordination: among the cells.
        simulator: with the state of the network.
        observation_size: numbers an agent sees, D.
        steps: length of an episode; None: it has no end.
        steps_left: until the end; None without one, and 0 before the first `reset`.
        last_kpis: measures of the last period; None before the first `reset`.
    """

    def __init__(
        self,
        scenario: Scenario | str = "paper",
        *,
        coordination: str = "mean",
        seed: int = 0,
        fast: bool = True,
        steps: int | None = None,
    ) -> None:
        """Build the network; `reset` begins the first episode.

        Args:
            scenario: itself, or the name of a preset.
            coordination: see `netgraft.ran.coordination`.
            seed: of the first episode's users and traffic.
            fast: compiled code, or the NumPy reference.
            steps: length of an episode.

        Raises:
            SettingError: an unknown preset or coordination, a length below 1, or a seed that is no whole number.
        """
        if steps is not None and steps < 1:
            raise SettingError(f"steps must be >= 1, got {steps}")
        self.scenario = preset(scenario) if isinstance(scenario, str) else scenario
        self.coordination = coordination_named(coordination, self.scenario)
        self.simulator = Simulator(self.scenario, seed=seed, fast=fast)
        self.observation_size = observation_size(self.scenario, self.coordination)
        self.steps = steps
        self.steps_left: int | None = 0
        self.last_kpis: Kpis | None = None
        self._shape = (self.scenario.cells, self.scenario.slices)

    @property
    def agents(self) -> int:
        """Number of agents: the cells, K."""
        return self.scenario.cells

    @property
    def slices(self) -> int:
        """Number of slices: numbers of an agent's action, N."""
        return self.scenario.slices

    def bounds(self) -> tuple[Observations, Observations]:
        """Return the least and the greatest observation; [D] each."""
        return bounds(self.scenario, self.coordination)

    def reset(self, seed: int | None = None) -> Observations:
        """Begin an episode and return the first observations [K, D], of one period under equal shares.

        Args:
            seed: of users and traffic; None: the first time that of the construction, then one derived from the last.

        Raises:
            SettingError: the seed is no whole number.
        """
        if seed is not None or self.last_kpis is not None:
            self.simulator.reset(seed)
        self.steps_left = self.steps
        self.last_kpis = self.simulator.step(equal_shares(self.scenario))
        return observe(self.last_kpis, self.scenario, self.coordination)

    def step(self, shares: ArrayLike, *, checked: bool = True) -> tuple[Observations, FloatArray, Kpis]:
        """Serve a period and return observations [K, D], rewards [K] and the measures.

        Args:
            shares: of each slice in the cell's blocks [K, N].
            checked: whether to check that they are on the simplex.

        Raises:
            InputError: `reset` was not called or the episode has ended; or a cell's shares are not on the simplex.
        """
        self.require_running()
        kpis = self.simulator.step(checked_shares(shares, self._shape) if checked else np.asarray(shares, np.float64))
        self.last_kpis = kpis
        if self.steps_left is not None:
            self.steps_left -= 1
        return observe(kpis, self.scenario, self.coordination), kpis.reward, kpis

    @property
    def measured(self) -> Kpis:
        """Measures of the last period.

        Raises:
            InputError: there is none before the first `reset`.
        """
        if self.last_kpis is None:
            raise InputError("reset is required, got a question for measures before the first reset")
        return self.last_kpis

    def require_running(self) -> None:
        """Do nothing while an episode runs.

        Raises:
            InputError: none was begun, or it has ended.
        """
        if self.steps_left == 0:
            came = "before the first reset" if self.last_kpis is None else f"after the last of {self.steps}"
            raise InputError(f"reset is required, got a step {came}")
