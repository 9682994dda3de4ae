from __future__ import annotations

import numpy as np
import pytest
from small_networks import SMALL, small

from netgraft.ran.links import active_links, active_users, band_of, count_users, gain_by_point, least_efficiency
from netgraft.ran.mobility import active, place
from netgraft.ran.radio_map import radio_map

RADIO = radio_map(SMALL)
USERS = place(SMALL, RADIO.area_m, 5)
IS_ACTIVE = active(USERS, SMALL, np.full(4, 0.5))
ACTIVE = active_users(SMALL, USERS.x, USERS.y, IS_ACTIVE)


def test_active_users_are_where_they_are() -> None:
    assert len(ACTIVE.point) == IS_ACTIVE.sum() > 10
    rows, columns = RADIO.nearest(USERS.x[IS_ACTIVE], USERS.y[IS_ACTIVE])
    np.testing.assert_array_equal(ACTIVE.cell, RADIO.serving[rows, columns])
    np.testing.assert_array_equal(gain_by_point(RADIO)[ACTIVE.point], RADIO.gain[:, rows, columns].T)
    np.testing.assert_array_equal(ACTIVE.slice_index, np.flatnonzero(IS_ACTIVE) // (SMALL.users // SMALL.slices))


def test_users_are_counted() -> None:
    counts = count_users(SMALL, ACTIVE)
    assert counts.shape == (SMALL.cells, SMALL.slices)
    assert counts.sum() == len(ACTIVE.point)
    assert counts[1, 2] == ((ACTIVE.cell == 1) & (ACTIVE.slice_index == 2)).sum()


def test_links_are_to_the_strongest_cell() -> None:
    links = active_links(SMALL, ACTIVE)
    assert (links.own_w[:, None] >= links.other_w).all()
    assert ((links.other_w == 0).sum(axis=1) == 1).all()
    np.testing.assert_array_equal(links.offered_bps, SMALL.throughput_bps[ACTIVE.cell, ACTIVE.slice_index])


@pytest.mark.parametrize(("rate", "least"), [("shannon", 0.6 * np.log2(1.1)), ("cqi", 0.1523)])
def test_a_user_out_of_reach_counts_at_the_least_rate(rate: str, least: float) -> None:
    scenario = small(rate=rate)
    assert least_efficiency(scenario) == pytest.approx(least)
    efficiency = band_of(scenario).efficiency(np.array([0.0, 1e-6, 1e6]))
    assert efficiency[:2] == pytest.approx([least, least])
    assert efficiency[2] >= 4.4
