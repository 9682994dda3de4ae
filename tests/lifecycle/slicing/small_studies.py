"""A network of two sites and a study of it that take seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.settings import StudySettings
from netgraft.lifecycle.slicing.study import SEEDS, run_study
from netgraft.ran import Scenario, preset
from netgraft.ran.scenario import SliceGroup

PAPER = preset("paper")
SMALL: Scenario = replace(
    PAPER,
    name="small",
    sites=2,
    groups=(SliceGroup((0, 1, 2), PAPER.groups[0].slices), SliceGroup((3, 4, 5), PAPER.groups[1].slices)),
    users_per_slice=6,
    activity=0.4,
    map_step_m=25.0,
)
QUICK = StudySettings(
    explore_steps=30,
    train_steps=40,
    transfer_steps=50,
    evaluation_steps=30,
    progress_every=20,
    progress_steps=10,
    sample_steps=25,
    instances=30,
    generalist_updates=10,
    generalist_rows=10,
)
#: The same on the command line.
QUICK_WORDS = [
    word
    for name, value in QUICK.payload().items()
    if value != getattr(StudySettings(), name)
    for word in ("--set", f"{name}={value}")
]


@dataclass(frozen=True)
class Finished:
    """A study that is done: its folder and what it returned."""

    out: Path
    results: dict[str, Any]
    settings: StudySettings

    def work(self, seed: int = 0) -> SeedWork:
        return SeedWork(self.out / SEEDS / str(seed), SMALL, self.settings, seed)


def finish(out: Path, **settings: Any) -> Finished:
    chosen = replace(QUICK, new_cell=True, **settings)
    return Finished(out, run_study(out, SMALL, chosen, seeds=(0, 1)), chosen)


def without_seconds(results: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if key != "seconds"}
