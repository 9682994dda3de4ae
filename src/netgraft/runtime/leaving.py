"""Early exits: rows leave a network at the first head that is certain enough of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.runtime.encoding import FloatArray

#: What is kept of each row from one depth to the next: arrays with the rows first.
State = Sequence[NDArray[Any]]


def leave_early(
    state: State,
    *,
    depths: range,
    advance: Callable[[State, int], State],
    answer: Callable[[State, int], FloatArray],
    confidence: Callable[[FloatArray], NDArray[np.bool_]],
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return for each row the outputs of the first head that is confident, and that head's depth; [n, c] and [n].

    Each depth is computed once, for the rows that have not left yet; the rest leave at the last head.

    Args:
        state: at depth 0.
        depths: of the heads, the last one included.
        advance: from the state of some rows to that one depth further; called with that depth.
        answer: from the state of m rows to the outputs [m, c] of the head at a depth.
        confidence: from outputs [m, c] of m rows to whether each is certain enough, [m].
    """
    last = depths[-1]
    rows = np.arange(len(state[0]))
    outputs: FloatArray | None = None
    left = np.full(len(rows), last, np.int64)
    for depth in range(last + 1):
        state = advance(state, depth) if depth else state
        if depth not in depths:
            continue
        made = answer(state, depth)
        outputs = np.zeros((len(left), made.shape[1]), np.float32) if outputs is None else outputs
        leaves = np.ones(len(rows), bool) if depth == last else np.asarray(confidence(made), bool)
        outputs[rows[leaves]], left[rows[leaves]] = made[leaves], depth
        rows, state = rows[~leaves], [piece[~leaves] for piece in state]
        if not len(rows):
            break
    assert outputs is not None
    return outputs, left
