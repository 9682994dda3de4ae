from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.ran.antenna import antenna_gain_dbi
from netgraft.ran.presets import preset

SCENARIO = preset("paper")


def gain(azimuth_deg: float, depression_deg: float) -> float:
    """Return the gain towards one direction."""
    return float(antenna_gain_dbi(SCENARIO, np.array(azimuth_deg), np.array(depression_deg)))


def test_gain_is_full_along_the_beam_and_half_at_half_the_beamwidth() -> None:
    tilt = SCENARIO.tilt_deg
    assert gain(0, tilt) == 17
    for azimuth, depression in ((35, tilt), (-35, tilt), (0, tilt + 5), (0, tilt - 5)):
        assert gain(azimuth, depression) == pytest.approx(17 - 3)


def test_attenuation_is_bounded_behind_and_above() -> None:
    assert gain(180, SCENARIO.tilt_deg) == 17 - 25
    assert gain(0, -90) == 17 - 20
    assert gain(180, -90) == 17 - 25


def test_a_pattern_without_attenuation_is_the_same_everywhere() -> None:
    flat = replace(SCENARIO, front_to_back_db=0)
    assert (antenna_gain_dbi(flat, np.linspace(-180, 180, 9), np.zeros(9)) == 17).all()


@given(st.floats(-360, 360), st.floats(-90, 90), st.integers(-2, 2))
def test_pattern_is_symmetric_periodic_and_bounded(azimuth: float, depression: float, turns: int) -> None:
    value = gain(azimuth, depression)
    assert 17 - 25 <= value <= 17
    assert gain(-azimuth, depression) == pytest.approx(value, abs=1e-9)
    assert gain(azimuth + 360 * turns, depression) == pytest.approx(value, abs=1e-9)
