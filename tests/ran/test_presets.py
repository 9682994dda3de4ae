from __future__ import annotations

from pathlib import Path

import pytest

from netgraft.errors import SettingError, TableError
from netgraft.ran.presets import preset, presets, read_scenario
from netgraft.ran.scenario import Scenario


def written(folder: Path, text: str, name: str = "town.toml") -> Path:
    """Return the path of a file with the text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_preset_paper_is_section_v_of_the_paper() -> None:
    scenario = preset("paper")
    assert (scenario.cells, scenario.slices, scenario.users) == (12, 4, 1536)
    assert (scenario.carrier_hz, scenario.bandwidth_hz, scenario.path_loss) == (2.6e9, 20e6, "winner-c2")
    assert [group.cells for group in scenario.groups] == [(0, 1, 2, 6, 7, 8), (3, 4, 5, 9, 10, 11)]
    assert scenario.throughput_bps[0].tolist() == [4e6, 3e6, 2e6, 1e6]
    assert scenario.throughput_bps[11].tolist() == [2.5e6, 2e6, 1.5e6, 1e6]
    assert scenario.delay_s[8].tolist() == [3e-3, 2e-3, 1e-3, 1e-3]
    assert scenario.delay_s[3].tolist() == [1e-3] * 4


@pytest.mark.parametrize(("name", "cells"), [("three", 3), ("paper", 12), ("twenty-one", 21), ("fifty-seven", 57)])
def test_presets_have_their_cells(name: str, cells: int) -> None:
    assert name in presets()
    assert (preset(name).name, preset(name).cells) == (name, cells)


def test_unknown_preset_is_told_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"a preset must be one of .*, got 'papr'; the nearest is 'paper'"):
        preset("papr")


def test_file_changes_its_base(tmp_path: Path) -> None:
    path = written(tmp_path, 'base = "paper"\noverhead = 0.4\n[masks]\nlow = 0.1\n')
    scenario = read_scenario(path)
    assert (scenario.name, scenario.overhead, scenario.masks.low) == ("paper", 0.4, 0.1)
    assert scenario.groups == preset("paper").groups


def test_file_without_base_and_name_is_named_after_itself(tmp_path: Path) -> None:
    text = 'sites = 1\n[[groups]]\ncells = [0, 1, 2]\nslices = [{name = "a", throughput_bps = 1e6, delay_s = 1e-3}]\n'
    scenario = read_scenario(str(written(tmp_path, text)))
    assert (scenario.name, scenario.slice_names) == ("town", ("a",))


def test_masks_may_come_from_a_file_beside_the_scenario(tmp_path: Path) -> None:
    written(tmp_path, "slice-4,slice-3,slice-2,slice-1\n0.4,0.3,0.2,0.1\n1,1,1,1\n", "week.csv")
    scenario = read_scenario(written(tmp_path, 'base = "three"\n[masks]\nfile = "week.csv"\n'))
    assert scenario.masks.table == ((0.1, 0.2, 0.3, 0.4), (1.0, 1.0, 1.0, 1.0))
    assert Scenario.from_payload(scenario.payload()) == scenario


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('base = "papr"', r"a preset must be one of .*, got 'papr'.* in .*town.toml"),
        ('base = "paper"\nbandwidth_hz = 0', r"bandwidth_hz must be > 0, got 0 in .*town.toml"),
        ('base = "paper"\npower = 1', r"a key of a scenario must be one of .*, got 'power'.* in .*town.toml"),
        ('base = "paper"\nsites = 7', r"got cell 12 in none in .*town.toml"),
        ('base = "paper"\n[masks]\nfile = "a.csv"\nlow = 0', r"masks with a file must have no other key, got low in"),
        ("sites = ", r"a scenario must be a TOML file, got .*town.toml: "),
    ],
)
def test_file_that_is_no_scenario_is_named(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(SettingError, match=error):
        read_scenario(written(tmp_path, text))


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"TOML file that can be read, got .*none.toml: No such file"):
        read_scenario(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(SettingError, match=r"TOML file that can be read, got .*bytes.toml: not UTF-8 text"):
        read_scenario(tmp_path / "bytes.toml")


def test_table_of_masks_that_is_not_usable_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, 'base = "three"\n[masks]\nfile = "week.csv"\n')
    with pytest.raises(TableError, match=r"a CSV file that can be read, got .*week.csv: No such file"):
        read_scenario(path)
