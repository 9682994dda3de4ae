from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from small_networks import SMALL

from netgraft.errors import InputError, SettingError
from netgraft.ran import SlicingEnv, cell_view
from netgraft.ran.kpis import Kpis
from netgraft.ran.shares import equal_shares


def test_check_env_is_content() -> None:
    check_env(cell_view(1, preset=SMALL), skip_render_check=True)


def test_it_is_a_row_of_the_whole() -> None:
    view, env = cell_view(2, preset=SMALL, seed=3), SlicingEnv(SMALL, seed=3)
    seen, info = view.reset()
    np.testing.assert_array_equal(seen, env.reset()[2])
    np.testing.assert_array_equal(info["kpis"]["load"], env.measured.load[2])
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 4)).astype(np.float32):
        shares = equal_shares(SMALL)
        shares[2] = view.shares_of(action)
        seen, reward, terminated, truncated, info = view.step(action)
        wanted, rewards, kpis = env.step(shares)
        np.testing.assert_array_equal(seen, wanted[2])
        np.testing.assert_array_equal(info["kpis"]["shares"], kpis.shares[2])
        assert (reward, terminated, truncated) == (rewards[2], False, False)


def test_the_others_follow_a_policy() -> None:
    def by_demand(env: SlicingEnv, kpis: Kpis) -> np.ndarray:
        weights = env.simulator.demand_bps + 1.0
        return weights / weights.sum(axis=1, keepdims=True)

    view, equal = cell_view(0, by_demand, SMALL, steps=30), cell_view(0, "equal", SMALL, steps=30)
    seen = [each.reset(seed=1)[0] for each in (view, equal)]
    np.testing.assert_array_equal(*seen)
    for _ in range(30):
        ours, theirs = view.step(np.zeros(4)), equal.step(np.zeros(4))
    assert (ours[0] != theirs[0]).any()
    np.testing.assert_allclose(ours[4]["kpis"]["shares"], np.full(4, 0.25))
    assert ours[3]
    with pytest.raises(InputError, match="reset is required, got a step after the last of 30"):
        view.step(np.zeros(4))


def test_actions_are_logits() -> None:
    view = cell_view(0, preset=SMALL)
    np.testing.assert_allclose(view.shares_of(np.zeros(4)), np.full(4, 0.25))
    corner = view.shares_of(np.array([1.0, -1.0, -1.0, -1.0]))
    assert corner[0] == pytest.approx(np.e**3 / (np.e**3 + 3 * np.e**-3))
    np.testing.assert_array_equal(corner, view.shares_of(np.array([9.0, -9.0, -1.0, -1.0])))


def test_seeds_are_honoured() -> None:
    one, two = cell_view(0, preset=SMALL), cell_view(0, preset=SMALL)
    assert (one.reset(seed=1)[0] != two.reset(seed=2)[0]).any()
    for _ in range(5):
        np.testing.assert_array_equal(one.reset(seed=7)[0], two.reset(seed=7)[0])


def test_bad_input_is_refused() -> None:
    with pytest.raises(SettingError, match="cell must be 0 to 2, got 3"):
        cell_view(3, preset=SMALL)
    with pytest.raises(SettingError, match="others must be 'equal' or a callable, got 'fair'"):
        cell_view(0, "fair", SMALL)
    with pytest.raises(SettingError, match="logit_scale must be > 0, got 0"):
        cell_view(0, preset=SMALL, logit_scale=0)
    view = cell_view(1, preset=SMALL)
    view.reset()
    for action in (np.zeros(3), np.array([np.nan, 0, 0, 0])):
        with pytest.raises(InputError, match=r"the action of cell 1 must be 4 finite numbers, got \["):
            view.step(action)
