from __future__ import annotations

import numpy as np
import pytest
from small_networks import SMALL, TWELVE, random_shares

from netgraft.errors import InputError, SettingError
from netgraft.ran import SlicingEnv, VectorSlicing
from netgraft.ran.kpis import MEASURES

SEEDS = (0, 5, 2**40)


def test_each_network_is_the_single_one_bit_for_bit() -> None:
    many = VectorSlicing(TWELVE, SEEDS, coordination="coupled")
    single = [SlicingEnv(TWELVE, seed=seed, coordination="coupled") for seed in SEEDS]
    np.testing.assert_array_equal(many.reset(), np.stack([env.reset() for env in single]))
    for step in range(40):
        shares = np.stack([random_shares(TWELVE, 100 * step + s)[0] for s in range(3)])
        np.testing.assert_array_equal(many.users, np.stack([env.simulator.users for env in single]))
        np.testing.assert_array_equal(many.demand_bps, np.stack([env.simulator.demand_bps for env in single]))
        seen, reward, kpis = many.step(shares)
        alone = [env.step(each) for env, each in zip(single, shares, strict=True)]
        np.testing.assert_array_equal(seen, np.stack([each[0] for each in alone]))
        np.testing.assert_array_equal(reward, np.stack([each[1] for each in alone]))
        for name in MEASURES:
            np.testing.assert_array_equal(getattr(kpis, name), np.stack([getattr(each[2], name) for each in alone]))


def test_reset_begins_the_same_episodes_again() -> None:
    many = VectorSlicing(SMALL, SEEDS)
    shares = np.full((3, 3, 4), 0.25)
    first = many.reset(), *many.step(shares, checked=False)[:2]
    second = many.reset(), *many.step(shares)[:2]
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
    assert many.bounds()[0].shape == (many.observation_size,)


def test_bad_input_is_refused() -> None:
    with pytest.raises(SettingError, match="seeds must be at least one, got none"):
        VectorSlicing(SMALL, [])
    many = VectorSlicing(SMALL, SEEDS)
    many.reset()
    with pytest.raises(InputError, match=r"shares must be an array of shape \(3, 3, 4\), got shape \(3, 4\)"):
        many.step(np.full((3, 4), 0.25))
    shares = np.full((3, 3, 4), 0.25)
    shares[1, 2] = 0.0
    with pytest.raises(InputError, match=r"shares of cell 2 must be finite, >= 0 and sum to 1, got \[0.0"):
        many.step(shares)
