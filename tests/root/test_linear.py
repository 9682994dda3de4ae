"""Linear references against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from netgraft.errors import SettingError
from netgraft.root.linear import fit_linear
from netgraft.runtime import Inputs, Network
from netgraft.runtime.model import softmax
from netgraft.runtime.network import check_tensors

NONE = np.zeros(0, np.int64)


def rows(n: int, slots: tuple[int, ...], seed: int = 0) -> tuple[Inputs, np.random.Generator]:
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, count, n) for count in slots], axis=1) if slots else np.zeros((n, 0), np.int64)
    return Inputs(rng.normal(size=(n, 3)).astype(np.float32), codes), rng


def fit(inputs: Inputs, y: np.ndarray, outputs: int, slots: tuple[int, ...], **changes: object) -> Network:
    n = len(y)
    given: dict = {"train": np.arange(n * 3 // 4), "validation": np.arange(n * 3 // 4, n), "seed": 0}
    kind = "regression" if outputs == 1 else "classification"
    network = fit_linear(inputs, y, kind=kind, outputs=outputs, slots=slots, **(given | changes))
    check_tensors(network.architecture, network.tensors)
    assert (network.architecture.depth, network.architecture.basis) == (0, "linear")
    return network


def test_ridge_finds_a_linear_law_with_categories() -> None:
    inputs, rng = rows(2000, (5, 3))
    effect = rng.normal(size=5)
    y = 0.5 + inputs.numeric @ np.array([1.0, -2.0, 0.0]) + effect[inputs.codes[:, 0]]
    network = fit(inputs, y, 1, (5, 3))
    np.testing.assert_allclose(network.outputs(inputs)[:, 0, 0], y, atol=1e-3)


def test_ridge_shrinks_what_is_noise() -> None:
    inputs, rng = rows(400, (200,))
    y = rng.normal(size=400)
    held_out = np.arange(300, 400)
    predicted = fit(inputs, y, 1, (200,)).outputs(inputs)[held_out, 0, 0]
    assert np.mean((predicted - y[held_out]) ** 2) < 1.1 * y[held_out].var()


def test_ridge_with_weights_equals_repeated_rows() -> None:
    inputs, rng = rows(300, (4,))
    y = rng.normal(size=300)
    weights = rng.integers(1, 4, 300)
    repeated = np.repeat(np.arange(300), weights)
    weighted = fit(inputs, y, 1, (4,), train=np.arange(300), validation=NONE, weights=weights)
    longer = fit(inputs.take(repeated), y[repeated], 1, (4,), train=np.arange(len(repeated)), validation=NONE)
    np.testing.assert_allclose(weighted.outputs(inputs), longer.outputs(inputs), atol=1e-5)


@pytest.mark.parametrize("outputs", [2, 3])
def test_logistic_regression_agrees_with_scikit_learn(outputs: int) -> None:
    inputs, rng = rows(600, ())
    logits = inputs.numeric @ rng.normal(size=(3, outputs))
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    network = fit(inputs, y, outputs, (), train=np.arange(600), validation=NONE)
    # both softmax forms have one minimum; two classes as one logit w = w1 - w0 take twice the penalty's weight off
    strength = 1 / (1e-3 * 600) * (2 if outputs == 2 else 1)
    peer = LogisticRegression(C=strength, tol=1e-8, max_iter=1000).fit(inputs.numeric, y)
    found = softmax(network.outputs(inputs)[:, 0])
    np.testing.assert_allclose(found, peer.predict_proba(inputs.numeric), atol=2e-3)


@pytest.mark.parametrize("outputs", [2, 4, 12])
def test_categories_alone_are_learnt(outputs: int) -> None:
    inputs, _ = rows(4000, (outputs + 1, 3))
    y = inputs.codes[:, 0] % outputs
    network = fit(inputs, y, outputs, (outputs + 1, 3))
    assert network.architecture.category == (1 if outputs == 2 else min(outputs - 1, 8))
    assert (network.outputs(inputs)[:, 0].argmax(axis=1) == y).mean() > (0.99 if outputs < 10 else 0.6)


def test_class_without_rows_gets_a_small_probability() -> None:
    inputs, _ = rows(200, ())
    y = (inputs.numeric[:, 0] > 0).astype(np.int64)
    probability = softmax(fit(inputs, y, 3, ()).outputs(inputs)[:, 0])
    assert probability[:, 2].max() < 0.05


def test_rare_codes_and_unseen_codes_are_read_as_the_mean() -> None:
    inputs, rng = rows(3000, (1000,))
    y = rng.normal(size=3000) + 2
    table = fit(inputs, y, 1, (1000,)).tensors["categories"]
    assert (table != 0).sum() <= 512


def test_large_tables_of_classes_are_sampled_the_same_way_each_time() -> None:
    inputs, _ = rows(60_000, ())
    y = (inputs.numeric[:, 0] > 0).astype(np.int64)
    first, second = (fit(inputs, y, 2, ()).tensors["skip"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_no_train_rows_are_refused() -> None:
    inputs, _ = rows(10, ())
    with pytest.raises(SettingError, match="a linear model requires at least 1 train row, got 0"):
        fit(inputs, np.zeros(10), 1, (), train=NONE)
