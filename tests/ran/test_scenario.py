from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.errors import SettingError, TableError
from netgraft.ran.presets import preset
from netgraft.ran.scenario import Scenario, Slice, SliceGroup, TrafficMask

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats" / "scenario.md"
SLICES = (Slice("video", 4e6, 3e-3), Slice("voice", 1e5, 1e-3))
ONE_SITE = Scenario("one", (SliceGroup((0, 1, 2), SLICES),), sites=1)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("bandwidth_hz", 0, r"bandwidth_hz must be > 0, got 0"),
        ("power_dbm", -5, r"power_dbm must be >= 0 and <= 80, got -5"),
        ("users_per_slice", 0, r"users_per_slice must be >= 1 and <= 1000000, got 0"),
        ("guard", 1, r"guard must be >= 0 and < 1, got 1"),
        ("overhead", -0.1, r"overhead must be >= 0 and < 1, got -0.1"),
        ("activity", 0, r"activity must be > 0 and <= 1, got 0"),
        ("path_loss", "winer-c2", r"path_loss must be one of uma, umi, winner-c2, got 'winer-c2'; .* 'winner-c2'"),
        ("rate", "shanon", r"rate must be one of cqi, shannon, got 'shanon'; the nearest is 'shannon'"),
        ("mobility", "walk", r"mobility must be one of direction, waypoint, got 'walk'"),
        ("user_height_m", 1.0, r"user_height_m must be >= 1.5 and <= 13, got 1"),
        ("bs_height_m", 1.5, r"bs_height_m must be > user_height_m, 1.5, got 1.5"),
        ("speed_min_mps", 20, r"speed_min_mps must be <= speed_max_mps, got 20 and 8.33333"),
        ("step_s", 100, r"speed_max_mps x step_s must be <= twice the area's margin, 500, got 833.333"),
        ("margin_m", 2, r"speed_max_mps x step_s must be <= twice the area's margin, 4, got 8.33333"),
        ("margin_m", 0, r"margin_m must be > 0, got 0"),
        ("map_step_m", 200, r"map_step_m must be <= site_distance_m / 4, got 200"),
        ("sites", 2, r"every cell must be in one group, got cell 3 in none"),
        ("groups", (), r"groups must be at least one, got none"),
        ("masks", TrafficMask(phases=(0.0,)), r"phases must be one per slice, 2, got 1"),
    ],
)
def test_value_that_is_not_allowed_is_named(key: str, value: object, text: str) -> None:
    with pytest.raises(SettingError, match=text):
        replace(ONE_SITE, **{key: value})


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (((0, 1), (2, 3)), r"cells of a group must be 0 to 2, got 3"),
        (((0, 1, -1), (2,)), r"cells of a group must be 0 to 2, got -1"),
        (((0, 1, 2), (2,)), r"every cell must be in one group, got cell 2 in two"),
        (((0,), (2,)), r"every cell must be in one group, got cell 1 in none"),
    ],
)
def test_every_cell_is_in_one_group(groups: tuple[tuple[int, ...], ...], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        replace(ONE_SITE, groups=tuple(SliceGroup(cells, SLICES) for cells in groups))


def test_groups_have_the_same_slices_in_the_same_order() -> None:
    groups = (SliceGroup((0, 1), SLICES), SliceGroup((2,), SLICES[::-1]))
    with pytest.raises(
        SettingError, match=r"the same slices in the same order, got \['video', 'voice'\] and \['voice'"
    ):
        replace(ONE_SITE, groups=groups)


def test_targets_follow_the_groups() -> None:
    light = tuple(replace(item, throughput_bps=item.throughput_bps / 2) for item in SLICES)
    scenario = replace(ONE_SITE, groups=(SliceGroup((0, 2), SLICES), SliceGroup((1,), light)))
    assert scenario.group_of_cell.tolist() == [0, 1, 0]
    assert scenario.throughput_bps.tolist() == [[4e6, 1e5], [2e6, 5e4], [4e6, 1e5]]
    assert scenario.delay_s.tolist() == [[3e-3, 1e-3]] * 3
    with pytest.raises(ValueError, match="read-only"):
        scenario.delay_s[0, 0] = 1


def test_users_are_counted_per_cell_or_in_all() -> None:
    assert (ONE_SITE.cells, ONE_SITE.slices, ONE_SITE.users) == (3, 2, 32 * 2 * 3)
    assert replace(ONE_SITE, user_scope="network").users == 32 * 2


def test_a_block_has_the_noise_and_power_of_lte() -> None:
    scenario = preset("paper")
    assert scenario.block_hz == pytest.approx(180e3)
    assert 10 * math.log10(scenario.block_noise_w / 1e-3) == pytest.approx(-112.4, abs=0.05)
    assert 10 * math.log10(scenario.block_power_w / 1e-3) == pytest.approx(26.0)
    assert scenario.usable_hz == pytest.approx(18e6 * (1 - scenario.overhead))


@pytest.mark.parametrize("name", ["paper", "three", "twenty-one", "fifty-seven"])
def test_payload_survives_json(name: str) -> None:
    scenario = preset(name)
    again = Scenario.from_payload(json.loads(json.dumps(scenario.payload())))
    assert again == scenario
    assert hash(again) == hash(scenario)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "overhead": st.floats(0, 0.9),
            "power_dbm": st.integers(0, 80),
            "shadowing_std_db": st.none() | st.floats(0, 20),
            "rate": st.sampled_from(["shannon", "cqi"]),
            "masks": st.builds(TrafficMask, period_steps=st.floats(1, 1e6), phases=st.just((0.0, 0.25))),
        },
    )
)
def test_any_scenario_survives_its_payload(changes: dict[str, object]) -> None:
    scenario = replace(ONE_SITE, **changes)
    assert Scenario.from_payload(scenario.payload()) == scenario


def test_payload_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(SettingError, match=r"a key of a scenario must be .*, got 'bandwith_hz'; .* 'bandwidth_hz'"):
        Scenario.from_payload({**ONE_SITE.payload(), "bandwith_hz": 1})
    with pytest.raises(SettingError, match=r"groups must be a list of tables, got 3"):
        Scenario.from_payload({**ONE_SITE.payload(), "groups": 3})
    with pytest.raises(SettingError, match=r"a scenario must have name, got sites"):
        Scenario.from_payload({"sites": 1})
    with pytest.raises(SettingError, match=r"a scenario must be a table, got \[\]"):
        Scenario.from_payload([])


def test_traffic_may_be_replayed_from_a_table() -> None:
    scenario = ONE_SITE.with_traffic([[0.1, 0.2], [0.3, 1.0]])
    assert scenario.masks.table == ((0.1, 0.2), (0.3, 1.0))
    assert Scenario.from_payload(json.loads(json.dumps(scenario.payload()))) == scenario
    with pytest.raises(TableError, match=r"must have two dimensions, steps and slices, got 1"):
        ONE_SITE.with_traffic([0.1, 0.2])
    with pytest.raises(TableError, match=r"must have values in \[0, 1\], got 2 in row 0, column 'voice'"):
        ONE_SITE.with_traffic(np.array([[0.1, 2.0]]))
    with pytest.raises(TableError, match=r"must be rows of numbers"):
        ONE_SITE.with_traffic([["a", "b"]])


def test_every_field_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    fields = [field.name for cls in (Scenario, TrafficMask, SliceGroup, Slice) for field in dataclasses.fields(cls)]
    assert [name for name in fields if f"`{name}`" not in text] == []
