from __future__ import annotations

import pytest

from netgraft.errors import SettingError
from netgraft.ran.slices import Slice, SliceGroup

VIDEO, VOICE = Slice("video", 4e6, 3e-3), Slice("voice", 1e5, 1e-3)


def test_group_reads_back_what_its_table_says() -> None:
    table = {
        "cells": [0, 1],
        "slices": [
            {"name": "video", "throughput_bps": 4e6, "delay_s": 3e-3},
            {"name": "voice", "throughput_bps": 100_000, "delay_s": 1e-3},
        ],
    }
    assert SliceGroup.from_payload(table) == SliceGroup((0, 1), (VIDEO, VOICE))


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (3, r"a group must be a table, got 3"),
        ({"cells": 3}, r"cells must be a list, got 3"),
        ({"cells": [0]}, r"a group must have slices, got cells"),
        ({"cells": [0], "slices": "video"}, r"slices must be a list, got 'video'"),
        ({"cells": [0], "slices": []}, r"slices must be at least one, got none"),
        ({"cells": [], "slices": [{"name": "a", "throughput_bps": 1, "delay_s": 1}]}, r"whole numbers, got \[\]"),
        ({"cells": [0.5], "slices": [{"name": "a", "throughput_bps": 1, "delay_s": 1}]}, r"whole numbers, got \[0.5\]"),
        ({"cells": [0], "slices": [{"name": "a", "rate": 1}]}, r"a key of a slice must be one of .*, got 'rate'"),
        ({"cells": [0], "slices": [{"name": "a", "throughput_bps": 0, "delay_s": 1}]}, r"throughput_bps must be > 0"),
        ({"cells": [0], "slices": [{"name": "a", "throughput_bps": 1, "delay_s": -1}]}, r"delay_s must be > 0, got -1"),
    ],
)
def test_table_that_is_no_group_is_refused(table: object, text: str) -> None:
    with pytest.raises(SettingError, match=text):
        SliceGroup.from_payload(table)


def test_slices_of_a_group_have_different_names() -> None:
    with pytest.raises(SettingError, match=r"slices must have different names, got 'video' 2 times"):
        SliceGroup((0,), (VIDEO, VOICE, VIDEO))


def test_lists_become_tuples_so_that_groups_can_be_keys() -> None:
    assert hash(SliceGroup([0], [VIDEO])) == hash(SliceGroup((0,), (VIDEO,)))  # type: ignore[arg-type]
