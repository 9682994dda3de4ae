from __future__ import annotations

import numpy as np
import pytest

from netgraft.lifecycle.slicing.statistics import interval, smoothed, tail, tail_points
from netgraft.seeds import generator


def test_interval_of_a_constant_is_the_constant() -> None:
    assert interval(np.full((2, 300), 0.25)) == {"mean": 0.25, "low": 0.25, "high": 0.25}


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = generator(1, "coverage")
    series = rng.normal(size=(200, 3, 1_000))
    found = [interval(each, block=20) for each in series]
    assert np.mean([each["low"] <= 0 <= each["high"] for each in found]) == pytest.approx(0.95, abs=0.04)


def test_blocks_see_that_neighbours_are_alike() -> None:
    rng = generator(2, "blocks")
    alike = np.repeat(rng.normal(size=(1, 40)), 25, axis=1)  # each value stays for 25 periods
    width = {block: interval(alike, block=block) for block in (1, 25)}
    assert width[25]["high"] - width[25]["low"] > 3 * (width[1]["high"] - width[1]["low"])


def test_interval_of_fewer_periods_than_a_block() -> None:
    assert interval(np.array([[0.0, 1.0], [1.0, 2.0]])) == {"mean": 1.0, "low": 0.5, "high": 1.5}


def test_curve_is_the_mean_of_the_steps_before() -> None:
    series = np.stack([np.arange(1.0, 101.0), np.arange(1.0, 101.0) + 2])
    curve = smoothed(series)
    assert curve["step"] == list(range(1, 101))
    assert curve["reward"][9] == pytest.approx(np.arange(1, 11).mean() + 1)
    assert curve["reward"][-1] == pytest.approx(np.arange(51, 101).mean() + 1)
    assert (curve["low"][-1], curve["high"][-1]) == (75.5, 77.5)


def test_curve_has_few_points() -> None:
    curve = smoothed(np.zeros((1, 8_500)))
    assert len(curve["step"]) == 300
    assert (curve["step"][0], curve["step"][-1]) == (1, 8_500)


def test_tail_is_the_share_above() -> None:
    values = np.array([[0.1, 0.5], [0.5, 0.9]])
    assert tail(values, np.array([0.0, 0.5, 0.9])) == {"x": [0.0, 0.5, 0.9], "y": [1.0, 0.25, 0.0]}


def test_points_of_a_tail() -> None:
    points = tail_points(np.array([1.0, 3.0]), low=0.0)
    assert points[0] == 0
    assert points[-1] == pytest.approx(2.99)
    assert tail_points(np.array([1.0, 3.0]), low=0.0, high=1.0)[-1] == 1
