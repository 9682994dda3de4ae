"""The guard accepts sources that clearly help, and says in one line why it refuses others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.transfer.guard import Candidate, Verdict, judge


def judged(ours: np.ndarray, cold: np.ndarray, *others: Candidate) -> Verdict:
    """Return the verdict on losses of the same rows, the errors their means."""
    return judge(
        Candidate("ours", float(ours.mean()), True, ours), Candidate("cold", float(cold.mean()), False, cold), others
    )


def test_a_gain_above_its_noise_is_accepted() -> None:
    cold = np.linspace(0.5, 1.5, 40)
    verdict = judged(0.9 * cold, cold)
    assert verdict.decision == "accepted"
    assert verdict.reason == "sources help on held-out rows; errors: ours 0.9000, cold 1.0000"


@pytest.mark.parametrize("share", [-0.5, 0.0, 0.019])
def test_a_loss_or_a_gain_below_two_percent_is_refused(share: float) -> None:
    cold = np.ones(40)
    verdict = judged((1 - share) * cold, cold)
    assert verdict.decision == "refused"
    assert verdict.reason == f"sources hardly help on held-out rows; errors: ours {1 - share:.4f}, cold 1.0000"


def test_a_gain_within_its_noise_is_refused() -> None:
    cold = np.full(20, 2.0)
    ours = cold - np.tile([1.2, -1.0], 10)  # gains 0.1 on average, 1.1 of standard deviation
    verdict = judged(ours, cold)
    assert verdict.decision == "refused"
    assert verdict.reason == "the gain is within the noise of 20 held-out rows; errors: ours 1.9000, cold 2.0000"


def test_the_same_gain_on_more_rows_is_above_its_noise() -> None:
    cold = np.full(20_000, 2.0)
    assert judged(cold - np.tile([1.2, -1.0], 10_000), cold).decision == "accepted"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_no_numbers_are_refused(bad: float) -> None:
    ours = np.zeros(30)
    ours[3] = bad
    verdict = judged(ours, np.ones(30))
    assert verdict.decision == "refused"
    assert verdict.reason.startswith("sources hardly help on held-out rows")


@given(st.integers(0, 10**6), st.floats(-0.2, 0.5), st.floats(1e-3, 1e3))
def test_the_unit_of_the_losses_does_not_matter(seed: int, gain: float, unit: float) -> None:
    cold, noise = np.random.default_rng(seed).uniform(0.5, 1.5, (2, 30))
    ours = cold - gain * noise
    assert judged(unit * ours, unit * cold).decision == judged(ours, cold).decision


@given(st.integers(0, 10**6), st.floats(0, 0.3), st.floats(0.01, 1))
def test_lower_losses_never_turn_an_acceptance_into_a_refusal(seed: int, gain: float, more: float) -> None:
    rng = np.random.default_rng(seed)
    cold = rng.uniform(0.5, 1.5, 30)
    ours = cold - gain + rng.normal(0, 0.2, 30)
    if judged(ours, cold).decision == "accepted":
        assert judged(ours - more, cold).decision == "accepted"


def test_candidates_are_told_the_best_first_those_without_a_source_before_equal_ones() -> None:
    losses = np.ones(10)
    others = [
        Candidate("b", 1.0, False, losses),
        Candidate("a", 1.0, False, losses),
        Candidate("best", 0.5, True, losses),
    ]
    verdict = judged(losses, losses, *others)
    assert [each.name for each in verdict.candidates] == ["best", "a", "b", "cold", "ours"]
    assert verdict.decision == "refused"  # others are told of, and change nothing
    told = verdict.to_json()
    assert (told["decision"], told["reason"]) == (verdict.decision, verdict.reason)
    assert told["candidates"][0] == {"name": "best", "error": 0.5, "source": True}


def test_a_lower_loss_with_a_larger_error_is_refused() -> None:
    cold, ours = np.ones(40), np.full(40, 0.5)
    verdict = judge(Candidate("ours", 0.31, True, ours), Candidate("cold", 0.30, False, cold))
    assert verdict.decision == "refused"
    assert verdict.reason == ("sources lower the loss on held-out rows, but not the error: ours 0.3100, cold 0.3000")
