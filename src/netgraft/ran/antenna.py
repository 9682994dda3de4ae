"""The pattern of a sector antenna: 3GPP TR 36.814, table A.2.1.1-2."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.scenario import Scenario

Floats = NDArray[np.float64]


def antenna_gain_dbi(scenario: Scenario, azimuth_deg: Floats, depression_deg: Floats) -> Floats:
    """Return the gain of a cell's antenna towards directions.

    ``A_H = -min(12 (phi / w_H)^2, A_m)``, ``A_V = -min(12 ((theta - tilt) / w_V)^2, SLA)`` and
    ``A = -min(-(A_H + A_V), A_m)`` above the gain at the beam's centre.

    Args:
        scenario: beamwidths, tilt and attenuations.
        azimuth_deg: from where the cell looks, any turn.
        depression_deg: below the horizon, of a shape that broadcasts with the azimuths.
    """
    turn = (azimuth_deg + 180) % 360 - 180
    horizontal = 12 * (turn / scenario.horizontal_beamwidth_deg) ** 2
    vertical = 12 * ((depression_deg - scenario.tilt_deg) / scenario.vertical_beamwidth_deg) ** 2
    lost = np.minimum(horizontal, scenario.front_to_back_db) + np.minimum(vertical, scenario.side_lobe_db)
    return scenario.antenna_gain_dbi - np.minimum(lost, scenario.front_to_back_db)
