from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.ran.presets import preset
from netgraft.ran.rate import CQI_EFFICIENCY, efficiency_scalar, rate_curve, spectral_efficiency

SHANNON = preset("paper")
CQI = replace(SHANNON, rate="cqi")
sinrs_db = st.floats(-40, 60)


def efficiency(sinr_db: float, *, rate: str = "shannon") -> float:
    """Return b/s/Hz at one SINR."""
    return float(spectral_efficiency(replace(SHANNON, rate=rate), np.array([10 ** (sinr_db / 10)]))[0])


def test_curve_is_shannon_attenuated_and_bounded() -> None:
    assert efficiency(0) == pytest.approx(0.6)
    assert efficiency(10) == pytest.approx(0.6 * np.log2(11))
    assert efficiency(22) == pytest.approx(4.4, abs=0.02)
    assert efficiency(40) == 4.4
    assert efficiency(-10) == pytest.approx(0.6 * np.log2(1.1))


def test_users_below_the_least_sinr_have_the_lowest_rate() -> None:
    assert efficiency(-30) == efficiency(-10)
    assert efficiency(-30, rate="cqi") == 0.1523
    assert spectral_efficiency(SHANNON, np.zeros(3)) == pytest.approx([0.6 * np.log2(1.1)] * 3)


def test_indicators_have_the_efficiencies_of_the_standard() -> None:
    # modulation order times code rate: the two factors of table 7.2.3-1
    orders = [2] * 6 + [4] * 3 + [6] * 6
    rates = [78, 120, 193, 308, 449, 602, 378, 490, 616, 466, 567, 666, 772, 873, 948]
    expected = [order * rate / 1024 for order, rate in zip(orders, rates, strict=True)]
    assert list(CQI_EFFICIENCY) == pytest.approx(expected, abs=5e-5)


@given(sinrs_db)
def test_indicator_rounds_the_curve_down(sinr_db: float) -> None:
    curve = 0.6 * np.log2(1 + 10 ** (max(sinr_db, -10) / 10))
    level = efficiency(sinr_db, rate="cqi")
    assert level in CQI_EFFICIENCY
    assert level <= max(curve, CQI_EFFICIENCY[0])
    assert not any(level < other <= curve for other in CQI_EFFICIENCY)


@given(st.lists(sinrs_db, min_size=2, max_size=20), st.sampled_from(["shannon", "cqi"]))
def test_more_sinr_is_never_less_rate(values_db: list[float], rate: str) -> None:
    scenario = replace(SHANNON, rate=rate)
    reached = spectral_efficiency(scenario, 10 ** (np.sort(values_db) / 10))
    assert (np.diff(reached) >= 0).all()
    assert (reached > 0).all()


@given(sinrs_db, st.floats(1, 100))
def test_rate_falls_no_faster_than_sinr(sinr_db: float, factor: float) -> None:
    assert efficiency(sinr_db) * factor >= efficiency(sinr_db + 10 * np.log10(factor)) * (1 - 1e-12)


@pytest.mark.parametrize("scenario", [SHANNON, CQI], ids=["shannon", "cqi"])
def test_compiled_curve_is_the_same(scenario: object) -> None:
    curve = rate_curve(scenario)  # type: ignore[arg-type]
    sinr = np.concatenate([[0.0], np.logspace(-3, 6, 200)])
    compiled = [
        efficiency_scalar(value, curve.sinr_min, curve.alpha, curve.efficiency_max, curve.levels) for value in sinr
    ]
    np.testing.assert_allclose(compiled, spectral_efficiency(scenario, sinr), rtol=1e-14)  # type: ignore[arg-type]
