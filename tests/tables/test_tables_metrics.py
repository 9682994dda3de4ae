"""Metrics agree with scikit-learn, are minimised, and are left out where they are not defined."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as oracle

from netgraft.errors import SettingError
from netgraft.tables import METRICS, find_metric, report

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("weights", [None, RANDOM.random(500)])
def test_regression_agrees_with_sklearn(weights: np.ndarray | None) -> None:
    y = RANDOM.standard_normal(500)
    guess = y + RANDOM.standard_normal(500) / 2
    found = report("regression", y, guess, weights=weights)
    assert found["r2"] == pytest.approx(oracle.r2_score(y, guess, sample_weight=weights))
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(y, guess, sample_weight=weights))
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(y, guess, sample_weight=weights))
    assert found["nmae"] == pytest.approx(found["mae"] / np.average(np.abs(y), weights=weights))
    assert find_metric(None, "regression").error(y, guess, None, weights) == pytest.approx(1 - found["r2"])
    assert METRICS["mae"].error(y, guess, None, weights) == found["mae"]


@pytest.mark.parametrize("weights", [None, RANDOM.random(400)])
@pytest.mark.parametrize("classes", [2, 4])
def test_classification_agrees_with_sklearn(classes: int, weights: np.ndarray | None) -> None:
    y = RANDOM.integers(0, classes, 400)
    p = RANDOM.dirichlet(np.ones(classes), 400)
    p[np.arange(400), y] += 0.2
    p /= p.sum(axis=1, keepdims=True)
    guess = p.argmax(axis=1)
    found = report("classification", y, guess, p, weights)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(y, guess, sample_weight=weights))
    assert found["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(y, guess, sample_weight=weights))
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(y, guess, average="macro", sample_weight=weights))
    assert found["log_loss"] == pytest.approx(oracle.log_loss(y, p, sample_weight=weights))
    scores = p[:, 1] if classes == 2 else p
    area = oracle.roc_auc_score(y, scores, multi_class="ovr", sample_weight=weights)
    assert found["auc"] == pytest.approx(area)
    assert METRICS["log_loss"].error(y, guess, p, weights) == found["log_loss"]
    assert METRICS["auc"].error(y, guess, p, weights) == pytest.approx(1 - area)


def test_unseen_classes_are_wrong() -> None:
    y, guess = np.array([0, 1, -1, -1]), np.array([0, 1, 1, 0])
    p = np.eye(2)[guess]
    found = report("classification", y, guess, p)
    assert found["accuracy"] == 0.5
    assert found["balanced_accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert found["log_loss"] > 5
    assert np.isfinite(list(found.values())).all()


def test_what_is_not_defined_is_left_out() -> None:
    constant = report("regression", np.zeros(3), np.ones(3))
    assert set(constant) == {"mae", "rmse"}
    assert METRICS["r2"].error(np.zeros(3), np.ones(3)) == 1.0
    one_class = report("classification", np.zeros(3, int), np.zeros(3, int), np.eye(2)[[0, 0, 0]])
    assert set(one_class) == {"accuracy", "balanced_accuracy", "macro_f1", "log_loss"}
    assert set(report("classification", np.array([0, 1]), np.array([0, 1]))) == {
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
    }
    assert report("regression", np.arange(3.0), np.array([0, np.nan, 2])) == {}


def test_unknown_and_unfit_metrics() -> None:
    with pytest.raises(
        SettingError, match=r"a metric of regression must be one of .*, got 'rmsee'; the nearest is 'rmse'"
    ):
        find_metric("rmsee", "regression")
    with pytest.raises(SettingError, match=r"a metric of classification must be one of .*, got 'r2'"):
        find_metric("r2", "classification")
    with pytest.raises(SettingError, match="the metric log_loss needs class probabilities, got none"):
        METRICS["log_loss"].error(np.zeros(2, int), np.zeros(2, int))
