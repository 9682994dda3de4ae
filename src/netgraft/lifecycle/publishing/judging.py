"""How good a cut is on rows that trained nothing, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from netgraft.seeds import generator

_RESAMPLED, _TAIL = 40, 0.025


def with_interval(accuracy: Callable[[NDArray[np.int64]], float], rows: int, seed: int) -> tuple[float, float, float]:
    """Return an accuracy with a 95 % interval by the bootstrap (Efron 1979).

    Args:
        accuracy: of some of the rows, by their places [n], one as often as it is named.
        rows: that judge.
        seed: of the resampling, so that cuts are judged on the same draws.
    """
    drawn = generator(seed, "accuracy").integers(0, rows, (_RESAMPLED, rows))
    low, high = np.quantile([accuracy(each) for each in drawn], [_TAIL, 1 - _TAIL])
    return accuracy(np.arange(rows)), float(low), float(high)
