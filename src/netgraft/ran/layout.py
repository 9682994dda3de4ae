"""Where sites stand, where their sectors look, and the area in which users move."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.scenario import Scenario

_FIRST_AZIMUTH_DEG = 30.0
Area = tuple[float, float, float, float]


def site_positions_m(scenario: Scenario) -> NDArray[np.float64]:
    """Return x and y of the sites, [sites, 2], numbered row by row from the south-west.

    They are the points of a hexagonal lattice nearest to one of its points: 4 sites are a rhombus, 7 and 19 hexagons.
    """
    reach = math.isqrt(scenario.sites) + 1
    steps = range(-reach, reach + 1)
    points = sorted((q * q + q * r + r * r, _turn(q, r), r, q) for q in steps for r in steps)[: scenario.sites]
    rows = sorted((r, 2 * q + r) for _, _, r, q in points)
    return np.array([(column / 2, row * math.sqrt(3) / 2) for row, column in rows]) * scenario.site_distance_m


def cell_azimuths_deg(scenario: Scenario) -> NDArray[np.float64]:
    """Return where the cells look, [K], counterclockwise from the x axis: 30, 150 and 270 with three sectors."""
    turns = _FIRST_AZIMUTH_DEG + np.arange(scenario.sectors) * 360.0 / scenario.sectors
    return np.tile(turns, scenario.sites)


def cell_sites(scenario: Scenario) -> NDArray[np.int64]:
    """Return the number of each cell's site, [K]."""
    return np.arange(scenario.cells) // scenario.sectors


def area_m(scenario: Scenario) -> Area:
    """Return x0, y0, x1, y1 of the area: the sites and a margin around them."""
    sites, margin = site_positions_m(scenario), scenario.area_margin_m
    (x0, y0), (x1, y1) = sites.min(axis=0) - margin, sites.max(axis=0) + margin
    return float(x0), float(y0), float(x1), float(y1)


def _turn(q: int, r: int) -> float:
    """Return the direction of a lattice point from the middle, in [0, 2 pi)."""
    return math.atan2(r * math.sqrt(3) / 2, q + r / 2) % (2 * math.pi)
