from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.ran.delay import mean_delay

SETTINGS = {"packet_bits": 250.0, "floor_s": 3e-4, "utilisation_max": 0.9, "longest_s": 1.0}


def delay_of(demand_bps: float, need: float, share: float, **changes: float) -> float:
    """Return the delay of one slice."""
    arrays = (np.array([value]) for value in (demand_bps, need, share))
    return float(mean_delay(*arrays, **{**SETTINGS, **changes})[0])


@given(st.floats(1e4, 1e8), st.floats(0.01, 0.89), st.floats(0.01, 1.0))
def test_littles_law(demand_bps: float, utilisation: float, share: float) -> None:
    delay_s = delay_of(demand_bps, utilisation * share, share, floor_s=0.0, longest_s=1e9)
    in_slice = demand_bps / SETTINGS["packet_bits"] * delay_s
    assert in_slice == pytest.approx(utilisation / (1 - utilisation))


@given(st.floats(1e5, 1e8), st.floats(0.01, 2.0), st.floats(0.01, 1.0), st.floats(0.1, 1.0))
def test_less_share_never_shortens_a_delay(demand_bps: float, need: float, share: float, part: float) -> None:
    full = delay_of(demand_bps, need, share)
    assert delay_of(demand_bps, need, share * part) >= full
    assert full >= SETTINGS["floor_s"]


@pytest.mark.parametrize(("utilisation", "queues"), [(0.9, 10.0), (1.0, 10.0), (1.5, 10.0)])
def test_full_load_has_no_singularity(utilisation: float, queues: float) -> None:
    delay_s = delay_of(1e6, utilisation * 0.5, 0.5)
    assert delay_s == pytest.approx(3e-4 + 250 * utilisation / 1e6 * queues)


def test_light_load_is_the_time_of_a_packet_and_the_floor() -> None:
    # capacity 1 Gb/s: a packet of 250 bit takes 0.25 us
    assert delay_of(1.0, 1e-9, 1.0) == pytest.approx(3e-4 + 2.5e-7)


def test_no_user_and_no_share() -> None:
    assert delay_of(0.0, 0.0, 0.5) == 0.0
    assert delay_of(0.0, 0.0, 0.0) == 0.0
    assert delay_of(1e6, 0.2, 0.0) == 1.0
    assert delay_of(1e6, 0.2, 1e-12) == 1.0
