from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.agents.exploration import dirichlet, gaussian_logits
from netgraft.agents.networks import act
from netgraft.errors import SettingError

LOGITS = np.random.default_rng(0).normal(size=(5, 4))


@given(st.floats(1e-3, 100), st.integers(0, 10**6))
def test_dirichlet_is_on_the_simplex(concentration: float, step: int) -> None:
    shares = dirichlet(concentration)(LOGITS, step)
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=1), 1)


@given(st.floats(0, 5), st.integers(0, 10**6))
def test_gaussian_logits_are_on_the_simplex(std: float, step: int) -> None:
    shares = gaussian_logits(std)(LOGITS, step)
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_dirichlet_has_the_right_variance() -> None:
    explore = dirichlet(2.0, seed=3)
    shares = np.concatenate([explore(LOGITS, step) for step in range(2000)])
    assert shares.mean(axis=0) == pytest.approx([0.25] * 4, abs=0.01)
    # variance of a component: (1/4)(3/4) / (4 * 2 + 1)
    assert shares.var(axis=0) == pytest.approx([0.1875 / 9] * 4, rel=0.05)


def test_draws_depend_on_seed_and_step_alone() -> None:
    for make in (dirichlet, gaussian_logits):
        one, other = make(seed=1), make(seed=1)
        np.testing.assert_array_equal(one(LOGITS, 9), [*map(list, (other(LOGITS, 3), other(LOGITS, 9))[1])])
        assert (one(LOGITS, 9) != one(LOGITS, 10)).all()
        assert (one(LOGITS, 9) != make(seed=2)(LOGITS, 9)).all()


def test_noise_shrinks() -> None:
    explore = gaussian_logits(1.0, until=100)
    far = [np.abs(explore(LOGITS, step) - act(LOGITS, "softmax")).mean() for step in (0, 90, 100, 200)]
    assert far[0] > 4 * far[1] > 0
    assert far[2:] == [0, 0]


def test_bad_settings() -> None:
    with pytest.raises(SettingError, match="concentration must be > 0, got 0"):
        dirichlet(0)
    with pytest.raises(SettingError, match="std must be >= 0 and finite, got -1"):
        gaussian_logits(-1)
    with pytest.raises(SettingError, match="until must be >= 1, got 0"):
        gaussian_logits(until=0)
