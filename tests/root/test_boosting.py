"""Boosted trees as flat arrays say what LightGBM says, and stop when they should."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.errors import SettingError
from netgraft.root.boosting import (
    GrownTrees,
    category_order,
    fit_booster_importance,
    fit_trees,
    fixed_feature,
    round_down,
    teacher_outputs,
    tree_edges,
)
from netgraft.runtime import Inputs
from netgraft.runtime.trees import check_arrays


def rows(n: int, numeric: int, slots: tuple[int, ...], outputs: int, seed: int) -> tuple[Inputs, np.ndarray]:
    """Return encoded rows whose target depends on thresholds, a wave and every category."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, numeric)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = 0
    codes = np.stack([rng.integers(0, count, n) for count in slots], axis=1) if slots else np.zeros((n, 0), np.int64)
    truth = (values[:, 0] > 0.25) + np.sin(values[:, -1]) + 0.1 * rng.normal(size=n)
    for j, count in enumerate(slots):
        truth += rng.normal(size=count)[codes[:, j]]
    standard = ((truth - truth.mean()) / truth.std()).astype(np.float32)
    y = standard if outputs == 1 else np.searchsorted(np.quantile(truth, np.arange(1, outputs) / outputs), truth)
    return Inputs(values, codes), y


def grow(
    outputs: int, n: int = 600, slots: tuple[int, ...] = (7, 3), seed: int = 0, **changes: object
) -> tuple[GrownTrees, Inputs, np.ndarray]:
    inputs, y = rows(n, 4, slots, outputs, seed)
    given_: dict = {"train": np.arange(n * 3 // 4), "validation": np.arange(n * 3 // 4, n), "rounds": 40, "seed": seed}
    kind = "regression" if outputs == 1 else "classification"
    return fit_trees(inputs, y, kind=kind, outputs=outputs, slots=slots, **(given_ | changes)), inputs, y


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([1, 2, 3, 6]), st.sampled_from([(), (5,), (4, 30)]), st.integers(0, 1000))
def test_flat_arrays_add_up_to_what_the_booster_says(outputs: int, slots: tuple[int, ...], seed: int) -> None:
    grown, inputs, _ = grow(outputs, 300, slots, seed, rounds=15)
    check_arrays(grown.trees.tensors, 4, slots, outputs)
    expected = teacher_outputs(grown, inputs)
    found = grown.trees.outputs(inputs)[:, 0]
    assert found.shape == (300, outputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("outputs", [1, 2, 4])
def test_trees_learn(outputs: int) -> None:
    grown, inputs, y = grow(outputs, 3000, rounds=None)
    held_out = slice(2250, None)
    found = teacher_outputs(grown, inputs)[held_out]
    if outputs == 1:
        assert ((found[:, 0] - y[held_out]) ** 2).mean() < 0.1
    else:
        assert (found.argmax(axis=1) == y[held_out]).mean() > (0.9 if outputs == 2 else 0.75)


def test_same_rows_and_seed_give_the_same_trees() -> None:
    first, second = grow(3)[0], grow(3)[0]
    for name, value in first.trees.tensors.items():
        np.testing.assert_array_equal(value, second.trees.tensors[name])


def test_two_classes_share_one_empty_leaf() -> None:
    tensors = grow(2)[0].trees.tensors
    assert (tensors["root"][::2] == 0).all()
    assert (tensors["feature"][0], tensors["value"][0]) == (-1, 0)


def test_without_validation_rows_the_rounds_are_fixed() -> None:
    assert grow(1, validation=np.zeros(0, np.int64), rounds=None)[0].rounds == 200
    assert grow(1, validation=np.zeros(0, np.int64), rounds=320, n=60)[0].rounds == 320


def test_deadline_ends_the_growth_and_keeps_the_best_round() -> None:
    ticks = itertools.count()
    grown = grow(1, deadline=5.0, clock=lambda: float(next(ticks)))[0]
    assert 1 <= grown.rounds <= 7
    late = grow(1, validation=np.zeros(0, np.int64), deadline=-1.0, clock=lambda: 0.0)[0]
    assert late.rounds == 1


def test_constant_target_gives_a_constant() -> None:
    inputs, _ = rows(40, 2, (), 1, 0)
    every = np.arange(40)
    grown = fit_trees(
        inputs,
        np.full(40, 3.0, np.float32),
        kind="regression",
        outputs=1,
        slots=(),
        train=every,
        validation=every,
        seed=0,
    )
    np.testing.assert_allclose(grown.trees.outputs(inputs)[:, 0, 0], 3.0, rtol=1e-6)
    assert len(tree_edges(grown, 0, 8)) == 0


def test_twenty_rows_and_an_unused_class_are_enough() -> None:
    inputs, y = rows(20, 2, (3,), 2, 0)
    grown = fit_trees(
        inputs,
        y,
        kind="classification",
        outputs=4,
        slots=(3,),
        train=np.arange(15),
        validation=np.arange(15, 20),
        seed=0,
    )
    assert np.isfinite(grown.trees.outputs(inputs)).all()


def test_row_weights_count() -> None:
    inputs, y = rows(400, 2, (), 1, 0)
    flipped = np.where(np.arange(400) % 2, y, -y)
    weights = (np.arange(400) % 2).astype(np.float32) + 1e-6
    grown = grow_weighted(inputs, flipped, weights)
    assert np.corrcoef(teacher_outputs(grown, inputs)[:, 0], y)[0, 1] > 0.9


def grow_weighted(inputs: Inputs, y: np.ndarray, weights: np.ndarray) -> GrownTrees:
    every = np.arange(len(y))
    return fit_trees(
        inputs,
        y,
        kind="regression",
        outputs=1,
        slots=(),
        train=every,
        validation=every,
        weights=weights,
        seed=0,
        rounds=50,
    )


def test_importance_is_the_gain_of_each_feature() -> None:
    grown, _, _ = grow(1)
    importance = fit_booster_importance(grown)
    assert importance.shape == (6,)
    assert importance[0] > importance[1]
    booster_gain = grown._booster.feature_importance("gain", iteration=grown.rounds)
    np.testing.assert_allclose(importance, booster_gain, rtol=1e-4)


def test_edges_hold_the_threshold_that_matters() -> None:
    grown, _, _ = grow(1, 3000)
    edges = tree_edges(grown, 0, 4)
    assert edges.dtype == np.float32
    assert 1 <= len(edges) <= 3
    assert (np.diff(edges) > 0).all()
    assert np.abs(edges - 0.25).min() < 0.02


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(width=32, allow_nan=False))
def test_rounding_down_keeps_every_comparison(threshold: float, x: float) -> None:
    rounded = float(round_down(np.array([threshold]))[0])
    assert rounded <= threshold
    assert (x <= threshold) == (x <= rounded)


def test_codes_are_read_as_smoothed_means_and_unseen_ones_as_the_mean() -> None:
    codes = np.array([[1], [1], [1], [2], [2], [2]])
    inputs = Inputs(np.zeros((6, 0), np.float32), codes)
    y = np.array([1, 1, 1, -1, -1, -1], np.float32)
    order = category_order(inputs, y, kind="regression", outputs=1, slots=(4,), train=np.arange(6))
    np.testing.assert_allclose(order, [0, 3 / 13, -3 / 13, 0], atol=1e-6)


def test_codes_of_many_classes_are_ordered_by_what_separates_them() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 5, (4000, 1))
    y = np.where(codes[:, 0] <= 2, rng.integers(0, 2, 4000), rng.integers(2, 4, 4000))
    inputs = Inputs(np.zeros((4000, 0), np.float32), codes)
    order = category_order(inputs, y, kind="classification", outputs=4, slots=(5,), train=np.arange(4000))
    low, high = sorted([order[1:3], order[3:5]], key=lambda pair: pair.mean())
    assert low.max() < order[0] < high.min()


