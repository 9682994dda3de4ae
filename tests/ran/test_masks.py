from __future__ import annotations

import pytest

from netgraft.errors import SettingError, TableError
from netgraft.ran.masks import TrafficMask, check_mask_table

NAMES = ("video", "voice")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"period_steps": 0}, r"period_steps must be > 0, got 0"),
        ({"low": -0.1}, r"low must be >= 0 and <= 1, got -0.1"),
        ({"high": 1.5}, r"high must be >= 0 and <= 1, got 1.5"),
        ({"low": 0.9, "high": 0.5}, r"low must be <= high, got low 0.9 and high 0.5"),
        ({"phases": ["early"]}, r"phases must be numbers, got \['early'\]"),
        ({"phases": [float("inf"), 0]}, r"phases must be finite numbers, got inf"),
        ({"phases": 0.5}, r"phases must be numbers, got 0.5"),
        ({"table": 3}, r"table must be rows of numbers, got 3"),
        ({"table": [[0.1], None]}, r"row 1 of the mask table must be numbers, got None"),
        ({"perod_steps": 3}, r"a key of masks must be one of .*, got 'perod_steps'; the nearest is 'period_steps'"),
    ],
)
def test_setting_that_is_not_allowed_is_named(settings: dict[str, object], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        TrafficMask.from_payload(settings)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ([], r"the mask table must have at least one row, got none"),
        ([[0.5]], r"must have one value per slice, 2, got 1 in row 0"),
        ([[0.5, 0.5], [0.5, float("nan")]], r"a value for every step, got none in row 1, column 'voice'"),
        ([[0.5, 0.5], [1.2, 0.5]], r"values in \[0, 1\], got 1.2 in row 1, column 'video'"),
        ([[0.5, -0.01]], r"values in \[0, 1\], got -0.01 in row 0, column 'voice'"),
    ],
)
def test_table_with_missing_or_impossible_values_is_refused(table: list[list[float]], text: str) -> None:
    with pytest.raises(TableError, match=text):
        check_mask_table(table, NAMES)
    with pytest.raises(TableError, match=text):
        TrafficMask(table=tuple(map(tuple, table))).check(NAMES)


def test_phases_must_be_one_per_slice() -> None:
    with pytest.raises(SettingError, match=r"phases must be one per slice, 2, got 3"):
        TrafficMask(phases=(0.0, 0.1, 0.2)).check(NAMES)


def test_phases_are_spread_over_half_a_period_unless_given() -> None:
    assert TrafficMask().phase_periods(4) == (0.0, 0.125, 0.25, 0.375)
    assert TrafficMask(phases=(0.0, 0.5)).phase_periods(2) == (0.0, 0.5)
