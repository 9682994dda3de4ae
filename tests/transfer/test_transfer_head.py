"""The head that a target gets: units, classes, and what few rows add."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.runtime import Output
from netgraft.transfer.head import fitted_classes, fitted_line, turned, unit_head


def test_a_number_keeps_its_value_in_another_unit():
    source = Output("regression", (), False, 10.0, 2.0, 0.0, 20.0)
    target = Output("regression", (), False, 4.0, 5.0, 0.0, 20.0)
    head = unit_head(source, target)
    said = np.array([[-1.0], [0.0], [3.0]])
    np.testing.assert_allclose((said @ head.matrix + head.bias) * 5 + 4, said * 2 + 10, rtol=1e-6)


@given(slope=st.floats(0.5, 2), bias=st.floats(-5, 5), n=st.integers(200, 400))
def test_a_line_through_many_rows_is_found(slope, bias, n):
    said = np.random.default_rng(n).normal(size=n).astype(np.float32)
    found = fitted_line(said, slope * said + bias)
    assert found[0] == pytest.approx(slope, abs=0.06)
    assert found[1] == pytest.approx(bias, abs=0.06)


def test_no_row_changes_nothing_and_two_rows_hardly_the_slope():
    assert fitted_line(np.zeros(0, np.float32), np.zeros(0)) == (1.0, 0.0)
    slope, _ = fitted_line(np.array([0, 1], np.float32), np.array([0.0, -9.0]))
    assert 0 <= slope < 1
    slope, biases = fitted_classes(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    assert slope == 1.0
    assert not biases.any()


def test_a_slope_is_never_negative():
    said = np.linspace(-1, 1, 500, dtype=np.float32)
    assert fitted_line(said, -said)[0] == 0.0


def test_classes_of_other_frequencies_move_the_biases():
    rng = np.random.default_rng(0)
    said = rng.normal(size=(2_000, 3)).astype(np.float32)
    wanted = 2.0 * said + np.array([0.0, 1.5, -1.5])
    drawn = (wanted + rng.gumbel(size=wanted.shape)).argmax(axis=1)
    slope, biases = fitted_classes(said, drawn)
    assert slope == pytest.approx(2.0, abs=0.2)
    np.testing.assert_allclose(biases - biases.mean(), [0.0, 1.5, -1.5], atol=0.25)


def test_fitted_classes_lower_the_log_loss_that_they_are_fitted_to():
    rng = np.random.default_rng(1)
    said, truth = rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 2, 40)

    def loss(logits):
        logits = logits - logits.max(axis=1, keepdims=True)
        return -(logits[np.arange(40), truth] - np.log(np.exp(logits).sum(axis=1))).mean()

    slope, biases = fitted_classes(said, truth)
    assert loss(slope * said + biases) < loss(said)


def test_turned_parameters_give_turned_outputs():
    parameters = {
        "weight_1": np.ones((2, 2)),
        "head": np.ones((1, 2, 3)),
        "head_bias": np.ones((1, 3)),
        "skip": np.ones((2, 3)),
    }
    made = turned(parameters, 2.0, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(made["weight_1"], parameters["weight_1"])
    np.testing.assert_array_equal(made["head"], 2 * parameters["head"])
    np.testing.assert_array_equal(made["skip"], 2 * parameters["skip"])
    np.testing.assert_array_equal(made["head_bias"], [[3.0, 4.0, 5.0]])
