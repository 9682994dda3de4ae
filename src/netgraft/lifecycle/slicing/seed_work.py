"""The work on one seed of a study: its streams of random numbers, and a file for each stage that is done.

Rules the module keeps: a file is written whole or not at all; what is in it depends on the scenario, the settings and
the seed alone, so a stage that is done need not be done again, and stages may run in any process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netgraft.agents.stored import Tensors, pack, unpack
from netgraft.errors import ModelError
from netgraft.lifecycle.slicing.settings import StudySettings
from netgraft.ran import Scenario
from netgraft.records import write_bytes
from netgraft.seeds import child_seed

KIND = "netgraft-slicing-stage"
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class SeedWork:
    """One seed of a study.

    Attributes:
        folder: of its stages.
        scenario: the network.
        settings: how the study is done.
        seed: of everything random but the radio map.
    """

    folder: Path
    scenario: Scenario
    settings: StudySettings
    seed: int

    def traffic(self, name: str) -> int:
        """Return the seed of the users and traffic of an episode: the same name is the same traffic for all methods."""
        return child_seed(self.seed, "traffic", name)

    def learning(self, name: str) -> int:
        """Return the seed of weights, batches and exploration."""
        return child_seed(self.seed, "learning", name)

    def has(self, stage: str) -> bool:
        """Return whether a stage is done."""
        return self._path(stage).exists()

    def write(self, stage: str, tensors: Tensors) -> None:
        """Keep what a stage found.

        Raises:
            OutputError: the folder cannot be written.
        """
        write_bytes(self._path(stage), pack(KIND, tensors, {"seed": self.seed, "stage": stage}))

    def read(self, stage: str) -> Tensors:
        """Return what a stage found.

        Raises:
            ModelError: the file cannot be read, or is another's.
        """
        path = self._path(stage)
        try:
            tensors, facts = unpack(KIND, path.read_bytes())
        except OSError as error:
            raise ModelError(f"a stage's file is required, got {path}: {error.strerror}") from error
        if facts != {"seed": self.seed, "stage": stage}:
            raise ModelError(f"{path} must be of stage {stage!r} and seed {self.seed}, got {facts}")
        return tensors

    def _path(self, stage: str) -> Path:
        return self.folder / f"{stage}{_SUFFIX}"
