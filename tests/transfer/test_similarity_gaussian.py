"""The mean divergence of all pairs in linear time against the double loop of the paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from similarity_examples import Array, mean_pairwise_kl_loop

from netgraft.transfer import LatentMoments, debiased, mean_pairwise_kl, mean_pairwise_square
from netgraft.transfer.gaussian import VARIANCE_FLOOR

seeds = st.integers(0, 2**32 - 1)


def gaussians(seed: int, n: int, *, at: float = 0.0, log_variance: float = -9.0) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    return random.normal(at, 1, (n, 4)), random.normal(log_variance, 2, (n, 4))


@given(seeds, st.integers(1, 12), st.integers(1, 12), st.floats(-50, 50), st.floats(-14, 2))
def test_equals_the_double_loop(seed: int, n: int, m: int, at: float, log_variance: float) -> None:
    source, target = gaussians(seed, n, at=at, log_variance=log_variance), gaussians(seed + 1, m)
    target = target[0], np.maximum(target[1], math.log(VARIANCE_FLOOR))
    source = source[0], np.maximum(source[1], math.log(VARIANCE_FLOOR))
    fast = mean_pairwise_kl(LatentMoments.of(*source), LatentMoments.of(*target))
    assert fast == pytest.approx(mean_pairwise_kl_loop(source, target), rel=1e-9)
    assert fast > -1e-9


@given(seeds, st.integers(1, 9), st.integers(1, 9))
def test_moments_of_a_union_are_the_sum(seed: int, n: int, m: int) -> None:
    (mean_a, log_a), (mean_b, log_b) = gaussians(seed, n), gaussians(seed + 1, m, at=5)
    added = LatentMoments.of(mean_a, log_a) + LatentMoments.of(mean_b, log_b)
    whole = LatentMoments.of(np.concatenate([mean_a, mean_b]), np.concatenate([log_a, log_b]))
    for name, value in vars(whole).items():
        np.testing.assert_allclose(getattr(added, name), value, rtol=1e-9, atol=1e-12, err_msg=name)


@given(seeds, st.integers(1, 9), st.integers(1, 9), st.floats(1e-6, 1.0))
def test_lemma_1_is_the_divergence_where_all_variances_are_one_constant(
    seed: int, n: int, m: int, variance: float
) -> None:
    sets = [gaussians(seed + k, count)[0] for k, count in enumerate((n, m))]
    a, b = (LatentMoments.of(means, np.full(means.shape, math.log(variance))) for means in sets)
    assert mean_pairwise_kl(a, b) == pytest.approx(mean_pairwise_square(a, b) / (2 * variance), rel=1e-6)
    pairs = np.square(sets[0][:, None] - sets[1]).sum(axis=2)
    assert mean_pairwise_square(a, b) == pytest.approx(pairs.mean())


@given(seeds, st.integers(1, 9))
def test_debiased_distance_of_a_set_to_itself_is_zero(seed: int, n: int) -> None:
    moments = LatentMoments.of(*gaussians(seed, n))
    assert debiased(mean_pairwise_kl, moments, moments) == 0
    assert debiased(mean_pairwise_square, moments, moments) == 0


@given(seeds, st.integers(1, 9), st.integers(1, 9))
def test_debiased_square_is_the_squared_distance_of_the_centres(seed: int, n: int, m: int) -> None:
    a, b = LatentMoments.of(*gaussians(seed, n)), LatentMoments.of(*gaussians(seed + 1, m, at=3))
    assert debiased(mean_pairwise_square, a, b) == pytest.approx(np.square(a.mean - b.mean).sum())


def test_debiasing_undoes_the_favour_for_sources_of_little_variance() -> None:
    random = np.random.default_rng(0)
    logs = np.full((500, 4), -9.0)
    twin, target = (LatentMoments.of(random.normal(0, 2, (500, 4)), logs) for _ in range(2))
    narrow = LatentMoments.of(random.normal(0.8, 0.1, (500, 4)), logs)
    assert mean_pairwise_kl(narrow, target) < mean_pairwise_kl(twin, target)
    assert debiased(mean_pairwise_square, narrow, target) > debiased(mean_pairwise_square, twin, target)


def test_vanishing_variances_are_raised_to_the_floor() -> None:
    means = np.random.default_rng(0).normal(size=(10, 4))
    lost, floor = (LatentMoments.of(means, np.full((10, 4), log)) for log in (-1_000.0, math.log(VARIANCE_FLOOR)))
    far = LatentMoments.of(means + 100, np.full((10, 4), -1_000.0))
    assert mean_pairwise_kl(lost, far) == mean_pairwise_kl(floor, far)
    assert math.isfinite(mean_pairwise_kl(lost, far))


def test_far_means_and_tiny_variances_lose_no_digits() -> None:
    random = np.random.default_rng(0)
    means = 1_000 + 1e-3 * random.normal(size=(20, 4))
    logs = np.full((20, 4), math.log(1e-7))
    moments = LatentMoments.of(means, logs)
    assert mean_pairwise_kl(moments, moments) == pytest.approx(
        mean_pairwise_kl_loop((means, logs), (means, logs)), rel=1e-6
    )
