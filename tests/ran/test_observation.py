from __future__ import annotations

import numpy as np
import pytest
from small_networks import SMALL, TWELVE, random_shares, small

from netgraft.ran import Simulator, preset
from netgraft.ran.coordination import coordination
from netgraft.ran.observation import bounds, observation_size, observe, usual_users


def test_size_is_that_of_the_paper() -> None:
    assert observation_size(TWELVE, coordination("mean", TWELVE)) == 16


def test_usual_users() -> None:
    assert usual_users(preset("paper")) == pytest.approx(32 / 12)
    assert usual_users(small(user_scope="network", users_per_slice=30, activity=1.0)) == pytest.approx(10)


def test_order_and_scale() -> None:
    heard = coordination("mean", SMALL)
    kpis = Simulator(SMALL).run(random_shares(SMALL, 0)[0], 5)
    seen = observe(kpis, SMALL, heard)
    assert seen.shape == (5, 3, 16)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[..., :4], kpis.throughput_bps / 1e6, rtol=1e-6)
    np.testing.assert_allclose(seen[..., 4:8], kpis.load, rtol=1e-6)
    np.testing.assert_allclose(seen[..., 8:12], kpis.users / 6, rtol=1e-6)
    np.testing.assert_allclose(seen[..., 12:], heard.features(kpis.load), rtol=1e-6)
    np.testing.assert_array_equal(observe(kpis.at(3), SMALL, heard), seen[3])


@pytest.mark.parametrize("name", ["mean", "none", "all", "coupled"])
def test_observations_are_within_their_bounds(name: str) -> None:
    scenario = small(overhead=0.8)
    heard = coordination(name, scenario)
    low, high = bounds(scenario, heard)
    assert low.shape == high.shape == (observation_size(scenario, heard),)
    assert np.isfinite(high).all()
    simulator = Simulator(scenario)
    for shares in random_shares(scenario, 1, 50):
        seen = observe(simulator.step(shares), scenario, heard)
        assert ((seen >= low) & (seen <= high)).all()
