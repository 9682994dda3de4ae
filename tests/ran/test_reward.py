from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from netgraft.ran.reward import delay_satisfaction, reward_of, throughput_satisfaction

TARGETS = {
    "throughput_target_bps": np.array([[4e6, 3e6, 2e6, 1e6]]),
    "delay_target_s": np.array([[3e-3, 2e-3, 1e-3, 1e-3]]),
}


def reward(throughput_mbps: list[float], delay_ms: list[float], users: list[float]) -> float:
    """Return the reward of one cell."""
    arrays = np.array([throughput_mbps]) * 1e6, np.array([delay_ms]) / 1e3, np.array([users])
    return float(reward_of(*arrays, **TARGETS)[0])


def test_the_worst_slice_counts() -> None:
    assert reward([4, 3, 2, 1], [3, 2, 1, 1], [1, 1, 1, 1]) == 1.0
    assert reward([4, 1.5, 2, 1], [3, 2, 1, 1], [1, 1, 1, 1]) == 0.5
    assert reward([4, 3, 2, 1], [3, 8, 1, 1], [1, 1, 1, 1]) == 0.25
    assert reward([9, 9, 9, 9], [0.1, 0.1, 0.1, 0.1], [1, 1, 1, 1]) == 1.0


def test_slices_without_users_do_not_count() -> None:
    assert reward([4, 0.3, 2, 1], [3, 9, 1, 1], [1, 0, 1, 1]) == 1.0
    assert reward([0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]) == 1.0


@given(hnp.arrays(np.float64, (2, 1, 4), elements=st.floats(0, 1e9)))
def test_reward_is_a_fraction(values: np.ndarray) -> None:
    result = reward_of(values[0], values[1], np.ones((1, 4)), **TARGETS)
    assert (result >= 0).all()
    assert (result <= 1).all()


def test_satisfactions_end_at_one() -> None:
    values = np.array([0.0, 1.0, 2.0, 4.0])
    np.testing.assert_array_equal(throughput_satisfaction(values, np.full(4, 2.0)), [0, 0.5, 1, 1])
    np.testing.assert_array_equal(delay_satisfaction(values, np.full(4, 2.0)), [1, 1, 1, 0.5])
