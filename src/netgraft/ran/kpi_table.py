"""What happened in the network as a table: one row per cell and step, columns that a model can learn from.

Known before the period (inputs): ``cell``, ``site``, ``group``, ``step``, and per slice ``mask_<slice>``,
``users_<slice>``, ``demand_mbps_<slice>``, ``share_<slice>``, ``last_load_<slice>`` (the cell's load in the period
before) and ``neighbour_load_<slice>`` (eq. 5: the mean of the other cells' in the period before).

Known after it (outcomes): per slice ``throughput_mbps_<slice>``, ``delay_ms_<slice>``, ``load_<slice>``, and
``cell_load`` and ``reward``. They tell of each other: who predicts one must leave out all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SettingError
from netgraft.ran.cell_view import Policy
from netgraft.ran.coordination import coordination
from netgraft.ran.kpis import Kpis
from netgraft.ran.layout import cell_sites
from netgraft.ran.scenario import Scenario
from netgraft.ran.shares import equal_shares
from netgraft.ran.slicing_env import SlicingEnv
from netgraft.ran.traffic import mask_values
from netgraft.seeds import generator

FloatArray = NDArray[np.float64]
#: Periods for which random shares stay, and the concentration of the Dirichlet distribution they come from.
HELD_STEPS = 5
CONCENTRATION = 2.0
_MEGA = 1e6
_MILLI = 1e-3


def kpi_table(
    scenario: Scenario, *, seed: int = 0, steps: int = 1000, shares: Policy | str = "random", fast: bool = True
) -> dict[str, NDArray[Any]]:
    """Return the table of an episode, in the order of steps, then cells: columns [steps x K].

    Args:
        scenario: what is simulated.
        seed: of users, traffic and random shares.
        steps: periods, after a first one under equal shares that is not in the table.
        shares: ``"random"``: each cell draws shares anew every few periods, so that their effect can be learnt;
            ``"equal"``: always the same, which no model can learn from; or a policy.
        fast: compiled code, or the NumPy reference.

    Raises:
        SettingError: steps below 1 or no such policy.
        InputError: the policy's shares are not on the simplex.
    """
    if not callable(shares) and shares not in POLICIES:
        raise SettingError(f"shares must be {' or '.join(map(repr, POLICIES))} or a callable, got {shares!r}")
    policy = POLICIES[shares](scenario, seed) if isinstance(shares, str) else shares
    env = SlicingEnv(scenario, seed=seed, fast=fast, steps=steps)
    env.reset()
    first = env.simulator.step_index
    periods = [env.measured]
    for _ in range(steps):
        periods.append(env.step(policy(env, periods[-1]))[2])
    return _places(scenario, first, steps) | _measures(scenario, periods) | _outcomes(scenario, periods[1:])


def outcome_columns(scenario: Scenario) -> tuple[str, ...]:
    """Return the names of the columns that are known only after the period."""
    slices = scenario.slice_names
    named = (f"{what}_{name}" for what in ("throughput_mbps", "delay_ms", "load") for name in slices)
    return (*named, "cell_load", "reward")


def _places(scenario: Scenario, first: int, steps: int) -> dict[str, NDArray[Any]]:
    """Return where and when: whole numbers, and the masks."""
    cells = np.arange(scenario.cells)
    masks = np.repeat(mask_values(scenario, range(first, first + steps)), scenario.cells, axis=0)
    return {
        "cell": np.tile(cells, steps),
        "site": np.tile(cell_sites(scenario), steps),
        "group": np.tile(scenario.group_of_cell, steps),
        "step": np.repeat(np.arange(first, first + steps), scenario.cells),
    } | {f"mask_{name}": masks[:, n] for n, name in enumerate(scenario.slice_names)}


def _measures(scenario: Scenario, periods: list[Kpis]) -> dict[str, NDArray[Any]]:
    """Return the inputs; the first period only gives the loads that the second begins with."""
    loads = np.stack([kpis.load for kpis in periods[:-1]])
    neighbour = coordination("mean", scenario).features(loads)
    now = periods[1:]
    return (
        _by_slice(scenario, "users", np.stack([kpis.users for kpis in now]))
        | _by_slice(scenario, "demand_mbps", np.stack([kpis.demand_bps for kpis in now]) / _MEGA)
        | _by_slice(scenario, "share", np.stack([kpis.shares for kpis in now]))
        | _by_slice(scenario, "last_load", loads)
        | _by_slice(scenario, "neighbour_load", neighbour)
    )


def _outcomes(scenario: Scenario, periods: list[Kpis]) -> dict[str, NDArray[Any]]:
    """Return what the period brought."""
    return (
        _by_slice(scenario, "throughput_mbps", np.stack([kpis.throughput_bps for kpis in periods]) / _MEGA)
        | _by_slice(scenario, "delay_ms", np.stack([kpis.delay_s for kpis in periods]) / _MILLI)
        | _by_slice(scenario, "load", np.stack([kpis.load for kpis in periods]))
        | {name: np.concatenate([getattr(kpis, name) for kpis in periods]) for name in ("cell_load", "reward")}
    )


def _by_slice(scenario: Scenario, what: str, values: FloatArray) -> dict[str, FloatArray]:
    """Return a column for each slice of values [steps, K, N]."""
    rows = values.reshape(-1, scenario.slices)  # [steps K, N]
    return {f"{what}_{name}": rows[:, n].copy() for n, name in enumerate(scenario.slice_names)}


def _random(scenario: Scenario, seed: int) -> Policy:
    """Return a policy that draws the shares of every cell anew every few periods."""
    drawing = generator(seed, "shares")
    held = equal_shares(scenario)
    due = 0

    def shares(env: SlicingEnv, kpis: Kpis) -> FloatArray:
        nonlocal held, due
        if due == 0:
            held = drawing.dirichlet(np.full(scenario.slices, CONCENTRATION), scenario.cells)
        due = (due + 1) % HELD_STEPS
        return held

    return shares


def _equal(scenario: Scenario, seed: int) -> Policy:
    """Return the policy of the default action."""
    return lambda env, kpis: equal_shares(scenario)


POLICIES: dict[str, Callable[[Scenario, int], Policy]] = {"random": _random, "equal": _equal}
