"""The common grid: what is lost, what planes keep, what a description must say."""

from __future__ import annotations

import json
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from netgraft.errors import ModelError
from netgraft.runtime import Grid, dequantise, fit_grid, quantise

numbers = hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-8, 8, width=32))


@given(numbers, st.integers(1, 12))
def test_a_number_is_found_again_within_its_interval(values: np.ndarray, planes: int) -> None:
    grid = fit_grid([values], planes)
    codes = quantise(values, grid.step, planes)
    assert codes.dtype == np.int32
    assert np.abs(codes).max() < 2**planes
    found = dequantise(codes, grid, 0)
    assert found.dtype == np.float32
    assert np.abs(found - values).max() <= grid.step * (1 + 1e-5)
    assert ((found == 0) | (np.sign(found) == np.sign(values))).all()


@given(numbers, st.integers(0, 8))
def test_lower_planes_change_nothing_of_what_higher_ones_say(values: np.ndarray, lowest: int) -> None:
    grid = fit_grid([values])
    codes = quantise(values, grid.step, grid.planes)
    kept = np.sign(codes) * (np.abs(codes) >> lowest << lowest)
    np.testing.assert_array_equal(dequantise(codes, grid, lowest), dequantise(kept, grid, lowest))
    whole = np.abs(dequantise(codes, grid, lowest)) / (grid.step * 2.0**lowest)
    np.testing.assert_array_equal(np.floor(whole + 1e-6).astype(int), np.abs(codes) >> lowest)


@given(numbers, st.data())
def test_each_number_may_have_a_lowest_plane_of_its_own(values: np.ndarray, data: st.DataObject) -> None:
    grid = fit_grid([values], 6)
    codes = quantise(values, grid.step, 6)
    lowest = data.draw(hnp.arrays(np.int64, len(values), elements=st.integers(0, 6)))
    found = dequantise(codes, grid, lowest)
    expected = [dequantise(codes[i : i + 1], grid, int(lowest[i]))[0] for i in range(len(codes))]
    np.testing.assert_array_equal(found, expected)


def test_values_follow_from_the_formula() -> None:
    grid = Grid(0.5, 3, ((0.4, 0.5), (0.3, 0.45), (0.2, 0.5)))
    np.testing.assert_allclose(grid.levels(0), np.float32([0, 0.7, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75]))
    np.testing.assert_allclose(grid.levels(1), np.float32([0, 1.3, 2.45, 3.45]))
    np.testing.assert_allclose(grid.levels(2), np.float32([0, 2.4]))
    np.testing.assert_array_equal(grid.levels(3), [0])
    np.testing.assert_allclose(dequantise(np.array([[-5, 2], [0, 7]]), grid, 1), [[-2.45, 1.3], [0, 3.45]])


def test_centroids_are_the_means_of_intervals() -> None:
    grid = fit_grid([np.array([1.25, -1.75, 3.9]), np.array([2.5])], 2, step=1.0)
    assert grid == Grid(1.0, 2, ((0.5, 0.7), (0.6, 0.5)))


def test_nothing_but_zeros_has_a_grid() -> None:
    assert fit_grid([np.zeros(3)]).step == 1.0
    assert fit_grid([]).planes == 8


def test_the_largest_number_fills_the_grid() -> None:
    values = np.float32([-2, 1.999, 0.0078])
    grid = fit_grid([values])
    assert quantise(values, grid.step, 8).tolist() == [-255, 255, 0]


def test_json_gives_the_grid_back() -> None:
    grid = fit_grid([np.linspace(-1, 2, 50)])
    assert Grid.from_json(json.loads(json.dumps(grid.to_json()))) == grid


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"step": 0.0}, "a grid must have a step > 0, got 0.0"),
        ({"step": float("inf")}, "a grid must have a step > 0, got inf"),
        ({"planes": 0, "centroids": []}, "a grid must have 1 to 15 planes, got 0"),
        ({"planes": 16}, "a grid must have 1 to 15 planes, got 16"),
        ({"planes": 2}, "a grid must have centroids for 2 planes, got 1"),
        ({"centroids": [[0.5, 1.0]]}, "a centroid must be two numbers between 0 and 1"),
        ({"centroids": [[0.5]]}, "a grid must have centroids in pairs of numbers"),
        ({"centroids": [["x", 0.5]]}, "a grid must have centroids in pairs of numbers"),
        ({"centroids": 3}, "a grid must have a number as step, a whole number of planes and a list of centroids"),
        ({"step": True}, "a grid must have a number as step"),
        ({"planes": 1.0}, "a grid must have a number as step, a whole number of planes"),
        ({"more": 1}, "a grid must have a step, planes and centroids"),
    ],
)
def test_a_description_is_checked(changes: dict, text: str) -> None:
    with pytest.raises(ModelError, match=re.escape(text)):
        Grid.from_json({"step": 1.0, "planes": 1, "centroids": [[0.5, 0.5]]} | changes)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ModelError, match="must be finite to be put on a grid"):
        fit_grid([np.array([1.0, np.nan])])
    with pytest.raises(ModelError, match="a grid must have 1 to 15 planes, got 20"):
        fit_grid([np.ones(1)], 20)
    with pytest.raises(ModelError, match=r"a grid must have a step > 0, got -1.0"):
        fit_grid([np.ones(1)], step=-1.0)
    with pytest.raises(ModelError, match="a lowest plane must be from 0 to 8, got 9"):
        dequantise(np.ones(1, np.int32), fit_grid([np.ones(1)]), 9)
    with pytest.raises(ModelError, match="a centroid must be two numbers between 0 and 1"):
        Grid(1.0, 1, ((0.5, 0.5, 0.5),))  # type: ignore[arg-type]
