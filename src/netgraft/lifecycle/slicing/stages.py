"""The stages of a study by name: what each needs to be done before, and who does it in whichever process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netgraft.agents.stored import Tensors
from netgraft.lifecycle.slicing.baselines import measure_baselines
from netgraft.lifecycle.slicing.drl import train_drl
from netgraft.lifecycle.slicing.new_cell import PLACES, add_cells
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.settings import StudySettings
from netgraft.lifecycle.slicing.similarity import compare_cells
from netgraft.lifecycle.slicing.transfers import (
    GENERALIST,
    MODES,
    RANKS,
    swap_policies,
    transfer_by_mode,
    transfer_by_rank,
    transfer_generalist,
)

#: Stages that need no other, and what does them.
_FIRST: dict[str, Callable[[SeedWork], Tensors]] = {
    "drl": train_drl,
    "similarity": compare_cells,
    "baselines": measure_baselines,
}
#: Stages that need those; they are told their name.
_THEN: dict[str, Callable[[SeedWork, str], Tensors]] = {
    "swapped": lambda work, _: swap_policies(work),
    **dict.fromkeys(RANKS, transfer_by_rank),
    **dict.fromkeys(MODES, transfer_by_mode),
    GENERALIST: transfer_generalist,
    **dict.fromkeys(PLACES, add_cells),
}


@dataclass(frozen=True)
class StageJob:
    """A stage of one seed, as a process gets it.

    Attributes:
        work: the seed.
        stage: its name.
    """

    work: SeedWork
    stage: str


def waves_of(settings: StudySettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the stages that need no other, and of those that need them."""
    return tuple(_FIRST), tuple(name for name in _THEN if settings.new_cell or name not in PLACES)


def do_stage(job: StageJob) -> str:
    """Do a stage unless it is done, keep what it found, and return its name.

    Raises:
        OutputError: the folder cannot be written.
        ModelError: the file of a stage before is damaged.
    """
    work, stage = job.work, job.stage
    if not work.has(stage):
        work.write(stage, _FIRST[stage](work) if stage in _FIRST else _THEN[stage](work, stage))
    return stage
