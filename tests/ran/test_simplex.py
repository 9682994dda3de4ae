from __future__ import annotations

import numpy as np

from netgraft.ran.simplex import Simplex


def test_samples_are_in_the_space_and_even() -> None:
    space = Simplex(4, seed=0)
    drawn = np.stack([space.sample() for _ in range(4000)])
    assert drawn.dtype == np.float32
    assert all(space.contains(each) for each in drawn)
    # of the flat Dirichlet distribution: mean 1/4, variance 3/80
    np.testing.assert_allclose(drawn.mean(axis=0), 0.25, atol=0.01)
    np.testing.assert_allclose(drawn.var(axis=0), 3 / 80, atol=0.003)


def test_a_seed_repeats_the_samples() -> None:
    np.testing.assert_array_equal(Simplex(4, seed=3).sample(), Simplex(4, seed=3).sample())


def test_what_is_not_on_the_simplex_is_outside() -> None:
    space = Simplex(2)
    assert space.contains(np.array([0.5, 0.5]))
    for other in ([0.5, 0.5], np.array([0.5, 0.6]), np.array([1.5, -0.5]), np.array([1.0]), np.array([np.nan, 1.0])):
        assert not space.contains(other)


def test_spaces_of_one_size_are_equal() -> None:
    assert Simplex(3) == Simplex(3)
    assert Simplex(3) != Simplex(4)
    assert repr(Simplex(3)) == "Simplex(3)"
