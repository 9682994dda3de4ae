"""Times ONNX models here as they are served: ONNX Runtime, one thread, one row at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Clock = Callable[[], int]
Row = Mapping[str, NDArray[Any]]
WARM_UP_RUNS = 10


@dataclass(frozen=True)
class Timing:
    """The times of many runs of one model.

    Attributes:
        median_s: the median of a run.
        p95_s: the 95th percentile of a run.
        runs: how many runs were timed.
    """

    median_s: float
    p95_s: float
    runs: int


def open_session(model: bytes) -> Any:
    """Return an ONNX Runtime session for a serialised model, set as the product serves it: one thread, the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def time_models(
    sessions: Sequence[Any],
    rows: Sequence[Row],
    *,
    budget_s: float,
    runs_per_round: int = 20,
    min_rounds: int = 3,
    clock: Clock = time.perf_counter_ns,
    progress: Callable[[float], None] | None = None,
) -> list[Timing]:
    """Return the time of one run of each model.

    The models take turns, so that a slow minute of a shared machine meets all of them alike, and the median over all
    rounds leaves out the runs that another process interrupted.

    Args:
        sessions: m sessions of `open_session`.
        rows: for each model its raw columns.
        budget_s: stop after this many seconds, but not before ``min_rounds`` rounds.
        runs_per_round: timed runs of a model before it is the next one's turn.
        min_rounds: rounds that are run whatever the budget.
        clock: nanoseconds that never go back.
        progress: called after each round with the part of the budget used, 0 to 1.
    """
    times: list[list[int]] = [[] for _ in sessions]
    for session, row in zip(sessions, rows, strict=True):
        for _ in range(WARM_UP_RUNS):
            session.run(None, row)
    start, rounds, used = clock(), 0, 0.0
    while rounds < min_rounds or used < budget_s:
        for place, (session, row) in enumerate(zip(sessions, rows, strict=True)):
            times[place] += _time_runs(session, row, runs_per_round, clock)
        rounds, used = rounds + 1, (clock() - start) / 1e9
        if progress is not None:
            progress(min(1.0, used / budget_s if budget_s > 0 else 1.0))
    return [_timing(taken) for taken in times]


def time_onnx(model: bytes, row: Row, *, runs: int = 300) -> Timing:
    """Return the time of one run of a serialised ONNX model on one row of raw columns."""
    return time_models([open_session(model)], [row], budget_s=0.0, runs_per_round=runs, min_rounds=1)[0]


def _time_runs(session: Any, row: Row, runs: int, clock: Clock) -> list[int]:
    session.run(None, row)  # brings the model back into the caches after another one's turn
    taken = []
    for _ in range(runs):
        start = clock()
        session.run(None, row)
        taken.append(clock() - start)
    return taken


def _timing(taken_ns: list[int]) -> Timing:
    median, p95 = np.percentile(np.asarray(taken_ns), [50, 95]) / 1e9
    return Timing(float(median), float(p95), len(taken_ns))
