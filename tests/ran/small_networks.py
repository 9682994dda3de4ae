"""Scenarios that are simulated in no time: few cells, few users, a coarse map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from netgraft.ran import Scenario, preset
from netgraft.ran.slices import Slice, SliceGroup

SMALL = replace(preset("three"), map_step_m=25.0, users_per_slice=12, activity=0.5)
TWELVE = replace(preset("paper"), map_step_m=25.0)


def small(**changes: Any) -> Scenario:
    """Return three cells and 144 users, half of them active at full traffic."""
    return replace(SMALL, **changes)


def one_cell(**changes: Any) -> Scenario:
    """Return one cell with one slice of four users who are always active."""
    masks = replace(SMALL.masks, low=1.0, phases=None)
    group = SliceGroup((0,), (Slice("only", 2e6, 1e-3),))
    fixed = {"groups": (group,), "sites": 1, "sectors": 1, "users_per_slice": 4, "activity": 1.0, "masks": masks}
    return replace(SMALL, **{**fixed, **changes})


def random_shares(scenario: Scenario, seed: int, steps: int = 1) -> np.ndarray:
    """Return shares [steps, K, N] drawn evenly from the simplex."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(scenario.slices), (steps, scenario.cells))
