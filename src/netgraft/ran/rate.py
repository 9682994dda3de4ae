"""From SINR to spectral efficiency.

``shannon``: 3GPP TR 36.942, annex A: alpha log2(1 + SINR) up to a greatest value. ``cqi``: the same curve rounded down
to the efficiencies of the channel quality indicators, 3GPP TS 36.213, table 7.2.3-1, which end at 5.5547 b/s/Hz.

Below the least SINR the standards give nothing. Here a user down there is served at the lowest rate and so costs many
blocks: a slice must carry all its users, and the load that follows from interference keeps exactly one solution.
Left out: fading within a step, and reports that are late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from netgraft.ran.scenario import Scenario

#: b/s/Hz of the indicators 1 to 15.
CQI_EFFICIENCY = (
    0.1523, 0.2344, 0.3770, 0.6016, 0.8770, 1.1758, 1.4766, 1.9141,
    2.4063, 2.7305, 3.3223, 3.9023, 4.5234, 5.1152, 5.5547,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class RateCurve:
    """The numbers that `efficiency_scalar` takes, in its order.

    Attributes:
        sinr_min: linear; lower ones count as this.
        alpha: share of Shannon's bound.
        efficiency_max: b/s/Hz; infinite where levels bound the curve.
        levels: increasing b/s/Hz that the curve is rounded down to, [L]; empty: it is not.
    """

    sinr_min: float
    alpha: float
    efficiency_max: float
    levels: NDArray[np.float64]


def rate_curve(scenario: Scenario) -> RateCurve:
    """Return the curve of a scenario."""
    least = float(10 ** (scenario.sinr_min_db / 10))
    if scenario.rate == "cqi":
        return RateCurve(least, scenario.alpha, np.inf, np.array(CQI_EFFICIENCY))
    return RateCurve(least, scenario.alpha, scenario.efficiency_max_bps_per_hz, np.empty(0))


def spectral_efficiency(scenario: Scenario, sinr: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return b/s/Hz > 0 for SINRs (linear, >= 0), in their shape."""
    curve = rate_curve(scenario)
    counted = np.maximum(np.asarray(sinr, np.float64), curve.sinr_min)
    reached = np.minimum(curve.alpha * np.log2(1 + counted), curve.efficiency_max)
    if not len(curve.levels):
        return reached
    return curve.levels[np.maximum(np.searchsorted(curve.levels, reached, side="right") - 1, 0)]


@njit(cache=True, fastmath=False)
def efficiency_scalar(sinr, sinr_min, alpha, efficiency_max, levels):  # type: ignore[no-untyped-def]  # numba infers
    """Return b/s/Hz for one SINR, as `spectral_efficiency` does, from the values of a `RateCurve`."""
    reached = min(alpha * np.log2(1.0 + max(sinr, sinr_min)), efficiency_max)
    if len(levels) == 0:
        return reached
    found = levels[0]
    for level in levels:
        if level > reached:
            break
        found = level
    return found
