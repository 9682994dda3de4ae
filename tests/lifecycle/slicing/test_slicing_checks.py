from __future__ import annotations

from typing import Any

import numpy as np

from netgraft.lifecycle.slicing.checks import BEYOND, NEW_CELL, ORDER, Check, checks_of
from netgraft.lifecycle.slicing.measured import Progress
from netgraft.seeds import generator

METHODS = {name for goal in (*ORDER, *BEYOND, *NEW_CELL) for name in (goal.better, goal.worse)}
TRAFFIC = generator(0, "traffic").normal(0, 0.2, (2, 400))
SIMILARITY = {"energy": {"nearest_in_group": 1.0}, "vae": {"nearest_in_group": 0.5}, "chosen": "energy"}


def series_of(**levels: float) -> dict[str, dict[str, Any]]:
    values = {name: TRAFFIC + levels.get(name, 0.0) for name in METHODS}
    return {name: {"reward": value, "satisfaction": value} for name, value in values.items()}


def progress_of(*rewards: float) -> list[Progress]:
    return [Progress(np.arange(len(rewards)) * 100, np.array(rewards))]


def named(found: list[Check], name: str) -> Check:
    (check,) = (check for check in found if check["name"] == name)
    return check


def checked(**levels: float) -> list[Check]:
    ends = progress_of(0.1, 0.2, 0.3, 0.4, 0.5)
    return checks_of(series_of(**levels), transfer=progress_of(0.4, 0.6), drl=ends, similarity=SIMILARITY)


def test_a_small_difference_on_the_same_traffic_is_seen() -> None:
    found = checked(drl_4000=0.01)
    check = named(found, "DRL beats the baseline")
    assert check["holds"] is True
    assert check["values"]["difference_low"] == check["values"]["difference"] == 0.01
    assert "the interval of the difference is above 0" in check["text"]
    assert named(found, "transfer beats DRL at equal steps")["holds"] is False


def test_equal_is_no_worse_but_not_better() -> None:
    found = checked()
    assert named(found, "similar is no worse than dissimilar")["holds"] is True
    assert named(found, "DRL beats the baseline")["holds"] is False
    assert named(checked(tl_dissimilar=0.001), "similar is no worse than dissimilar")["holds"] is False


def test_throughput_is_compared_beyond_the_paper() -> None:
    assert named(checked(tl_similar=0.1), "agents beat the baseline in throughput")["holds"] is True
    assert named(checked(tl_similar=-0.1), "agents beat the baseline in throughput")["holds"] is False


def test_how_soon_a_transfer_is_as_good() -> None:
    check = named(checked(), "transfer is four times as fast")
    assert check["holds"] is True
    assert check["values"]["reached_at_step"] == check["values"]["most_steps"] == 100
    late = checks_of(
        series_of(),
        transfer=progress_of(0.1, 0.2, 0.6),
        drl=progress_of(0.1, 0.2, 0.3, 0.4, 0.5),
        similarity=SIMILARITY,
    )
    assert named(late, "transfer is four times as fast")["holds"] is False
    never = checks_of(series_of(), transfer=progress_of(0.1, 0.2), drl=progress_of(0.1, 0.5), similarity=SIMILARITY)
    assert "reached_at_step" not in named(never, "transfer is four times as fast")["values"]


def test_every_cell_must_have_a_source_of_its_group() -> None:
    name = "the nearest source makes the same promises"
    assert named(checked(), name)["values"] == {"energy": 1.0, "vae": 0.5}
    assert named(checked(), name)["holds"] is True
    by_vae = checks_of(
        series_of(), transfer=progress_of(1), drl=progress_of(1), similarity={**SIMILARITY, "chosen": "vae"}
    )
    assert named(by_vae, name)["holds"] is False


def test_without_new_cells_nothing_is_said_of_them() -> None:
    kept = {name: values for name, values in series_of().items() if not name.startswith("new_cell")}
    found = checks_of(kept, transfer=progress_of(1), drl=progress_of(1), similarity=SIMILARITY)
    assert not [check for check in found if "new cell" in check["name"]]
    assert len(checked()) == len(found) + 2
