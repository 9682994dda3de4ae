"""Which point is picked, and how a stack is weighted."""

from __future__ import annotations

import numpy as np
import pytest

from netgraft.lifecycle.points import Point, equal_weights
from netgraft.lifecycle.search import picked_id


def point(name: str, family: str, error: float, size: float = 100.0) -> Point:
    return Point(name, family, None, None, {"error": error, "size": size}, np.zeros((1, 1), np.float32), {})


def test_the_least_error_is_picked_and_of_equal_ones_the_smallest():
    assert picked_id([point("a", "network", 0.2), point("b", "trees", 0.1)]) == "b"
    assert picked_id([point("a", "network", 0.1, 50), point("b", "network", 0.1, 40)]) == "b"


@pytest.mark.parametrize(("error", "picked"), [(0.1, "stack"), (0.1019, "stack"), (0.1021, "a")])
def test_a_stack_is_picked_when_it_is_as_good(error, picked):
    assert picked_id([point("a", "network", 0.1), point("stack", "stack", error)]) == picked


def test_equal_weights_go_to_the_best_network_and_comparable_trees():
    points = [
        point("a", "network", 0.1),
        point("b", "network", 0.11),
        point("t", "trees", 0.12),
        point("l", "linear", 0.1),
    ]
    assert equal_weights(points, on_folds=False).tolist() == [0.5, 0, 0.5, 0]
    assert equal_weights(points, on_folds=True) == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    points[2] = point("t", "trees", 0.2)
    assert equal_weights(points, on_folds=False).tolist() == [1, 0, 0, 0]
