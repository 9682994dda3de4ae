"""Who trains groups of candidates: this process, or several with one thread each; the result does not depend on it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from netgraft.lifecycle.processes import begin_process, end_pool
from netgraft.root import Basis, Data, Population, Recipe, Schedule, SoftRows, Trained
from netgraft.search import ranks

_DATA: tuple[Data, dict[str, Basis]] | None = None


@dataclass(frozen=True)
class Group:
    """Candidates that are trained in one stack.

    Attributes:
        recipes: C candidates that share the batch size.
        starts: weights each starts from, or None.
        sizes: [C] bytes; the halving keeps candidates that are good for their size.
        schedule: how long.
        seed: of all that is drawn.
        load: multiply-adds, to share time between groups.
        seconds: what training may take, or None.
    """

    recipes: tuple[Recipe, ...]
    starts: tuple[dict[str, np.ndarray] | None, ...]
    sizes: np.ndarray
    schedule: Schedule
    seed: int
    load: float
    seconds: float | None = None


class Workers:
    """Trains groups, ``jobs`` at a time."""

    def __init__(self, data: Data, bases: dict[str, Basis], jobs: int) -> None:
        """Start the other processes if there are to be several."""
        self._data, self._bases, self.jobs = data, bases, jobs
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(data, bases))
            for _ in range(jobs):
                self._pool.submit(_ready)

    def train(self, groups: Sequence[Group], soft: SoftRows | None = None) -> list[list[Trained]]:
        """Return the trained candidates of each group, in order.

        Args:
            groups: to train.
            soft: a teacher's rows, for the groups that learn from them.
        """
        if self._pool is None:
            return [train_group(group, replace(self._data, soft=soft), self._bases) for group in groups]
        largest_first = sorted(range(len(groups)), key=lambda i: -groups[i].load)
        taught = [soft if any(recipe.distill for recipe in group.recipes) else None for group in groups]
        futures = {i: self._pool.submit(_train, groups[i], taught[i]) for i in largest_first}
        return [futures[i].result() for i in range(len(groups))]

    def close(self, *, at_once: bool = False) -> None:
        """End the other processes.

        Args:
            at_once: do not wait for what they are training.
        """
        if self._pool is None:
            return
        if at_once:
            end_pool(self._pool)
        else:
            self._pool.shutdown(wait=True, cancel_futures=True)


def train_group(group: Group, data: Data, bases: dict[str, Basis]) -> list[Trained]:
    """Return the trained candidates of one group."""
    alive = np.zeros(0, np.int64)

    def select(errors: np.ndarray) -> np.ndarray:
        """Keep the better half by non-dominated rank over error and size, ties by error."""
        nonlocal alive
        rank = ranks(np.column_stack([errors, group.sizes[alive]]))
        kept = np.sort(np.lexsort((errors, rank))[: (len(errors) + 1) // 2])
        alive = alive[kept]
        return kept

    population = Population(group.recipes, data, bases, seed=group.seed, starts=group.starts)
    alive = np.array(population.order)
    schedule = Schedule(group.schedule.steps, group.schedule.halve_at, group.seconds)
    return population.train(schedule, select)


def _start(data: Data, bases: dict[str, Basis]) -> None:
    """Prepare another process and give it the rows, once for all groups."""
    global _DATA
    begin_process()
    torch.set_num_threads(1)
    _DATA = (data, bases)


def _ready() -> None:
    """Do nothing: makes a process start early."""


def _train(group: Group, soft: SoftRows | None) -> list[Trained]:
    """Train a group in another process."""
    assert _DATA is not None
    data, bases = _DATA
    return train_group(group, replace(data, soft=soft), bases)
