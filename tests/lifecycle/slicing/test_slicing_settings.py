from __future__ import annotations

import pytest

from netgraft.errors import SettingError
from netgraft.lifecycle.slicing.settings import ROW_MEASURES, StudySettings


def test_the_schedule_is_that_of_the_paper() -> None:
    settings = StudySettings()
    assert (settings.explore_steps, settings.train_steps, settings.transfer_steps) == (3_000, 5_500, 4_000)
    assert settings.updates_per_step == 1


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("train_steps", 0, "train_steps must be >= 1, got 0"),
        ("explore_steps", -1, "explore_steps must be >= 0, got -1"),
        ("sample_steps", 19, "sample_steps must be >= 20, got 19"),
        ("noise", float("nan"), "noise must be >= 0, got nan"),
        ("updates_per_step", -2, "updates_per_step must be >= 1, got -2"),
        ("concentration", 0.0, "concentration must be > 0, got 0.0"),
        ("source_share", 1.5, r"source_share must be in \[0, 1\], got 1.5"),
    ],
)
def test_numbers_out_of_range(name: str, value: float, text: str) -> None:
    with pytest.raises(SettingError, match=text):
        StudySettings(**{name: value})


def test_unknown_measure() -> None:
    with pytest.raises(SettingError, match=r"measure must be one of .*, got 'enery'; the nearest is 'energy'"):
        StudySettings(measure="enery")
    assert "ridge" not in ROW_MEASURES


def test_settings_written_as_text() -> None:
    changed = StudySettings().with_texts({"train_steps": "7", "noise": "0.5", "measure": "mmd", "source_share": "none"})
    assert (changed.train_steps, changed.noise, changed.measure, changed.source_share) == (7, 0.5, "mmd", None)
    assert StudySettings(**changed.payload()) == changed


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        ({"train_step": "7"}, r"a setting must be one of .*, got 'train_step'; the nearest is 'train_steps'"),
        ({"train_steps": "7.5"}, "train_steps must be a whole number, got '7.5'"),
        ({"noise": "much"}, "noise must be a number, got 'much'"),
        ({"new_cell": "yes"}, "a setting must be one of"),
    ],
)
def test_texts_that_are_no_settings(texts: dict[str, str], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        StudySettings().with_texts(texts)
