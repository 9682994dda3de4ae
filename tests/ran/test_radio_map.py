from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.errors import SettingError
from netgraft.ran.layout import site_positions_m
from netgraft.ran.path_loss import path_loss
from netgraft.ran.presets import preset
from netgraft.ran.radio_map import MAP_FIELDS, radio_map
from netgraft.ran.rate import spectral_efficiency
from netgraft.ran.scenario import Scenario

PAPER = preset("paper")
#: no shadowing, no pattern, nothing lost but on the path
BARE = replace(
    preset("three"), shadowing_std_db=0.0, antenna_gain_dbi=0.0, front_to_back_db=0.0, penetration_db=0.0,
    min_coupling_loss_db=0.0,
)  # fmt: skip


def loss_db(scenario: Scenario, x: float, y: float, cell: int = 0) -> float:
    """Return the loss of a cell at a position."""
    found = radio_map(scenario)
    row, column = found.nearest(np.array(x), np.array(y))
    return float(-10 * np.log10(found.gain[cell, row, column]))


def test_without_shadowing_and_antenna_the_map_is_the_path_loss() -> None:
    model = path_loss(BARE, np.array([250.0]))
    share = float(model.probability[0])
    expected = share * model.sight.loss_db[0] + (1 - share) * model.no_sight.loss_db[0]
    assert loss_db(BARE, 250, 0) == pytest.approx(expected, abs=1e-4)
    assert loss_db(BARE, 0, -250) == pytest.approx(expected, abs=1e-4)


def test_antenna_and_penetration_add_up_in_decibels() -> None:
    bare = loss_db(BARE, 250, 0)
    assert loss_db(replace(BARE, penetration_db=20.0), 250, 0) == pytest.approx(bare + 20, abs=1e-4)
    assert loss_db(replace(BARE, antenna_gain_dbi=14.0), 250, 0) == pytest.approx(bare - 14, abs=1e-4)
    pattern = replace(BARE, front_to_back_db=25.0, tilt_deg=np.degrees(np.arctan2(23.5, 250)).item())
    lost = 12 * (30 / 70) ** 2
    assert loss_db(pattern, 250, 0, cell=0) == pytest.approx(bare + lost, abs=1e-4)
    assert loss_db(pattern, 250, 0, cell=1) == pytest.approx(bare + 25, abs=1e-4)


def test_coupling_loss_is_bounded() -> None:
    assert loss_db(replace(BARE, min_coupling_loss_db=70.0), 0, 0) == pytest.approx(70, abs=1e-4)
    assert radio_map(PAPER).gain.max() <= 1.0001e-7


def test_drawn_sight_is_one_state_or_the_other_as_often_as_the_model_says() -> None:
    shares, expected = [], []
    for seed in range(6):
        scenario = replace(BARE, line_of_sight="drawn", map_seed=seed, shadowing_distance_m=20.0)
        found = radio_map(scenario)
        height, width = found.serving.shape
        x, y = (found.origin_m[axis] + 5 * np.arange(size) for axis, size in ((0, width), (1, height)))
        model = path_loss(scenario, np.sqrt(x**2 + (y[:, None]) ** 2))
        lost = -10 * np.log10(found.gain[0])
        seen = np.isclose(lost, model.sight.loss_db, atol=1e-3)
        assert (seen | np.isclose(lost, model.no_sight.loss_db, atol=1e-3)).all()
        shares.append(seen.mean())
        expected.append(model.probability.mean())
    assert np.mean(shares) == pytest.approx(np.mean(expected), abs=0.04)


def test_users_are_served_by_the_strongest_cell() -> None:
    found = radio_map(PAPER)
    np.testing.assert_array_equal(found.serving, found.gain.argmax(axis=0))
    for site, (x, y) in enumerate(site_positions_m(PAPER)):
        for sector, angle in enumerate(np.radians([30, 150, 270])):
            row, column = found.nearest(x + 60 * np.cos(angle), y + 60 * np.sin(angle))
            assert found.serving[row, column] == 3 * site + sector


def test_overlap_is_the_mean_ratio_of_gains() -> None:
    found = radio_map(PAPER)
    there = found.serving == 4
    ratio = (found.gain[7][there].astype(float) / found.gain[4][there]).mean()
    assert found.cell_overlap[4, 7] == pytest.approx(ratio)
    assert (np.diag(found.cell_overlap) == 0).all()
    assert found.cell_overlap.max() < 1


def test_overlap_of_a_cell_without_area_is_zero() -> None:
    # without a pattern the sectors are equally strong everywhere, and the first of them serves
    found = radio_map(BARE)
    assert np.unique(found.serving).tolist() == [0]
    assert (found.cell_overlap[1:] == 0).all()


def test_sectors_of_a_site_share_its_shadowing() -> None:
    scenario = replace(PAPER, front_to_back_db=0.0)
    gain = radio_map(scenario).gain
    np.testing.assert_array_equal(gain[0], gain[2])
    assert np.corrcoef(np.log(gain[0]).ravel(), np.log(gain[3]).ravel())[0, 1] < 0.9


def test_map_depends_on_radio_and_map_seed_and_not_on_traffic() -> None:
    found = radio_map(PAPER)
    assert radio_map(PAPER.with_traffic([[0.5] * 4])) is found
    assert radio_map(replace(PAPER, overhead=0.5, users_per_slice=3, name="other")) is found
    assert (radio_map(replace(PAPER, map_seed=1)).gain != found.gain).mean() > 0.99
    assert all(hasattr(PAPER, name) for name in MAP_FIELDS)
    assert radio_map(replace(PAPER, margin_m=250.0)) is found
    with pytest.raises(ValueError, match="read-only"):
        found.gain[0, 0, 0] = 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_every_position_of_the_area_has_a_near_grid_point(part_x: float, part_y: float) -> None:
    found = radio_map(PAPER)
    x0, y0, x1, y1 = found.area_m
    x, y = x0 + part_x * (x1 - x0), y0 + part_y * (y1 - y0)
    row, column = found.nearest(np.array(x), np.array(y))
    assert 0 <= row < found.serving.shape[0]
    assert 0 <= column < found.serving.shape[1]
    assert abs(x0 + column * 5 - x) <= 2.5 + 1e-9
    assert abs(y0 + row * 5 - y) <= 2.5 + 1e-9


def test_map_that_would_be_too_large_is_refused() -> None:
    with pytest.raises(SettingError, match=r"map_step_m must give a map of at most 2.5e\+08 numbers, got .* at 0.1"):
        radio_map(replace(PAPER, map_step_m=0.1))


def test_preset_paper_is_a_plausible_network() -> None:
    found = radio_map(PAPER)
    power_w = PAPER.block_power_w * found.gain.astype(np.float64)
    own = power_w.max(axis=0)
    sinr = own / (0.6 * (power_w.sum(axis=0) - own) + PAPER.block_noise_w)
    area = np.bincount(found.serving.ravel(), minlength=12) / found.serving.size
    assert 5 < np.median(10 * np.log10(sinr)) < 12
    assert 1.5 < spectral_efficiency(PAPER, sinr).mean() < 2.3
    assert 0.04 < area.min() < area.max() < 0.17
