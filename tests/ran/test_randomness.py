from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from netgraft.ran.randomness import seed_word, uniform_array, uniform_scalar

COUNT = 20_000
words = st.integers(0, 2**64 - 1)
counters = st.integers(0, 2**31 - 1)


@given(words, counters, counters, counters)
def test_compiled_and_numpy_draw_the_same(seed: int, stream: int, step: int, first: int) -> None:
    indices = np.arange(first, first + 5)
    drawn = uniform_array(seed, stream, step, indices)
    assert [uniform_scalar(seed_word(seed), stream, step, index) for index in indices] == drawn.tolist()
    assert ((drawn >= 0) & (drawn < 1)).all()


def test_first_step_is_splitmix64() -> None:
    # the published sequence of SplitMix64 from state 0 begins with e220a8397b1dcdaf: stream 0 of seed 0 starts there,
    # and step and index hash it twice more in the same way
    word, mask = 0, 2**64 - 1
    firsts = []
    for counter in (0, 0, 0):
        word = (word + 0x9E3779B97F4A7C15 * (counter + 1)) & mask
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
        word ^= word >> 31
        firsts.append(word)
    assert firsts[0] == 0xE220A8397B1DCDAF
    assert uniform_array(0, 0, 0, np.array([0]))[0] == (firsts[2] >> 11) * 2.0**-53


def test_a_number_depends_on_its_counters_alone() -> None:
    drawn = uniform_array(7, 1, 3, np.arange(10))
    np.testing.assert_array_equal(uniform_array(7, 1, 3, np.array([[9, 2], [4, 4]])), drawn[[[9, 2], [4, 4]]])
    np.testing.assert_array_equal(uniform_array(7 + 2**64, 1, 3, np.arange(10)), drawn)
    for other in (uniform_array(8, 1, 3, np.arange(10)), uniform_array(7, 2, 3, np.arange(10))):
        assert (other != drawn).all()


@pytest.mark.parametrize("axis", ["seed", "stream", "step", "index"])
def test_numbers_are_evenly_spread_along_every_counter(axis: str) -> None:
    drawn = along(axis)
    counts = np.bincount((drawn * 64).astype(int), minlength=64)
    statistic = ((counts - COUNT / 64) ** 2 / (COUNT / 64)).sum()
    assert chi2.ppf(0.0005, 63) < statistic < chi2.ppf(0.9995, 63)
    assert drawn.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * COUNT))


@pytest.mark.parametrize("axis", ["seed", "stream", "step", "index"])
def test_neighbouring_counters_are_uncorrelated(axis: str) -> None:
    drawn = along(axis)
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]) < 4 / np.sqrt(COUNT)


def test_streams_and_steps_are_uncorrelated_over_the_same_indices() -> None:
    indices = np.arange(COUNT)
    drawn = [uniform_array(3, stream, step, indices) for stream in range(3) for step in range(3)]
    correlation = np.corrcoef(drawn) - np.eye(len(drawn))
    assert np.abs(correlation).max() < 4 / np.sqrt(COUNT)


def along(axis: str) -> np.ndarray:
    """Return numbers along one counter while the others stay."""
    if axis == "index":
        return uniform_array(1, 2, 3, np.arange(COUNT))
    counters = {"seed": 1, "stream": 2, "step": 3}
    drawn = []
    for value in range(COUNT):
        counters[axis] = value
        drawn.append(uniform_scalar(seed_word(counters["seed"]), counters["stream"], counters["step"], 5))
    return np.array(drawn)
