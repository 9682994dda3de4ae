"""How a search shares its time: the clock, what its parts may take of the budget, and the pace of its training."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil

from netgraft.units import parse_quantity

# Share of a budget that the teacher may take, that the nested root may take at most, and most seconds of the latter.
_TEACHER_SHARE, _NESTED_SHARE, _NESTED_S = 0.12, 0.06, 3.0
# Share of the time left for comparing earlier models and starting from them.
_GRAFT_SHARE = 0.3
# What comes after the last batch takes so many seconds and this share of the budget.
_END_S, _END_SHARE = 0.3, 0.04
# Shares of the time left that a batch gets: at the beginning, more as the budget is used, at most; when it gets all.
_FIRST_SLICE, _SLICE_GROWTH, _MOST_SLICE, _LAST_SLICE = 0.06, 0.45, 0.25, 0.17
# Share of the memory that is free which training may use.
_MEMORY_SHARE = 0.6


class Clock:
    """Seconds since the search began, those before it was resumed included, and what of them its parts may take."""

    def __init__(self, budget_s: float | None, spent_s: float = 0.0) -> None:
        """Start now.

        Args:
            budget_s: seconds for the search, or None for no limit.
            spent_s: what it has taken before it was resumed.
        """
        self._began = time.monotonic() - spent_s
        self.budget_s = budget_s

    def elapsed(self) -> float:
        """Return the seconds since the search began."""
        return time.monotonic() - self._began

    def remaining(self) -> float:
        """Return the seconds left, infinite without a budget."""
        return float("inf") if self.budget_s is None else self.budget_s - self.elapsed()

    def teacher_s(self) -> float | None:
        """Return the seconds that the teacher may take, None without a budget."""
        return None if self.budget_s is None else _TEACHER_SHARE * self.budget_s

    def graft_s(self) -> float | None:
        """Return the seconds for comparing earlier models and starting from them, None without a budget."""
        return None if self.budget_s is None else _GRAFT_SHARE * max(1.0, self.remaining())

    def batches_s(self, *, is_taught: bool) -> float:
        """Return the seconds left for batches, infinite without a budget: less what comes after, and the teacher.

        Args:
            is_taught: whether the teacher has grown and needs no time any more.
        """
        if self.budget_s is None:
            return float("inf")
        share = _END_SHARE if is_taught else _END_SHARE + _TEACHER_SHARE
        return self.remaining() - (_END_S + share * self.budget_s)


@dataclass
class Pace:
    """How long training may take.

    Attributes:
        slice_s: seconds for the next batch of candidates, or None without a time limit.
        nested_s: seconds for the nested root, or None.
        memory_bytes: what a group of candidates may need while training.
        work_per_s: multiply-adds that training does in a second here, forward and backward counted once.
    """

    slice_s: Callable[[], float | None]
    nested_s: float | None
    memory_bytes: float
    work_per_s: float = 7e9


def pace_of(clock: Clock, is_taught: Callable[[], bool], memory_bytes: float) -> Pace:
    """Return how long training may take.

    Args:
        clock: of the search.
        is_taught: tells whether the teacher has grown.
        memory_bytes: what a group of candidates may need while training.
    """
    budget = clock.budget_s
    if budget is None:
        return Pace(lambda: None, None, memory_bytes)

    def slice_s() -> float:
        """Return a share of what is left that grows towards the end, where it is all."""
        left = max(0.2, clock.batches_s(is_taught=is_taught()))
        share = min(_MOST_SLICE, _FIRST_SLICE + _SLICE_GROWTH * clock.elapsed() / budget)
        return left if left < _LAST_SLICE * budget else share * left

    return Pace(slice_s, float(np.clip(_NESTED_SHARE * budget, 0.4, _NESTED_S)), memory_bytes)


def memory_allowed(wanted: str | None, jobs: int) -> float:
    """Return the bytes that training a group of candidates may need.

    Args:
        wanted: what the user allows, such as ``4GB``, or None for a share of what is free, divided among the jobs.
        jobs: processes that train.

    Raises:
        SettingError: what the user allows is no amount of memory.
    """
    if wanted is not None:
        return parse_quantity(wanted, "byte")
    return _MEMORY_SHARE * float(psutil.virtual_memory().available) / jobs
