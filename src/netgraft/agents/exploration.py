"""How agents try shares that their actors would not choose: each strategy is a function of the step and of logits.

Random numbers come from the seed and the step alone, so an interrupted run goes on with the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from netgraft.agents.networks import act
from netgraft.errors import SettingError
from netgraft.seeds import generator

Floats = NDArray[np.float64]
#: Returns shares [A, N] for the actors' logits [A, N] at a step.
Exploration = Callable[[Floats, int], Floats]


def dirichlet(concentration: float = 2.0, *, seed: int = 0) -> Exploration:
    """Return a strategy that ignores the actors: shares from a symmetric Dirichlet distribution.

    Args:
        concentration: 1 is uniform on the simplex; the greater, the nearer to equal shares.
        seed: of the shares.

    Raises:
        SettingError: the concentration is not > 0.
    """
    if not 0 < concentration < math.inf:
        raise SettingError(f"concentration must be > 0, got {concentration}")

    def explore(logits: Floats, step: int) -> Floats:
        agents, n = logits.shape
        drawn = generator(seed, "dirichlet", step).standard_gamma(concentration, (agents, n))
        # a gamma variate of a small shape may be 0 in every slice: equal shares then
        drawn += np.finfo(float).tiny
        return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))

    return explore


def gaussian_logits(std: float = 0.4, *, seed: int = 0, until: int | None = None) -> Exploration:
    """Return a strategy that adds normal noise to the actors' logits and takes the softmax.

    Args:
        std: of the noise; 0 is no exploration.
        seed: of the noise.
        until: step at which the noise has shrunk to nothing, linearly from step 0; None: it stays.

    Raises:
        SettingError: std is negative or not finite, or `until` is below 1.
    """
    if not 0 <= std < math.inf:
        raise SettingError(f"std must be >= 0 and finite, got {std}")
    if until is not None and until < 1:
        raise SettingError(f"until must be >= 1, got {until}")

    def explore(logits: Floats, step: int) -> Floats:
        left = 1.0 if until is None else max(0.0, 1 - step / until)
        noise = generator(seed, "logits", step).standard_normal(logits.shape)
        return act(logits + std * left * noise, "softmax")

    return explore
