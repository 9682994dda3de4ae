"""What cells tell each other: each broadcasts the load of its slices, and hears something made of the others' loads.

`mean` is eq. (5) of Hu et al. 2022 with all other cells as neighbours. The others are ours: `none`, `all` (every
message as it is) and `coupled` (a mean in which a cell counts by how strongly it is received where one's users are).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SettingError, unknown_name
from netgraft.ran.radio_map import radio_map
from netgraft.ran.scenario import Scenario

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Coordination:
    """How many numbers a cell hears, and what they are.

    Attributes:
        size: numbers per cell.
        features: of loads [..., K, N] the numbers [..., K, size], each in [0, 1].
    """

    size: int
    features: Callable[[FloatArray], FloatArray]


def coordination(name: str, scenario: Scenario) -> Coordination:
    """Return a way to coordinate.

    Args:
        name: ``"mean"``, ``"none"``, ``"all"`` or ``"coupled"``.
        scenario: for its cells and, with ``"coupled"``, its radio map.

    Raises:
        SettingError: another name.
    """
    if name not in COORDINATIONS:
        raise SettingError(unknown_name("coordination", name, COORDINATIONS))
    return COORDINATIONS[name](scenario)


def neighbour_weights(scenario: Scenario) -> FloatArray:
    """Return how much of the other cells' interference at full load comes from each; [K, K], rows sum to one."""
    overlap = np.array(radio_map(scenario).cell_overlap, np.float64)
    np.fill_diagonal(overlap, 0.0)
    total = overlap.sum(axis=1, keepdims=True)
    return np.divide(overlap, total, out=np.zeros_like(overlap), where=total > 0)


def _none(scenario: Scenario) -> Coordination:
    """Hear nothing."""
    return Coordination(0, lambda load: np.zeros((*load.shape[:-1], 0)))


def _mean(scenario: Scenario) -> Coordination:
    """Hear the mean load of each slice over the other cells; 0 where there is no other."""
    others = max(scenario.cells - 1, 1)

    def features(load: FloatArray) -> FloatArray:
        return np.clip((load.sum(axis=-2, keepdims=True) - load) / others, 0.0, 1.0)

    return Coordination(scenario.slices, features)


def _all(scenario: Scenario) -> Coordination:
    """Hear the load of every slice of every other cell, in the order of cells."""
    cells = scenario.cells
    # [K, K - 1]: row k has all cells but k
    others = np.array([[j for j in range(cells) if j != k] for k in range(cells)], np.int64).reshape(cells, cells - 1)

    def features(load: FloatArray) -> FloatArray:
        # [..., K, K - 1, N] -> [..., K, (K - 1) N]
        return load[..., others, :].reshape(*load.shape[:-1], -1) if cells > 1 else load[..., :0]

    return Coordination((cells - 1) * scenario.slices, features)


def _coupled(scenario: Scenario) -> Coordination:
    """Hear the load of each slice over the other cells, weighted by their share of the interference at full load."""
    weights = neighbour_weights(scenario)

    def features(load: FloatArray) -> FloatArray:
        return np.clip(weights @ load, 0.0, 1.0)

    return Coordination(scenario.slices, features)


#: Ways to coordinate by name.
COORDINATIONS: dict[str, Callable[[Scenario], Coordination]] = {
    "mean": _mean,
    "none": _none,
    "all": _all,
    "coupled": _coupled,
}
