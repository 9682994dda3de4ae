from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.ran.path_loss import breakpoint_m, path_loss
from netgraft.ran.presets import preset
from netgraft.ran.scenario import Scenario

WINNER = preset("three")
UMA = replace(WINNER, path_loss="uma", carrier_hz=3.5e9)
UMI = replace(WINNER, path_loss="umi", bs_height_m=10.0)
MODELS = {"winner-c2": WINNER, "uma": UMA, "umi": UMI}
models = st.sampled_from(sorted(MODELS))


def sight_db(scenario: Scenario, distance_m: float) -> float:
    """Return the loss with line of sight."""
    return float(path_loss(scenario, np.array([distance_m])).sight.loss_db[0])


def blocked_db(scenario: Scenario, distance_m: float) -> float:
    """Return the loss without line of sight."""
    return float(path_loss(scenario, np.array([distance_m])).no_sight.loss_db[0])


def test_winner_c2_has_the_values_of_its_formulas_by_hand() -> None:
    assert breakpoint_m(WINNER) == pytest.approx(416, abs=0.5)
    assert sight_db(WINNER, 100) == pytest.approx(26 * 2 + 39 + 20 * np.log10(2.6 / 5))
    assert sight_db(WINNER, 1000) == pytest.approx(120 + 13.47 - 14 * np.log10(24 * 0.5) + 6 * np.log10(0.52))
    assert blocked_db(WINNER, 250) == pytest.approx(121.8, abs=0.05)
    assert blocked_db(WINNER, 1000) - blocked_db(WINNER, 100) == pytest.approx(35.74, abs=0.01)


def test_uma_has_the_values_of_its_formulas_by_hand() -> None:
    # slant distance at 100 m: sqrt(100^2 + 23.5^2) = 102.7241 m
    assert breakpoint_m(UMA) == pytest.approx(560.4, abs=0.1)
    assert sight_db(UMA, 100) == pytest.approx(28 + 44.2568 + 10.8814, abs=1e-3)
    assert blocked_db(UMA, 100) == pytest.approx(13.54 + 78.6162 + 10.8814, abs=1e-3)


def test_umi_has_the_values_of_its_formulas_by_hand() -> None:
    # slant distance at 100 m: sqrt(100^2 + 8.5^2) = 100.3606 m, carrier 8.2995 dB
    assert sight_db(UMI, 100) == pytest.approx(32.4 + 42.0328 + 8.2995, abs=1e-3)
    assert blocked_db(UMI, 100) == pytest.approx(22.4 + 70.6552 + 8.8389, abs=1e-3)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_loss_is_continuous_at_the_breakpoint_and_steeper_beyond(name: str) -> None:
    scenario = MODELS[name]
    bend = breakpoint_m(scenario)
    assert sight_db(scenario, bend * 1.0001) == pytest.approx(sight_db(scenario, bend * 0.9999), abs=0.05)
    assert sight_db(scenario, 50 * bend) - sight_db(scenario, 5 * bend) == pytest.approx(40, abs=0.2)
    assert sight_db(scenario, bend) - sight_db(scenario, bend / 2) < 9


@given(models, st.floats(10, 5000), st.floats(1.01, 3))
def test_more_distance_is_more_loss_and_sight_is_less(name: str, distance_m: float, factor: float) -> None:
    scenario = MODELS[name]
    assert sight_db(scenario, distance_m * factor) > sight_db(scenario, distance_m) - 0.05
    assert blocked_db(scenario, distance_m * factor) > blocked_db(scenario, distance_m)
    assert blocked_db(scenario, distance_m) >= sight_db(scenario, distance_m)


@pytest.mark.parametrize(("name", "decay_m"), [("winner-c2", 63), ("uma", 63), ("umi", 36)])
def test_line_of_sight_is_certain_near_and_rare_far(name: str, decay_m: float) -> None:
    near, middle, far = path_loss(MODELS[name], np.array([15.0, 100.0, 5000.0])).probability
    assert near == 1
    assert middle == pytest.approx(0.18 + np.exp(-100 / decay_m) * 0.82)
    assert far == pytest.approx(18 / 5000, rel=1e-6)


def test_shadowing_follows_model_state_and_distance() -> None:
    expected = {"winner-c2": ([4, 6], [8, 8]), "uma": ([4, 4], [6, 6]), "umi": ([4, 4], [7.82, 7.82])}
    for name, (sight, blocked) in expected.items():
        model = path_loss(MODELS[name], np.array([100.0, 1000.0]))
        assert model.sight.shadowing_std_db.tolist() == sight
        assert model.no_sight.shadowing_std_db.tolist() == blocked


def test_distances_below_ten_metres_count_as_ten() -> None:
    for scenario in MODELS.values():
        assert sight_db(scenario, 0) == sight_db(scenario, 10)
