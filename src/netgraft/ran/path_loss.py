"""Mean path loss and the probability of line of sight, by the models of the standards.

Distances are horizontal, in metres, and at least 10; the carrier is in GHz inside formulas, as in the standards.

- ``winner-c2``: WINNER II D1.1.2, table 4-4, C2 (urban macro cell); WINNER+ has the same terms for these heights.
- ``uma``, ``umi``: 3GPP TR 38.901, tables 7.4.1-1 and 7.4.2-1. Its effective environment height is 1 m, which is exact
  for users below 13 m.

Left out: losses into buildings by material, the dependence of UMi's height on the street.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.scenario import Scenario

LIGHT_MPS = 299_792_458.0
MIN_DISTANCE_M = 10.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """Loss and spread of the shadowing in one state, with or without line of sight, in the distances' shape."""

    loss_db: Floats
    shadowing_std_db: Floats


@dataclass(frozen=True)
class PathLoss:
    """What a model says of distances.

    Attributes:
        sight: state with line of sight.
        no_sight: state without.
        probability: of line of sight, in [0, 1].
    """

    sight: State
    no_sight: State
    probability: Floats


def path_loss(scenario: Scenario, distance_m: Floats) -> PathLoss:
    """Return what the scenario's model says of horizontal distances, of any shape."""
    return _MODELS[scenario.path_loss](scenario, np.maximum(distance_m, MIN_DISTANCE_M))


def breakpoint_m(scenario: Scenario) -> float:
    """Return the distance at which the slope changes with line of sight: 4 h'_BS h'_MS f / c, heights less 1 m."""
    heights = (scenario.bs_height_m - 1) * (scenario.user_height_m - 1)
    return 4 * heights * scenario.carrier_hz / LIGHT_MPS


def _winner_c2(scenario: Scenario, distance_m: Floats) -> PathLoss:
    logs, carrier = np.log10(distance_m), np.log10(scenario.carrier_hz / 5e9)
    near = 26 * logs + 39 + 20 * carrier
    heights = np.log10(scenario.bs_height_m - 1) + np.log10(scenario.user_height_m - 1)
    far = 40 * logs + 13.47 - 14 * heights + 6 * carrier
    beyond = distance_m > breakpoint_m(scenario)
    height = np.log10(scenario.bs_height_m)
    blocked = (44.9 - 6.55 * height) * logs + 34.46 + 5.83 * height + 23 * carrier
    sight = State(np.where(beyond, far, near), np.where(beyond, 6.0, 4.0))
    return PathLoss(sight, State(blocked, np.full_like(logs, 8.0)), _sight_probability(distance_m, 63))


def _uma(scenario: Scenario, distance_m: Floats) -> PathLoss:
    sight, slant = _two_slopes(scenario, distance_m, (28.0, 22.0, 9.0))
    height = 0.6 * (scenario.user_height_m - 1.5)
    blocked = 13.54 + 39.08 * np.log10(slant) + 20 * np.log10(scenario.carrier_hz / 1e9) - height
    no_sight = State(np.maximum(sight, blocked), np.full_like(slant, 6.0))
    return PathLoss(State(sight, np.full_like(slant, 4.0)), no_sight, _sight_probability(distance_m, 63))


def _umi(scenario: Scenario, distance_m: Floats) -> PathLoss:
    sight, slant = _two_slopes(scenario, distance_m, (32.4, 21.0, 9.5))
    height = 0.3 * (scenario.user_height_m - 1.5)
    blocked = 22.4 + 35.3 * np.log10(slant) + 21.3 * np.log10(scenario.carrier_hz / 1e9) - height
    no_sight = State(np.maximum(sight, blocked), np.full_like(slant, 7.82))
    return PathLoss(State(sight, np.full_like(slant, 4.0)), no_sight, _sight_probability(distance_m, 36))


def _two_slopes(scenario: Scenario, distance_m: Floats, terms: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Return the loss with line of sight of TR 38.901 and the slant distance.

    Args:
        scenario: heights and carrier.
        distance_m: horizontal.
        terms: constant, slope before the breakpoint, and factor of the heights beyond it.
    """
    constant, slope, factor = terms
    rise = scenario.bs_height_m - scenario.user_height_m
    slant, carrier = np.sqrt(distance_m**2 + rise**2), 20 * np.log10(scenario.carrier_hz / 1e9)
    near = constant + slope * np.log10(slant) + carrier
    bend = breakpoint_m(scenario)
    far = constant + 40 * np.log10(slant) + carrier - factor * np.log10(bend**2 + rise**2)
    return np.where(distance_m > bend, far, near), slant


def _sight_probability(distance_m: Floats, decay_m: float) -> Floats:
    near = np.minimum(18 / distance_m, 1)
    return near + (1 - near) * np.exp(-distance_m / decay_m)


_MODELS: dict[str, Callable[[Scenario, Floats], PathLoss]] = {"winner-c2": _winner_c2, "uma": _uma, "umi": _umi}
