"""The record of a search: every evaluation, the history of its hypervolume, the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from netgraft.search.evaluation import Evaluation
from netgraft.search.front import front_hypervolume, non_dominated
from netgraft.search.objective import Objective, violated
from netgraft.units import Limit

# The weights of this many candidates with the least error are kept beside those of the front.
_KEPT_BY_ERROR = 8


@dataclass(frozen=True)
class BatchReport:
    """What a search tells after each batch.

    Attributes:
        index: the batch, from 0.
        evaluations: those of the batch.
        seconds: how long the search had run when the batch was recorded.
        trained: the candidates trained so far.
        scored: the cheap estimates made so far.
        hypervolume: of all evaluations so far, 0 to 1.
        replayed: whether the batch came from the journal rather than from training.
    """

    index: int
    evaluations: tuple[Evaluation, ...]
    seconds: float
    trained: int
    scored: int
    hypervolume: float
    replayed: bool


@dataclass
class Archive:
    """Everything a search has found, in the order it was found.

    Attributes:
        space_bytes: the size of the smallest and of the largest candidate of the space.
        evaluations: all of them, rejected ones included.
        history: per batch ``{"seconds", "evaluations", "hypervolume"}``.
        scored: the cheap estimates made.
        interrupted: whether the user stopped the search.
    """

    space_bytes: tuple[float, float]
    evaluations: list[Evaluation] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    scored: int = 0
    interrupted: bool = False

    @property
    def done(self) -> list[Evaluation]:
        """The evaluations that have values."""
        return [evaluation for evaluation in self.evaluations if evaluation.valued]

    @property
    def trained(self) -> int:
        """The number of candidates that were trained, with or without success."""
        return sum(evaluation.trained for evaluation in self.evaluations)

    def front(self, objectives: Sequence[Objective], limits: Sequence[Limit] = ()) -> list[Evaluation]:
        """Return the evaluations that no other dominates, smallest last objective first; of equal ones the first.

        Args:
            objectives: what counts.
            limits: hard bounds; evaluations that exceed one are left out, so the front may be empty.
        """
        names = [objective.name for objective in objectives]
        able = [evaluation for evaluation in self.done if violated(evaluation.values, limits) is None]
        mask = non_dominated(values_matrix(able, names))
        chosen = [evaluation for evaluation, good in zip(able, mask, strict=True) if good]
        return sorted(chosen, key=lambda evaluation: [evaluation.values[name] for name in reversed(names)])

    def add(self, evaluations: Sequence[Evaluation], *, seconds: float, scored: int, replayed: bool) -> BatchReport:
        """Append a batch and return the report of it.

        Args:
            evaluations: those of the batch.
            seconds: how long the search had run when the batch was recorded.
            scored: the cheap estimates made for the batch.
            replayed: whether the batch came from the journal.
        """
        self.evaluations.extend(evaluations)
        self.scored += scored
        done = self.done
        errors = [evaluation.values["error"] for evaluation in done]
        sizes = [evaluation.values["size"] for evaluation in done]
        volume = front_hypervolume(errors, sizes, *self.space_bytes)
        self.history.append({"seconds": seconds, "evaluations": self.trained, "hypervolume": volume})
        index = len(self.history) - 1
        return BatchReport(index, tuple(evaluations), seconds, self.trained, self.scored, volume, replayed)

    def needed(self, objectives: Sequence[Objective], limits: Sequence[Limit] = ()) -> set[int]:
        """Return the evaluations whose weights are still wanted: the front's, with and without limits, and the best."""
        by_error = sorted(self.done, key=lambda evaluation: (evaluation.values["error"], evaluation.id))
        wanted = [*self.front(objectives), *self.front(objectives, limits), *by_error[:_KEPT_BY_ERROR]]
        return {evaluation.id for evaluation in wanted}


def values_matrix(evaluations: Sequence[Evaluation], names: Sequence[str]) -> np.ndarray:
    """Return the values of the named objectives, float64 [n, m]."""
    rows = [[evaluation.values[name] for name in names] for evaluation in evaluations]
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(names))