def test_no_train_rows_are_refused() -> None:
    with pytest.raises(SettingError, match="boosted trees require at least 1 train row, got 0"):
        grow(1, train=np.zeros(0, np.int64))


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_a_fixed_feature_is_read_as_its_value(outputs):
    rng = np.random.default_rng(outputs)
    x = rng.normal(size=(400, 4)).astype(np.float32)
    codes = rng.integers(0, 4, (400, 1))
    y = x[:, 0] * (x[:, 2] > 0) + x[:, 2] + codes[:, 0]
    kind = "regression" if outputs == 1 else "classification"
    target = y.astype(np.float32) if outputs == 1 else np.digitize(y, np.quantile(y, np.arange(1, outputs) / outputs))
    grown = fit_trees(
        Inputs(x, codes), target, kind=kind, outputs=outputs, slots=(4,), train=np.arange(400),
        validation=np.zeros(0, np.int64), seed=0, rounds=8,
    )  # fmt: skip
    assert (grown.split_feature == 2).any()
    for value in (-0.7, 0.9):
        full = x.copy()
        full[:, 2] = value
        fixed = fixed_feature(grown.trees, 2, value)
        less = Inputs(np.delete(x, 2, axis=1), codes)
        np.testing.assert_array_equal(fixed.outputs(less), grown.trees.outputs(Inputs(full, codes)))
