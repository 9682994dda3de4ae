"""Random numbers by counter: a number depends on a seed, a stream, a step and an index, and on nothing else.

NumPy and compiled code draw the same numbers, bit for bit, in any order, and skipping a draw changes no other. The hash
is the finaliser of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"), applied once
for each of stream, step and index after it was added times the odd constant nearest to 2^64 over the golden ratio.
A part that draws names its streams as module constants.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
_ONE = np.uint64(1)
_MANTISSA = np.uint64(11)
_SCALE = 2.0**-53
_WORD = 2**64 - 1


def seed_word(seed: int) -> np.uint64:
    """Return the 64 bits of a seed that the functions of this module take."""
    return np.uint64(seed & _WORD)


def uniform_array(seed: int, stream: int, step: int, indices: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return numbers in [0, 1), one per index, in the indices' shape.

    Args:
        seed: any whole number; its lowest 64 bits count.
        stream: what is drawn, >= 0.
        step: when, >= 0.
        indices: for whom, >= 0.
    """
    word = np.array([seed & _WORD], np.uint64)
    for counter in (stream, step):
        word = _mixed(word + _GOLDEN * np.array([counter + 1], np.uint64))
    hashed = _mixed(word + _GOLDEN * (np.asarray(indices).astype(np.uint64) + _ONE))
    return (hashed >> _MANTISSA).astype(np.float64) * _SCALE


@njit(cache=True, fastmath=False)
def uniform_scalar(seed, stream, step, index):  # type: ignore[no-untyped-def]  # numba infers the types
    """Return the number in [0, 1) that `uniform_array` has for this index; the seed comes from `seed_word`."""
    word = _mixed_scalar(np.uint64(seed) + _GOLDEN * (np.uint64(stream) + _ONE))
    word = _mixed_scalar(word + _GOLDEN * (np.uint64(step) + _ONE))
    word = _mixed_scalar(word + _GOLDEN * (np.uint64(index) + _ONE))
    return np.float64(word >> _MANTISSA) * _SCALE


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> _SHIFT_1)) * _MULTIPLIER_1
    word = (word ^ (word >> _SHIFT_2)) * _MULTIPLIER_2
    return word ^ (word >> _SHIFT_3)


@njit(cache=True, fastmath=False)
def _mixed_scalar(word):  # type: ignore[no-untyped-def]  # numba infers the types
    word = (word ^ (word >> _SHIFT_1)) * _MULTIPLIER_1
    word = (word ^ (word >> _SHIFT_2)) * _MULTIPLIER_2
    return word ^ (word >> _SHIFT_3)
