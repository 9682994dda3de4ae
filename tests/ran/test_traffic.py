from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.errors import TableError
from netgraft.ran.presets import preset
from netgraft.ran.scenario import TrafficMask
from netgraft.ran.traffic import mask_values, read_masks

SCENARIO = preset("three")
NAMES = ("video", "voice")


def test_sinusoids_have_their_bounds_and_period() -> None:
    masks = mask_values(SCENARIO, 300)
    assert masks.shape == (300, 4)
    assert masks.min() == pytest.approx(0.2)
    assert masks.max() == pytest.approx(1.0)
    np.testing.assert_allclose(masks[:100], masks[100:200], atol=1e-12)
    assert masks[:100].mean(axis=0) == pytest.approx([0.6] * 4)


def test_each_slice_is_later_by_its_phase() -> None:
    masks = mask_values(replace(SCENARIO, masks=TrafficMask(phases=(0.0, 0.1, 0.5, 0.25))), 200)
    np.testing.assert_allclose(masks[10:110, 1], masks[:100, 0], atol=1e-12)
    np.testing.assert_allclose(masks[:, 2], 1.2 - masks[:, 0], atol=1e-12)


def test_all_slices_are_busy_at_some_time_and_idle_at_another() -> None:
    least, most = mask_values(SCENARIO, 100).min(axis=1), mask_values(SCENARIO, 100).max(axis=1)
    assert least.max() > 0.7
    assert most.min() < 0.5


@given(st.integers(0, 10_000), st.integers(1, 50))
def test_steps_may_begin_anywhere(first: int, count: int) -> None:
    steps = range(first, first + count)
    np.testing.assert_array_equal(mask_values(SCENARIO, steps), mask_values(SCENARIO, first + count)[first:])


def test_table_is_replayed_again_and_again() -> None:
    table = np.linspace(0, 1, 12).reshape(3, 4)
    masks = mask_values(SCENARIO.with_traffic(table), range(2, 9))
    np.testing.assert_array_equal(masks, table[[2, 0, 1, 2, 0, 1, 2]])


def test_columns_may_come_in_any_order_with_a_count_of_steps(tmp_path: Path) -> None:
    path = tmp_path / "week.csv"
    path.write_text("step,voice,video\n0,0.1,0.2\n1,0.3,1\n\n", encoding="utf-8")
    assert read_masks(path, NAMES) == [[0.2, 0.1], [1.0, 0.3]]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", r"the columns of .*week.csv must be video, voice, got none"),
        ("video,void\n1,1\n", r"the columns of .*week.csv must be video, voice, got video, void"),
        ("video,voice,video\n1,1,1\n", r"must be video, voice, got video, voice, video"),
        ("step,step,video,voice\n0,0,1,1\n", r"must be video, voice, got step, step"),
        ("video,voice\n", r"week.csv must have at least one row, got none"),
        ("video,voice\n1,0\n1\n", r"week.csv must have 2 cells in every row, got 1 in row 1"),
        ("video,voice\n1,0\n1,\n", r"week.csv must have a value for every step, got none in row 1, column 'voice'"),
        ("video,voice\n1,nan\n", r"week.csv must have a value for every step, got none in row 0, column 'voice'"),
        ("video,voice\n1,0\n1.5,0\n", r"week.csv must have values in \[0, 1\], got 1.5 in row 1, column 'video'"),
        ("video,voice\n1,much\n", r"week.csv must have numbers, got 'much' in row 0, column 'voice'"),
        ("step,video,voice\n0,1,1\n2,1,1\n", r"week.csv must have a row for every step, got step 2 in row 1"),
        ("step,video,voice\n,1,1\n", r"week.csv must have a row for every step, got step nan in row 0"),
        ('video,voice\n"1,0\n', r"a CSV file that can be read, got .*week.csv: not CSV in UTF-8"),
    ],
)
def test_file_that_is_no_table_of_masks_is_refused(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "week.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=error):
        read_masks(path, NAMES)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "week.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match=r"week.csv: not CSV in UTF-8"):
        read_masks(path, NAMES)
