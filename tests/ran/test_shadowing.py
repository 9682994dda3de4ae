from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netgraft.ran.presets import preset
from netgraft.ran.shadowing import gaussian_field, site_shadowing, site_sight

STEP_M, DISTANCE_M, SHAPE = 10.0, 50.0, (300, 260)
FIELDS = np.stack([gaussian_field(SHAPE, STEP_M, DISTANCE_M, np.random.default_rng(seed)) for seed in range(8)])
SCENARIO = replace(preset("paper"), map_step_m=10.0)


def test_field_has_mean_zero_and_variance_one() -> None:
    assert FIELDS.shape == (8, *SHAPE)
    assert FIELDS.mean() == pytest.approx(0, abs=0.04)
    assert FIELDS.std() == pytest.approx(1, abs=0.02)
    assert np.abs(FIELDS).max() > 3.5


@pytest.mark.parametrize("steps", [1, 3, 5, 10, 25])
def test_correlation_falls_exponentially_in_both_directions(steps: int) -> None:
    along_rows = (FIELDS[:, :, steps:] * FIELDS[:, :, :-steps]).mean()
    along_columns = (FIELDS[:, steps:] * FIELDS[:, :-steps]).mean()
    expected = np.exp(-steps * STEP_M / DISTANCE_M)
    assert along_rows == pytest.approx(expected, abs=0.04)
    assert along_columns == pytest.approx(expected, abs=0.04)


def test_correlation_depends_on_distance_not_direction() -> None:
    diagonal = (FIELDS[:, 3:, 4:] * FIELDS[:, :-3, :-4]).mean()
    assert diagonal == pytest.approx(np.exp(-1), abs=0.04)


def test_opposite_borders_are_independent() -> None:
    assert np.corrcoef(FIELDS[:, 0].ravel(), FIELDS[:, -1].ravel())[0, 1] == pytest.approx(0, abs=0.12)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_sites_share_the_part_that_is_asked_for(correlation: float) -> None:
    scenario = replace(SCENARIO, site_correlation=correlation, shadowing_distance_m=20.0)
    sites = np.stack([field.ravel() for field in site_shadowing(scenario, (250, 250))])
    pairs = np.corrcoef(sites)[np.triu_indices(4, 1)]
    assert pairs == pytest.approx([correlation] * 6, abs=0.06)
    assert sites.std() == pytest.approx(1, abs=0.04)


def test_fields_follow_the_map_seed_alone() -> None:
    first, again = (next(site_shadowing(SCENARIO, (20, 30))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (next(site_shadowing(replace(SCENARIO, map_seed=1), (20, 30))) != first).all()
    assert (site_sight(SCENARIO, (20, 30), 0) != site_sight(SCENARIO, (20, 30), 1)).all()
