"""The reward of a cell (Hu et al. 2022, eq. 2): the satisfaction of the slice that is served worst.

Left open there: a slice without users. It has nothing to be satisfied or not, so it does not count; a cell without any
user has reward 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def throughput_satisfaction(throughput_bps: FloatArray, target_bps: FloatArray) -> FloatArray:
    """Return min(1, throughput / target), the shape of both."""
    return np.minimum(1.0, throughput_bps / target_bps)


def delay_satisfaction(delay_s: FloatArray, target_s: FloatArray) -> FloatArray:
    """Return min(1, target / delay), 1 where the delay is 0; the shape of both."""
    return target_s / np.maximum(delay_s, target_s)


def reward_of(
    throughput_bps: FloatArray,
    delay_s: FloatArray,
    users: FloatArray,
    *,
    throughput_target_bps: FloatArray,
    delay_target_s: FloatArray,
) -> FloatArray:
    """Return eq. (2) over the slices with users, in [0, 1]; [..., K].

    Args:
        throughput_bps: mean of a slice's users [..., K, N].
        delay_s: mean of a slice's packets [..., K, N].
        users: active users [..., K, N].
        throughput_target_bps: [K, N].
        delay_target_s: [K, N].
    """
    satisfaction = np.minimum(
        throughput_satisfaction(throughput_bps, throughput_target_bps), delay_satisfaction(delay_s, delay_target_s)
    )
    return np.where(users > 0, satisfaction, 1.0).min(axis=-1)
