"""The mixture of learners: weights on validation rows, half of them equal ones of all that are about as good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.lifecycle.learners import Learner, make_learner
from netgraft.lifecycle.teacher import mixture
from netgraft.root import Data, Fold, fold_weights
from netgraft.runtime import Inputs
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import softmax

ROWS, FOLDS = 120, 3


def regression(seed: int, row_weights: FloatArray | None = None) -> Data:
    """Return rows whose target is noise, in folds that judge a third each and one that trains on all."""
    rng = np.random.default_rng(seed)
    return _data(rng, rng.normal(0, 1, ROWS).astype(np.float32), 1, row_weights)


def classification(seed: int) -> Data:
    """Return the same with three classes."""
    rng = np.random.default_rng(seed)
    return _data(rng, rng.integers(0, 3, ROWS), 3, None)


def _data(rng: np.random.Generator, target: np.ndarray, outputs: int, row_weights: FloatArray | None) -> Data:
    def error(mixed: FloatArray, rows: np.ndarray) -> float:
        wrong = mixed.argmax(axis=1) != target[rows] if outputs > 1 else (mixed[:, 0] - target[rows]) ** 2
        return float(np.average(wrong, weights=None if row_weights is None else row_weights[rows]))

    parts = np.array_split(rng.permutation(ROWS), FOLDS)
    folds = [Fold(np.setdiff1d(np.arange(ROWS), part), np.sort(part)) for part in parts]
    folds.append(Fold(np.arange(ROWS), np.zeros(0, np.int64)))
    inputs = Inputs(np.arange(ROWS, dtype=np.float32)[:, None], np.zeros((ROWS, 0), np.int64))
    weights = fold_weights(ROWS, tuple(folds), row_weights)
    return Data(inputs, target, outputs, (), weights, tuple(folds), error, row_weights)


def saying(data: Data, name: str, said: np.ndarray) -> Learner:
    """Return a learner that says the same of a row in every fold, [n, c]."""
    table = np.asarray(said, np.float32).reshape(ROWS, -1)
    return make_learner(name, data, lambda inputs, _: table[inputs.numeric[:, 0].astype(int)], uses_source=False)


def noisy(data: Data, seed: int, *noise: float) -> list[Learner]:
    """Return learners that are wrong by independent noise."""
    rng = np.random.default_rng(seed)
    return [saying(data, str(i), data.target + rng.normal(0, each, ROWS)) for i, each in enumerate(noise)]


def mixed_error(data: Data, learners: list[Learner], weights: FloatArray) -> float:
    rows = np.concatenate([fold.validation for fold in data.folds])
    outputs = [softmax(each.outputs) if data.is_classification else each.outputs for each in learners]
    return data.error(np.asarray(sum(w * o for w, o in zip(weights, outputs, strict=True))), rows)


def test_outputs_and_error_of_a_learner_are_those_of_the_fold_that_did_not_train_on_the_row() -> None:
    data = regression(0)
    learner = make_learner("f", data, lambda inputs, f: np.full((len(inputs), 1), f, np.float32), uses_source=True)
    sizes = [len(fold.validation) for fold in data.folds]
    np.testing.assert_array_equal(learner.outputs[:, 0], np.repeat(np.arange(FOLDS + 1), sizes))
    rows = np.concatenate([fold.validation for fold in data.folds])
    assert learner.error == pytest.approx(float(np.mean((learner.outputs[:, 0] - data.target[rows]) ** 2)))
    assert learner.uses_source
    assert learner.is_finite
    assert not replace(learner, outputs=np.array([[np.inf]], np.float32)).is_finite


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.lists(st.floats(0.1, 2), min_size=1, max_size=8), st.booleans())
def test_weights_are_shares_none_of_them_tiny(seed: int, noise: list[float], classes: bool) -> None:
    if classes:
        data = classification(seed)
        rng = np.random.default_rng(seed)
        right = np.eye(3)[data.target]
        learners = [saying(data, str(i), 2 * right + rng.normal(0, each, (ROWS, 3))) for i, each in enumerate(noise)]
    else:
        data = regression(seed)
        learners = noisy(data, seed, *noise)
    weights = mixture(data, learners)
    assert weights.dtype == np.float32
    assert weights.shape == (len(noise),)
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert np.all((weights == 0) | (weights >= 0.03))


def test_one_learner_is_all() -> None:
    data = regression(0)
    np.testing.assert_array_equal(mixture(data, noisy(data, 0, 0.5)), [1])


def test_a_learner_that_is_right_keeps_all_where_no_other_is_comparable() -> None:
    data = regression(0)
    learners = noisy(data, 0, 1.0, 1e-4, 1.0)
    np.testing.assert_array_equal(mixture(data, learners), [0, 1, 0])


def test_comparable_learners_share_half_whatever_the_blend_chooses() -> None:
    data = regression(0)
    (first,) = noisy(data, 0, 0.5)
    weights = mixture(data, [first, replace(first, name="twin"), replace(first, name="third")])
    np.testing.assert_allclose(weights, [4 / 6, 1 / 6, 1 / 6], rtol=1e-6)  # the blend takes the first of equal ones


def test_comparable_is_an_error_of_at_most_thirty_percent_more() -> None:
    data = regression(0)
    (best,) = noisy(data, 0, 0.5)
    for factor, expected in ((1.29, [0.75, 0.25]), (1.31, [1.0, 0.0])):
        worse = replace(best, name="worse", error=factor * best.error)
        np.testing.assert_allclose(mixture(data, [best, worse]), expected)


def test_a_mixture_of_independent_learners_is_better_than_each() -> None:
    data = regression(1)
    learners = noisy(data, 1, 0.5, 0.5, 0.5, 0.5)
    weights = mixture(data, learners)
    assert np.all(weights > 0)
    assert mixed_error(data, learners, weights) < 0.5 * min(each.error for each in learners)


def test_classes_are_mixed_as_probabilities() -> None:
    data = classification(2)
    rng = np.random.default_rng(2)
    right = np.eye(3)[data.target]
    learners = [
        saying(data, str(i), 2 * right + rng.normal(0, each, (ROWS, 3))) for i, each in enumerate((0.5, 1.0, 3.0))
    ]
    weights = mixture(data, learners)
    assert weights[0] > weights[2]
    shifted = [replace(each, outputs=each.outputs + np.float32(7)) for each in learners]  # the same log odds
    np.testing.assert_allclose(mixture(data, shifted), weights, atol=1e-6)


def test_rows_that_count_more_decide() -> None:
    heavy = np.where(np.arange(ROWS) < ROWS // 2, 100.0, 1.0).astype(np.float32)
    data = regression(3, heavy)
    wrong = np.random.default_rng(3).normal(0, 2, ROWS)
    on_light = saying(data, "right on the heavy rows", data.target + np.where(heavy > 1, 0, wrong))
    on_heavy = saying(data, "right on the light rows", data.target + np.where(heavy > 1, wrong, 0))
    weights = mixture(data, [on_heavy, on_light])
    assert weights[1] > 0.9
    even = mixture(replace(data, row_weights=None), [replace(on_heavy, error=1.0), replace(on_light, error=1.0)])
    assert 0.3 < even[1] < 0.7
