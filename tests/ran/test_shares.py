from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import SMALL

from netgraft.errors import InputError
from netgraft.ran.shares import checked_shares, equal_shares, on_simplex

GOOD = np.full((2, 4), 0.25)


@given(st.integers(0, 1000), st.integers(2, 12))
def test_points_of_the_simplex_pass_as_they_are(seed: int, slices: int) -> None:
    shares = np.random.default_rng(seed).dirichlet(np.ones(slices), 3)
    np.testing.assert_allclose(checked_shares(shares, shares.shape), shares, rtol=1e-12)
    single = shares.astype(np.float32)
    assert on_simplex(single).all()
    assert (checked_shares(single, shares.shape).sum(axis=1) <= 1 + 1e-15).all()


@pytest.mark.parametrize(
    "values",
    [[0.5, 0.5, 0.5, -0.5], [0.3, 0.3, 0.3, 0.3], [0, 0, 0, 0], [np.nan, 0.5, 0.5, 0], [np.inf, -np.inf, 1, 0]],
)
def test_other_points_are_named(values: list[float]) -> None:
    shares = GOOD.copy()
    shares[1] = values
    assert on_simplex(shares).tolist() == [True, False]
    with pytest.raises(InputError, match=r"shares of cell 1 must be finite, >= 0 and sum to 1, got \["):
        checked_shares(shares, (2, 4))


def test_what_is_no_array_of_numbers_is_refused() -> None:
    for values in ([["a", "b"]], [[0.5, 0.5], [1.0]]):
        with pytest.raises(InputError, match="an array of numbers is required, got"):
            checked_shares(values, (1, 2))


def test_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"shares must be an array of shape \(3, 4\), got shape \(2, 4\)"):
        checked_shares(GOOD, (3, 4))


def test_equal_shares_are_the_default_action() -> None:
    np.testing.assert_array_equal(equal_shares(SMALL), np.full((3, 4), 0.25))
