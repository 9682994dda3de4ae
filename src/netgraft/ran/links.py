"""The active users of a period and what they receive: from states of users to what load coupling works on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.coupling import Band, Links, links_of
from netgraft.ran.radio_map import RadioMap, radio_map
from netgraft.ran.rate import rate_curve, spectral_efficiency
from netgraft.ran.scenario import Scenario

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ActiveUsers:
    """Where the active users u are, in the order of users.

    Attributes:
        point: of the radio map [u], row by row.
        cell: that serves them [u].
        slice_index: they belong to [u].
    """

    point: IntArray
    cell: IntArray
    slice_index: IntArray


@lru_cache(maxsize=8)
def gain_by_point(radio: RadioMap) -> NDArray[np.float32]:
    """Return the gains [points, K]: what a user receives from all cells lies side by side."""
    return np.array(radio.gain.reshape(len(radio.gain), -1).T, order="C")


def active_users(scenario: Scenario, x: FloatArray, y: FloatArray, is_active: NDArray[np.bool_]) -> ActiveUsers:
    """Return the active users.

    Args:
        scenario: with their slices and the radio map.
        x: positions of all users in metres [U].
        y: the same.
        is_active: which of them are [U].
    """
    radio = radio_map(scenario)
    index = np.flatnonzero(is_active)
    row, column = radio.nearest(x[index], y[index])
    point = row * radio.serving.shape[1] + column
    cell = radio.serving.reshape(-1)[point].astype(np.int64)
    return ActiveUsers(point, cell, index // (scenario.users // scenario.slices))


def count_users(scenario: Scenario, active: ActiveUsers) -> FloatArray:
    """Return the number of active users per cell and slice, [K, N]."""
    shape = (scenario.cells, scenario.slices)
    place = active.cell * scenario.slices + active.slice_index
    return np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def active_links(scenario: Scenario, active: ActiveUsers) -> Links:
    """Return what the active users receive in a block and what they offer."""
    received_w = gain_by_point(radio_map(scenario))[active.point].astype(np.float64) * scenario.block_power_w
    offered_bps = scenario.throughput_bps[active.cell, active.slice_index]
    return links_of(received_w, active.cell, active.slice_index, offered_bps)


def least_efficiency(scenario: Scenario) -> float:
    """Return the spectral efficiency at the least SINR, or the first indicator's; b/s/Hz, > 0.

    A user that is received worse counts with it, as one whose blocks are repeated: were it out of reach instead, no
    share could serve its slice, and the coupling would not be scalable.
    """
    curve = rate_curve(scenario)
    if len(curve.levels):
        return float(curve.levels[0])
    return float(min(curve.alpha * np.log2(1 + curve.sinr_min), curve.efficiency_max))


def band_of(scenario: Scenario) -> Band:
    """Return the band that the cells of a scenario share."""
    efficiency = partial(_efficiency, scenario, least_efficiency(scenario))
    return Band(width_hz=scenario.usable_hz, noise_w=scenario.block_noise_w, efficiency=efficiency)


def _efficiency(scenario: Scenario, least: float, sinr: FloatArray) -> FloatArray:
    """Return b/s/Hz, never less than the least."""
    return np.maximum(spectral_efficiency(scenario, sinr), least)
