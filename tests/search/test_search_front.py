"""Fronts and hypervolume against slow, readable references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraft.search import crowding, front_hypervolume, hypervolume, non_dominated, ranks

# few distinct values, so that ties and copies are common
GRID = st.integers(0, 6).map(lambda number: number / 5)


def points(objectives: int, most: int = 12) -> st.SearchStrategy[np.ndarray]:
    return st.integers(0, most).flatmap(lambda n: arrays(np.float64, (n, objectives), elements=GRID))


any_points = st.integers(1, 4).flatmap(points)


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.all(a <= b) and np.any(a < b))


def slow_non_dominated(rows: np.ndarray) -> list[bool]:
    return [
        not any(dominates(other, row) for other in rows) and not any(np.array_equal(row, other) for other in rows[:i])
        for i, row in enumerate(rows)
    ]


def slow_volume(rows: np.ndarray, reference: float) -> float:
    """Sum over all boxes between neighbouring coordinates those that some point dominates."""
    axes = [np.unique([*column[column < reference], reference]) for column in rows.T]
    total = 0.0
    for cell in itertools.product(*(range(len(axis) - 1) for axis in axes)):
        low = np.array([axis[i] for axis, i in zip(axes, cell, strict=True)])
        high = np.array([axis[i + 1] for axis, i in zip(axes, cell, strict=True)])
        if any(np.all(row <= low) for row in rows):
            total += float(np.prod(high - low))
    return total


@given(any_points)
def test_non_dominated_equals_the_definition_and_keeps_the_first_of_equals(rows: np.ndarray) -> None:
    assert non_dominated(rows).tolist() == slow_non_dominated(rows)


@given(any_points)
def test_ranks_peel_one_front_after_the_other(rows: np.ndarray) -> None:
    found = ranks(rows)
    for i, row in enumerate(rows):
        above = [found[j] for j, other in enumerate(rows) if dominates(other, row)]
        assert found[i] == (max(above) + 1 if above else 0)


@given(st.integers(1, 3).flatmap(lambda m: points(m, 6)))
def test_hypervolume_equals_the_sum_of_boxes(rows: np.ndarray) -> None:
    assert hypervolume(rows, [1.0] * rows.shape[1]) == pytest.approx(slow_volume(rows, 1.0), abs=1e-12)


@given(points(2), points(2))
def test_more_points_never_lower_the_hypervolume(rows: np.ndarray, more: np.ndarray) -> None:
    together = np.vstack([rows, more])
    assert hypervolume(together, (1, 1)) >= hypervolume(rows, (1, 1)) - 1e-12
    front = together[non_dominated(together)]
    assert hypervolume(front, (1, 1)) == pytest.approx(hypervolume(together, (1, 1)), abs=1e-12)


def test_crowding_is_infinite_at_the_ends_and_the_relative_gap_between() -> None:
    line = np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [2.0, 2.0]])
    assert crowding(line).tolist() == [np.inf, pytest.approx(1.0), np.inf, pytest.approx(1.5)]
    assert crowding(np.zeros((0, 2))).tolist() == []
    assert crowding(np.array([[1.0, 2.0]])).tolist() == [np.inf]
    assert np.isinf(crowding(np.ones((3, 2)))).any()


def test_the_hypervolume_of_a_search_is_as_the_interface_defines_it() -> None:
    # one candidate of error 0.25 in the middle of the logarithmic range: 0.75 x 0.5
    assert front_hypervolume([0.25], [1000.0], 100.0, 10_000.0) == pytest.approx(0.375)
    # errors are clipped to [0, 1]: the first counts as 0, the second nothing
    assert front_hypervolume([-0.5, 3.0], [100.0, 100.0], 100.0, 10_000.0) == pytest.approx(1.0)
    # the largest candidate lies on the reference
    assert front_hypervolume([0.0], [10_000.0], 100.0, 10_000.0) == 0.0
    assert front_hypervolume([0.25], [100.0], 100.0, 100.0) == pytest.approx(0.75)
    assert front_hypervolume([], [], 100.0, 10_000.0) == 0.0
