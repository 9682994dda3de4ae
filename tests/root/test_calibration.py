"""Temperature, conformal interval, calibration error and stack weights against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.errors import SettingError
from netgraft.root.calibration import blend, conformal_half_width, expected_calibration_error, fit_temperature
from netgraft.runtime.model import softmax


def drawn(n: int, members: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits [n, k, 3] of calibrated members that agree, and classes drawn from their softmax."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 1, 3)).astype(np.float32)
    y = (logits[:, 0] + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return np.repeat(logits, members, axis=1), y


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("members", [1, 3])
def test_temperature_undoes_a_factor_on_the_logits(factor: float, members: int) -> None:
    logits, y = drawn(4000, members)
    assert fit_temperature(factor * logits, y) == pytest.approx(factor, rel=0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_temperature_never_raises_the_loss_on_its_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(30, 2, 4)) * 10.0 ** rng.integers(-2, 3)).astype(np.float32)
    y = rng.integers(0, 2, 30)  # classes 2 and 3 have no rows
    weights = rng.uniform(0.1, 1, 30)
    temperature = fit_temperature(logits, y, weights)

    def loss(t: float) -> float:
        probability = softmax(logits / np.float32(t))[np.arange(30), :, y].mean(axis=1)
        return -float(np.average(np.log(np.maximum(probability, 1e-7)), weights=weights))

    assert 0.05 <= temperature <= 20.001
    assert loss(temperature) <= loss(1.0) + 1e-6


def test_temperature_without_rows_is_one() -> None:
    assert fit_temperature(np.zeros((0, 1, 2), np.float32), np.zeros(0)) == 1.0


def test_temperature_of_many_rows_is_read_from_a_sample() -> None:
    logits, y = drawn(120_000, 1)
    assert fit_temperature(2 * logits, y, np.ones(120_000)) == pytest.approx(2, rel=0.05)


def test_half_width_is_the_residual_of_its_rank() -> None:
    assert conformal_half_width(np.array([-5.0, 1, 2, -3, 4, 6, 7, 8, 9]), 0.9) == 9
    assert conformal_half_width(np.arange(1, 100), 0.9) == 90
    assert np.isnan(conformal_half_width(np.arange(8), 0.9))


def test_interval_holds_its_share_of_new_rows() -> None:
    rng = np.random.default_rng(0)
    held = [np.mean(np.abs(rng.normal(size=500)) <= conformal_half_width(rng.normal(size=200))) for _ in range(200)]
    assert 0.89 < np.mean(held) < 0.92


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5])
def test_level_must_be_a_share(level: float) -> None:
    with pytest.raises(SettingError, match=f"the level of an interval must be between 0 and 1, got {level}"):
        conformal_half_width(np.zeros(10), level)


def test_calibration_error_is_the_gap() -> None:
    sure = np.array([[0.9, 0.1]] * 10, np.float32)
    assert expected_calibration_error(sure, np.zeros(10)) == pytest.approx(0.1, abs=1e-6)
    assert expected_calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0, abs=1e-6)
    assert expected_calibration_error(np.array([[1.0, 0.0]], np.float32), np.array([1])) == 1
    assert expected_calibration_error(np.zeros((0, 2), np.float32), np.zeros(0)) == 0


def test_stack_takes_the_right_part_alone() -> None:
    y = np.linspace(-1, 1, 50)
    np.testing.assert_array_equal(blend([-y, y, 0 * y], y, "regression"), [0, 1, 0])


def test_stack_balances_parts_whose_errors_cancel() -> None:
    rng = np.random.default_rng(0)
    y, noise = rng.normal(size=(2, 200))
    np.testing.assert_allclose(blend([y + noise, (y - noise)[:, None]], y, "regression"), [0.5, 0.5])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_stack_is_no_worse_than_its_best_part(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 40)
    outputs = [softmax(rng.normal(size=(40, 3)).astype(np.float32)) for _ in range(parts)]
    weights = rng.uniform(0.1, 2, 40)
    mixture = blend(outputs, y, "classification", weights)

    def loss(probability: np.ndarray) -> float:
        return -float(np.average(np.log(probability[np.arange(40), y]), weights=weights))

    assert mixture.dtype == np.float32
    assert mixture.min() >= 0
    assert mixture.sum() == pytest.approx(1, abs=1e-6)
    mixed = sum(w * o for w, o in zip(mixture, outputs, strict=True))
    assert loss(np.asarray(mixed)) <= min(loss(o) for o in outputs) + 1e-6


def test_stack_without_parts_is_refused() -> None:
    with pytest.raises(SettingError, match="a stack requires at least 1 part, got 0"):
        blend([], np.zeros(3), "regression")


def test_stack_without_rows_is_even() -> None:
    np.testing.assert_allclose(blend([np.zeros(0, np.float32)] * 2, np.zeros(0), "regression").sum(), 1)
