"""Trees walked in blocks against a tree walked by hand, and arrays that must be refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.errors import ModelError
from netgraft.runtime import Inputs, Trees, trees
from netgraft.runtime.trees import check_arrays, forward, tree_features


def arrays(seed: int, count: int, slots: tuple[int, ...] = (3,), numeric: int = 2) -> dict[str, np.ndarray]:
    """Return random trees over numeric features and one code column."""
    rng = np.random.default_rng(seed)
    root, feature, value, left = [], [], [], []
    for _ in range(count):
        root.append(len(feature))
        leaves = [len(feature)]
        feature.append(-1)
        value.append(rng.normal())
        left.append(0)
        for _ in range(rng.integers(0, 5)):
            node = leaves.pop(int(rng.integers(len(leaves))))
            feature[node], left[node] = int(rng.integers(numeric + len(slots))), len(feature)
            leaves += [len(feature), len(feature) + 1]
            feature += [-1, -1]
            value += rng.normal(size=2).tolist()
            left += [0, 0]
    return {
        "root": np.array(root, np.int32),
        "feature": np.array(feature, np.int16),
        "value": np.array(value, np.float32),
        "left": np.array(left, np.int32),
        "order": rng.normal(size=sum(slots)).astype(np.float32),
    }


def by_hand(tensors: dict[str, np.ndarray], row: np.ndarray, outputs: int) -> np.ndarray:
    total = np.zeros(outputs)
    for i, node in enumerate(tensors["root"].tolist()):
        while tensors["feature"][node] >= 0:
            right = row[tensors["feature"][node]] > tensors["value"][node]
            node = int(tensors["left"][node]) + int(right)  # noqa: PLW2901
        total[i % outputs] += tensors["value"][node]
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(0, 4))
def test_sum_of_trees_is_that_of_each_walk(seed: int, outputs: int, rounds: int) -> None:
    tensors = arrays(seed, rounds * outputs)
    check_arrays(tensors, 2, (3,), outputs)
    rng = np.random.default_rng(seed)
    inputs = Inputs(rng.normal(size=(7, 2)).astype(np.float32), rng.integers(0, 3, (7, 1)))
    features = tree_features(tensors["order"], (3,), inputs)
    assert features.shape == (7, 3)
    expected = [by_hand(tensors, row, outputs) for row in features]
    np.testing.assert_allclose(forward(tensors, (3,), outputs, inputs), expected, rtol=1e-5, atol=1e-6)


def test_blocks_of_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = arrays(0, 6)
    rng = np.random.default_rng(0)
    inputs = Inputs(rng.normal(size=(50, 2)).astype(np.float32), rng.integers(0, 3, (50, 1)))
    whole = Trees((3,), 2, tensors).outputs(inputs)
    assert whole.shape == (50, 1, 2)
    monkeypatch.setattr(trees, "_BLOCK", 20)
    np.testing.assert_array_equal(Trees((3,), 2, tensors).outputs(inputs), whole)
    assert Trees((3,), 2, tensors).outputs(inputs.take(slice(0, 0))).shape == (0, 1, 2)


STUMP = {
    "root": np.array([0], np.int32),
    "feature": np.array([0, -1, -1], np.int16),
    "value": np.array([0, 1, 2], np.float32),
    "left": np.array([1, 0, 0], np.int32),
    "order": np.zeros(3, np.float32),
}


@pytest.mark.parametrize(
    ("changes", "outputs", "text"),
    [
        ({"root": np.array([0.0])}, 1, "the array 'root' in one dimension of the right type"),
        ({"root": np.array([0, 0], np.int32)}, 3, "arrays of 3 nodes and a multiple of 3 trees, got 2"),
        ({"value": np.zeros(2, np.float32)}, 1, "arrays of 3 nodes"),
        ({"order": np.zeros(2, np.float32)}, 1, "an order of 3 codes, got 2"),
        ({"feature": np.array([2, -1, -1], np.int16)}, 1, "later nodes and features below 2"),
        ({"left": np.array([0, 0, 0], np.int32)}, 1, "later nodes and features below 2"),
        ({"left": np.array([2, 0, 0], np.int32)}, 1, "later nodes and features below 2"),
        ({"root": np.array([0, 0, 3], np.int32)}, 1, "a tree's root must be from 0 to 2, got 0 to 3"),
        ({"root": np.array([0, -1, 0], np.int32)}, 1, "a tree's root must be from 0 to 2, got -1 to 0"),
    ],
)
def test_damaged_arrays_are_refused(changes: dict[str, np.ndarray], outputs: int, text: str) -> None:
    check_arrays(STUMP, 1, (3,), 1)
    with pytest.raises(ModelError, match=text):
        check_arrays(STUMP | changes, 1, (3,), outputs)


def test_missing_array_is_named() -> None:
    with pytest.raises(ModelError, match="trees must have the array 'left'"):
        check_arrays({name: value for name, value in STUMP.items() if name != "left"}, 1, (3,), 1)
