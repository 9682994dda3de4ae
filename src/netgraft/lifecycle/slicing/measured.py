"""What a method achieved on the way and in the end, as arrays by name in a stage's file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from netgraft.agents import Controller, Evaluation, History, Td3, acting, evaluate
from netgraft.agents.stored import Tensors
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.ran import Scenario, SlicingEnv

#: A step at which figure 8 compares methods, besides those of the settings.
EARLY_STEP = 200


def final_of(work: SeedWork, controller: Controller, scenario: Scenario | None = None) -> Evaluation:
    """Return what a controller achieves on the traffic that all methods are evaluated with."""
    env = SlicingEnv(scenario or work.scenario)
    return evaluate(env, controller, work.settings.evaluation_steps, seed=work.traffic("evaluation"))


def evaluation_tensors(name: str, evaluation: Evaluation) -> Tensors:
    """Return an evaluation's arrays, float32 [T, K]."""
    return {f"{name}.{field.name}": getattr(evaluation, field.name).astype(np.float32) for field in fields(evaluation)}


def evaluation_from(tensors: Tensors, name: str = "final") -> Evaluation:
    """Return the evaluation in a stage's arrays, float64 [T, K]."""
    return Evaluation(**{field.name: tensors[f"{name}.{field.name}"].astype(float) for field in fields(Evaluation)})


def history_tensors(history: History) -> Tensors:
    """Return the rewards of training, float32 [T, K]."""
    return {"training.reward": history.reward.astype(np.float32)}


@dataclass(frozen=True, eq=False)
class Progress:
    """Mean rewards of evaluations on the way.

    Attributes:
        steps: of training before each, int64 [P].
        rewards: float64 [P], mean over periods and cells.
    """

    steps: NDArray[np.int64]
    rewards: NDArray[np.float64]

    @staticmethod
    def of(tensors: Tensors) -> Progress:
        """Return the progress in a stage's arrays."""
        return Progress(tensors["progress.steps"], tensors["progress.rewards"])

    def at(self, step: int) -> float:
        """Return the reward of the last evaluation that is not after a step; of the first where none is."""
        place = int(np.searchsorted(self.steps, step, side="right")) - 1
        return float(self.rewards[max(place, 0)])


class Watch:
    """Evaluates agents on the way; to be called after every step of their training."""

    def __init__(
        self,
        work: SeedWork,
        td3: Td3,
        steps: int,
        *,
        explore_steps: int = 0,
        exploring: Controller | None = None,
        scenario: Scenario | None = None,
        cells: list[int] | None = None,
    ) -> None:
        """Evaluate before the first step.

        Args:
            work: the seed.
            td3: the agents.
            steps: of the training.
            explore_steps: in which the exploring controller decides and not the agents.
            exploring: see above; evaluated once.
            scenario: of the network; None: that of the work.
            cells: whose rewards count; None: all.
        """
        self._work, self._td3, self._cells = work, td3, cells
        self._env = SlicingEnv(scenario or work.scenario)
        every = work.settings.progress_every
        self._marks = {0, EARLY_STEP, steps, *range(every, steps, every)}
        self._explore_steps, self._exploring = explore_steps, exploring
        self._tried: float | None = None
        self._steps: list[int] = []
        self._rewards: list[float] = []
        self(0, None)

    def __call__(self, step: int, history: Callable[[], History] | None) -> None:
        """Evaluate where it is time to."""
        if step not in self._marks:
            return
        self._steps.append(step)
        self._rewards.append(self._exploration() if step < self._explore_steps else self._reward(acting(self._td3)))

    def tensors(self) -> Tensors:
        """Return the progress as arrays."""
        return {"progress.steps": np.array(self._steps), "progress.rewards": np.array(self._rewards)}

    def _exploration(self) -> float:
        if self._tried is None:
            assert self._exploring is not None
            self._tried = self._reward(self._exploring)
        return self._tried

    def _reward(self, controller: Controller) -> float:
        settings, seed = self._work.settings, self._work.traffic("evaluation")
        reward = evaluate(self._env, controller, settings.progress_steps, seed=seed).reward
        return float(reward.mean() if self._cells is None else reward[:, self._cells].mean())
