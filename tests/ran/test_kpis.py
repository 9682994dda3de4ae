from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import SMALL, random_shares

from netgraft.ran.kpis import MEASURES, Kpis, kpis_of, unpacked

SHAPE = (SMALL.cells, SMALL.slices)


def measured(seed: int, **changes: np.ndarray) -> Kpis:
    """Return the measures of a random period."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, 4, SHAPE).astype(float)
    arrays = {"users": users, "need": users * rng.uniform(0.02, 0.3, SHAPE), "shares": random_shares(SMALL, seed)[0]}
    return kpis_of(SMALL, **{**arrays, **changes})


@given(st.integers(0, 10_000))
def test_blocks_are_conserved(seed: int) -> None:
    kpis = measured(seed)
    assert (kpis.load <= kpis.shares).all()
    assert (kpis.load <= kpis.need).all()
    assert (kpis.cell_load <= 1 + 1e-12).all()
    # the rate that is carried is the blocks that are used times what a block carries
    carried_bps = kpis.load * SMALL.usable_hz * kpis.spectral_efficiency
    np.testing.assert_allclose(carried_bps, np.where(kpis.users > 0, kpis.users * kpis.throughput_bps, 0), rtol=1e-12)


@given(st.integers(0, 10_000))
def test_measures_stay_in_their_ranges(seed: int) -> None:
    kpis = measured(seed)
    assert all(np.isfinite(getattr(kpis, name)).all() for name in MEASURES)
    assert (kpis.throughput_bps >= 0).all()
    assert (kpis.throughput_bps <= SMALL.throughput_bps).all()
    assert (kpis.delay_s[kpis.users > 0] >= SMALL.delay_floor_s).all()
    assert (kpis.delay_s <= SMALL.step_s).all()
    for values in (kpis.reward, kpis.throughput_satisfaction, kpis.delay_satisfaction):
        assert ((values >= 0) & (values <= 1)).all()


def test_slices_without_users_are_satisfied() -> None:
    kpis = measured(0, users=np.zeros(SHAPE), need=np.zeros(SHAPE))
    np.testing.assert_array_equal(kpis.throughput_bps, SMALL.throughput_bps)
    for name in ("delay_s", "load", "demand_bps", "spectral_efficiency"):
        assert not getattr(kpis, name).any()
    np.testing.assert_array_equal(kpis.throughput_satisfaction, np.ones(SHAPE))
    np.testing.assert_array_equal(kpis.delay_satisfaction, np.ones(SHAPE))
    np.testing.assert_array_equal(kpis.reward, np.ones(SMALL.cells))


def test_half_of_the_need_is_half_of_the_throughput() -> None:
    need, shares = np.full(SHAPE, 0.5), np.full(SHAPE, 0.25)
    kpis = measured(0, users=np.ones(SHAPE), need=need, shares=shares)
    np.testing.assert_allclose(kpis.throughput_bps, SMALL.throughput_bps / 2)
    np.testing.assert_allclose(kpis.cell_load, np.ones(SMALL.cells))
    assert kpis.reward.max() <= 0.5


def test_no_share_serves_nobody() -> None:
    shares = np.zeros(SHAPE)
    shares[:, 0] = 1.0
    kpis = measured(0, users=np.ones(SHAPE), need=np.full(SHAPE, 0.1), shares=shares)
    assert not kpis.throughput_bps[:, 1:].any()
    np.testing.assert_array_equal(kpis.delay_s[:, 1:], np.full((SMALL.cells, 3), SMALL.step_s))
    np.testing.assert_array_equal(kpis.reward, np.zeros(SMALL.cells))


def test_packed_measures_come_back() -> None:
    kpis = measured(3)
    again = unpacked(SMALL, kpis.packed())
    many = unpacked(SMALL, np.stack([kpis.packed(), measured(4).packed()], axis=1))
    for name in MEASURES:
        np.testing.assert_array_equal(getattr(again, name), getattr(kpis, name))
        np.testing.assert_array_equal(getattr(many.at(0), name), getattr(kpis, name))
    assert many.reward.shape == (2, SMALL.cells)
    np.testing.assert_array_equal(many.at(1).reward, many.reward[1])


def test_measures_are_frozen() -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'load'"):
        measured(0).load = np.zeros(SHAPE)  # type: ignore[misc]
