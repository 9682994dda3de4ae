from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.errors import SettingError
from netgraft.ran.coupling import Band, Links, coupled_load, fixed_point, links_of, need_of

CELLS, SLICES = 4, 3
BAND = Band(
    width_hz=15e6,
    noise_w=1e-13,
    efficiency=lambda sinr: 0.6 * np.log2(1 + np.clip(sinr, 0.1, 160.0)),
)


def network(seed: int, *, users: int = 30, demand: float = 1.0) -> tuple[Links, np.ndarray]:
    """Return links of users who are served by the strongest cell, and shares of the slices."""
    rng = np.random.default_rng(seed)
    received_w = 10 ** rng.uniform(-14, -9, (users, CELLS))
    offered_bps = demand * rng.uniform(1e5, 3e6, users)
    links = links_of(received_w, received_w.argmax(axis=1), rng.integers(SLICES, size=users), offered_bps)
    return links, rng.dirichlet(np.ones(SLICES), CELLS)


def mapping(links: Links, shares: np.ndarray, cell_load: np.ndarray) -> np.ndarray:
    """Return the cells' loads one iteration later."""
    return coupled_load(links, BAND, shares, start=cell_load, iterations=1)[0].sum(axis=1)


seeds = st.integers(0, 10_000)


@given(seeds, st.floats(1.0, 5.0), st.floats(0.05, 3.0))
def test_mapping_is_a_standard_interference_function(seed: int, scale: float, demand: float) -> None:
    links, shares = network(seed, demand=demand)
    low = np.random.default_rng(seed).uniform(0, 1, CELLS)
    value = mapping(links, shares, low)
    assert (value > 0).all()  # positive: every cell of this network has users
    assert (mapping(links, shares, low * 1.5) >= value).all()  # monotone
    assert (mapping(links, shares, scale * low) <= scale * value + 1e-15).all()  # scalable
    assert (value <= 1 + 1e-12).all()


@given(seeds, st.floats(0.05, 3.0))
def test_two_starts_reach_the_same_point(seed: int, demand: float) -> None:
    links, shares = network(seed, demand=demand)
    (low, low_need), (high, _) = (fixed_point(links, BAND, shares, start=np.full(CELLS, x)) for x in (0.0, 1.0))
    np.testing.assert_allclose(low, high, atol=1e-10)
    np.testing.assert_allclose(low, np.minimum(shares, low_need), atol=0)
    np.testing.assert_allclose(low_need, need_of(links, BAND, low.sum(axis=1), SLICES), rtol=1e-9)
    assert (low <= shares).all()


@given(seeds, st.floats(0.05, 1.0), st.floats(1.0, 4.0))
def test_more_demand_never_lowers_a_load(seed: int, demand: float, more: float) -> None:
    few, shares = network(seed, demand=demand)
    many = Links(few.own_w, few.other_w, few.cell, few.slice_index, few.offered_bps * more)
    assert (fixed_point(many, BAND, shares)[0] >= fixed_point(few, BAND, shares)[0] - 1e-10).all()


@given(seeds)
def test_order_of_users_and_cells_does_not_matter(seed: int) -> None:
    links, shares = network(seed)
    rng = np.random.default_rng(seed)
    users, cells = rng.permutation(len(links.cell)), rng.permutation(CELLS)
    place = np.argsort(cells)  # cell c is now called place[c]
    moved = Links(
        links.own_w[users],
        links.other_w[users][:, cells],
        place[links.cell[users]],
        links.slice_index[users],
        links.offered_bps[users],
    )
    before, after = fixed_point(links, BAND, shares)[0], fixed_point(moved, BAND, shares[cells])[0]
    np.testing.assert_allclose(after, before[cells], rtol=1e-9)


@given(seeds)
def test_a_few_iterations_come_near_the_fixed_point(seed: int) -> None:
    links, shares = network(seed, demand=0.5)
    load, _ = coupled_load(links, BAND, shares, start=np.ones(CELLS))
    np.testing.assert_allclose(load, fixed_point(links, BAND, shares)[0], atol=2e-3)


def test_one_cell_alone_is_a_division() -> None:
    links = links_of(np.array([[1e-10]]), np.array([0]), np.array([1]), np.array([2e6]))
    need = need_of(links, BAND, np.ones(1), 2)
    rate_bps = BAND.width_hz * 0.6 * np.log2(1 + 160.0)
    np.testing.assert_allclose(need, [[0.0, 2e6 / rate_bps]])


def test_no_user_needs_nothing() -> None:
    links = links_of(np.zeros((0, CELLS)), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    load, need = fixed_point(links, BAND, np.full((CELLS, SLICES), 1 / SLICES))
    assert load.shape == need.shape == (CELLS, SLICES)
    assert not load.any()
    assert not need.any()


def test_bad_iterations_are_refused() -> None:
    links, shares = network(0)
    with pytest.raises(SettingError, match=r"iterations must be >= 1, got 0"):
        coupled_load(links, BAND, shares, start=np.zeros(CELLS), iterations=0)
    with pytest.raises(SettingError, match=r"a tolerance that 2 iterations reach is required, got 1e-12: last step"):
        fixed_point(links, BAND, shares, most=2)
