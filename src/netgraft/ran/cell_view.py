"""One cell of the network as an environment of Gymnasium; the others follow a given policy.

An agent that knows only boxes acts here: its action is N logits in [-1, 1], scaled and mapped to shares by a softmax,
so that every action is allowed and the zero action is the equal split.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from netgraft.errors import InputError, SettingError
from netgraft.ran.kpis import MEASURES, Kpis
from netgraft.ran.scenario import Scenario
from netgraft.ran.shares import as_numbers, equal_shares
from netgraft.ran.slicing_env import SlicingEnv

FloatArray = NDArray[np.float64]
#: Decides for all cells from the environment and the last period's measures; shares [K, N].
Policy = Callable[[SlicingEnv, Kpis], FloatArray]
#: Logits are actions times this: the greatest share of one slice among four is 0.993, the least 0.0008.
LOGIT_SCALE = 3.0


def cell_view(
    cell: int,
    others: Policy | str = "equal",
    preset: str | Scenario = "paper",
    *,
    seed: int = 0,
    steps: int = 1000,
    coordination: str = "mean",
    logit_scale: float = LOGIT_SCALE,
) -> CellView:
    """Return the environment of one cell.

    Args:
        cell: its number from 0.
        others: what the other cells do: a policy for all cells, whose row of this cell is ignored, or ``"equal"``.
        preset: a scenario or the name of one.
        seed: of the first episode.
        steps: after which an episode is truncated.
        coordination: see `netgraft.ran.coordination`.
        logit_scale: shares are ``softmax(logit_scale * action)``.

    Raises:
        SettingError: no such cell, policy, preset or coordination; steps below 1 or a scale that is not > 0.
    """
    env = SlicingEnv(preset, coordination=coordination, seed=seed, steps=steps)
    if not 0 <= cell < env.agents:
        raise SettingError(f"cell must be 0 to {env.agents - 1}, got {cell}")
    if isinstance(others, str) and others != "equal":
        raise SettingError(f"others must be 'equal' or a callable, got {others!r}")
    if not 0 < logit_scale < np.inf:
        raise SettingError(f"logit_scale must be > 0, got {logit_scale}")
    return CellView(env, cell, _equal if isinstance(others, str) else others, logit_scale)


class CellView(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A cell of a `SlicingEnv` with an end; ``kpis`` of an info are the cell's measures [N] by name, its shares too."""

    def __init__(self, env: SlicingEnv, cell: int, others: Policy, logit_scale: float = LOGIT_SCALE) -> None:
        """See `cell_view`."""
        self.env = env
        self.cell = cell
        self.others = others
        self.logit_scale = logit_scale
        low, high = env.bounds()
        self.observation_space = Box(low, high, dtype=np.float32)
        self.action_space = Box(-1.0, 1.0, (env.slices,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode and return observation [D] and info; no option is known."""
        super().reset(seed=seed)
        observations = self.env.reset(seed)
        return observations[self.cell].copy(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Serve a period and return observation [D], reward, terminated, truncated and info.

        Args:
            action: logits [N] in [-1, 1].

        Raises:
            InputError: `reset` is due, the action is no such array, or the others' shares are not on the simplex.
        """
        self.env.require_running()
        own = self.shares_of(action)
        shares = np.array(self.others(self.env, self.env.measured), np.float64)
        shares[self.cell] = own
        observations, rewards, _ = self.env.step(shares)
        ended = self.env.steps_left == 0
        return observations[self.cell].copy(), float(rewards[self.cell]), False, ended, self._info()

    def shares_of(self, action: NDArray[np.floating]) -> FloatArray:
        """Return the shares [N] of an action.

        Args:
            action: logits [N]; those outside [-1, 1] are clipped.

        Raises:
            InputError: no numbers, another shape, or a number is not finite.
        """
        logits = as_numbers(action)
        if logits.shape != self.action_space.shape or not np.isfinite(logits).all():
            came = logits.tolist()
            raise InputError(f"the action of cell {self.cell} must be {self.env.slices} finite numbers, got {came}")
        weights = np.exp(self.logit_scale * np.clip(logits, -1, 1))
        return np.asarray(weights / weights.sum())

    def _info(self) -> dict[str, Any]:
        """Return the cell's measures of the last period."""
        kpis = self.env.measured
        return {"kpis": {name: getattr(kpis, name)[self.cell].copy() for name in MEASURES}}


def _equal(env: SlicingEnv, kpis: Kpis) -> FloatArray:
    """Return the equal split."""
    return equal_shares(env.scenario)
