from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.ran.layout import area_m, cell_azimuths_deg, cell_sites, site_positions_m
from netgraft.ran.presets import preset
from netgraft.ran.scenario import Scenario, SliceGroup


def network(sites: int, sectors: int = 3, distance_m: float = 500.0) -> Scenario:
    """Return a scenario of that many sites."""
    groups = (SliceGroup(tuple(range(sites * sectors)), preset("three").groups[0].slices),)
    return replace(preset("three"), sites=sites, sectors=sectors, groups=groups, site_distance_m=distance_m)


def distances(scenario: Scenario) -> np.ndarray:
    """Return the distances between all sites, infinite to themselves."""
    x, y = site_positions_m(scenario).T
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(apart, np.inf)
    return apart


@given(st.integers(2, 40), st.floats(100, 2000))
def test_nearest_neighbours_are_one_site_distance_apart(sites: int, distance_m: float) -> None:
    nearest = distances(network(sites, distance_m=distance_m)).min(axis=1)
    np.testing.assert_allclose(nearest, distance_m)


def test_four_sites_are_a_rhombus() -> None:
    apart = distances(preset("paper"))
    sides = np.sort(apart[np.triu_indices(4, 1)])
    np.testing.assert_allclose(sides, [500] * 5 + [500 * np.sqrt(3)])


def test_sites_of_a_group_lie_side_by_side_in_the_rhombus() -> None:
    apart = distances(preset("paper"))
    assert apart[0, 2] == pytest.approx(apart[1, 3]) == pytest.approx(500)


@pytest.mark.parametrize(("sites", "neighbours"), [(7, [3] * 6 + [6]), (19, [3] * 6 + [4] * 6 + [6] * 7)])
def test_seven_and_nineteen_sites_are_hexagons(sites: int, neighbours: list[int]) -> None:
    near = np.isclose(distances(network(sites)), 500).sum(axis=1)
    assert sorted(near) == neighbours


def test_sites_are_numbered_row_by_row() -> None:
    x, y = site_positions_m(network(19)).T
    assert (np.lexsort((x, y.round(6))) == np.arange(19)).all()


def test_cells_of_a_site_look_between_its_neighbours() -> None:
    scenario = preset("paper")
    assert cell_azimuths_deg(scenario).tolist() == [30, 150, 270] * 4
    assert cell_sites(scenario).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert cell_azimuths_deg(network(1, sectors=1)).tolist() == [30]


def test_area_is_wider_than_the_sites_by_its_margin() -> None:
    assert area_m(preset("three")) == (-250, -250, 250, 250)
    assert area_m(replace(preset("three"), margin_m=100)) == (-100, -100, 100, 100)
    x0, y0, x1, y1 = area_m(preset("paper"))
    assert (x1 - x0, y1 - y0) == pytest.approx((1250, 500 + 250 * np.sqrt(3)))
