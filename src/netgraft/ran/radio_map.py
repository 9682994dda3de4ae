"""Path gains of every cell at every point of a grid over the area.

A map depends on the scenario's layout, antenna and propagation and on ``map_seed``, never on users or their seed. A
user is served by the cell that is strongest at the nearest grid point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from netgraft.errors import SettingError
from netgraft.ran.antenna import antenna_gain_dbi
from netgraft.ran.layout import Area, area_m, cell_azimuths_deg, site_positions_m
from netgraft.ran.path_loss import path_loss
from netgraft.ran.scenario import Scenario
from netgraft.ran.shadowing import site_shadowing, site_sight

Floats = NDArray[np.float64]
_GREATEST = 250_000_000
#: what a map depends on: maps of scenarios that agree in these are the same.
MAP_FIELDS = (
    "sites", "sectors", "site_distance_m", "area_margin_m", "bs_height_m", "user_height_m", "carrier_hz",
    "antenna_gain_dbi", "tilt_deg", "horizontal_beamwidth_deg", "vertical_beamwidth_deg", "front_to_back_db",
    "side_lobe_db", "path_loss", "line_of_sight", "penetration_db", "min_coupling_loss_db", "shadowing_std_db",
    "shadowing_distance_m", "site_correlation", "map_step_m", "map_seed",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class RadioMap:
    """Gains on a grid; arrays are read-only.

    Attributes:
        gain: linear gain from a cell's antenna connector to a user, float32 [K, height, width]: path loss, antenna,
            shadowing, penetration, and the bound of the coupling loss.
        origin_m: x and y of the grid's point [0, 0].
        step_m: between two points; rows go along y.
        serving: number of the strongest cell, int16 [height, width].
        cell_overlap: [K, K] mean over the points served by cell k of the gain of cell j over that of cell k; 0 for
            j = k and for cells that serve no point.
        area_m: x0, y0, x1, y1 that the grid covers.
    """

    gain: NDArray[np.float32]
    origin_m: tuple[float, float]
    step_m: float
    serving: NDArray[np.int16]
    cell_overlap: Floats
    area_m: Area

    def nearest(self, x: Floats, y: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column of the grid point nearest to each position, floor((x - x0) / step + 0.5)."""
        column = np.floor((x - self.origin_m[0]) / self.step_m + 0.5).astype(np.int64)
        row = np.floor((y - self.origin_m[1]) / self.step_m + 0.5).astype(np.int64)
        return row, column


def radio_map(scenario: Scenario) -> RadioMap:
    """Return the map of a scenario; scenarios that agree in all `MAP_FIELDS` share one.

    Raises:
        SettingError: the step is so small that the map would have more than 250 million numbers.
    """
    return _cached(_Key(scenario))


class _Key:
    """A scenario that equals another when their maps are the same."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.values = tuple(getattr(scenario, name) for name in MAP_FIELDS)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)


@lru_cache(maxsize=8)
def _cached(key: _Key) -> RadioMap:
    scenario = key.scenario
    area, step = area_m(scenario), scenario.map_step_m
    width, height = (math.ceil((area[2 + axis] - area[axis]) / step) + 1 for axis in (0, 1))
    if scenario.cells * width * height > _GREATEST:
        numbers = f"{scenario.cells * width * height:.3g}"
        raise SettingError(f"map_step_m must give a map of at most {_GREATEST:.3g} numbers, got {numbers} at {step:g}")
    x, y = area[0] + step * np.arange(width), area[1] + step * np.arange(height)
    fields = enumerate(site_shadowing(scenario, (height, width)))
    gain = np.concatenate([_site_gain(scenario, site, x, y, field) for site, field in fields])
    serving = gain.argmax(axis=0).astype(np.int16)
    overlap = _overlap(gain, serving)
    for array in (gain, serving, overlap):
        array.flags.writeable = False
    return RadioMap(gain, (area[0], area[1]), step, serving, overlap, area)


def _site_gain(
    scenario: Scenario, site: int, x: NDArray[np.floating], y: NDArray[np.floating], shadowing: Floats
) -> NDArray[np.float32]:
    """Return the linear gain of a site's cells, [sectors, height, width]."""
    place = site_positions_m(scenario)[site]
    east, north = x - place[0], (y - place[1])[:, None]
    distance = np.sqrt(east**2 + north**2)
    bearing = np.degrees(np.arctan2(north, east))
    depression = np.degrees(np.arctan2(scenario.bs_height_m - scenario.user_height_m, distance))
    azimuths = cell_azimuths_deg(scenario)[: scenario.sectors, None, None]
    antenna = antenna_gain_dbi(scenario, bearing - azimuths, depression)
    total = antenna - _site_loss_db(scenario, site, distance, shadowing) - scenario.penetration_db
    bounded = np.minimum(total, -scenario.min_coupling_loss_db)
    return np.asarray(10 ** (bounded / 10), np.float32)


def _site_loss_db(scenario: Scenario, site: int, distance_m: Floats, shadowing: Floats) -> Floats:
    """Return path loss less shadowing towards a site, [height, width]."""
    model = path_loss(scenario, distance_m)
    share = model.probability
    if scenario.line_of_sight == "drawn":
        drawn = ndtr(site_sight(scenario, (distance_m.shape[0], distance_m.shape[1]), site))
        share = (drawn < model.probability).astype(np.float64)
    loss = share * model.sight.loss_db + (1 - share) * model.no_sight.loss_db
    variance = share * model.sight.shadowing_std_db**2 + (1 - share) * model.no_sight.shadowing_std_db**2
    spread = np.sqrt(variance) if scenario.shadowing_std_db is None else scenario.shadowing_std_db
    return loss - spread * shadowing


def _overlap(gain: NDArray[np.float32], serving: NDArray[np.int16]) -> Floats:
    cells = len(gain)
    overlap = np.zeros((cells, cells))
    for cell in range(cells):
        there = serving == cell
        if there.any():
            own = gain[:, there].astype(np.float64)
            overlap[cell] = (own / own[cell]).mean(axis=1)
            overlap[cell, cell] = 0
    return overlap
