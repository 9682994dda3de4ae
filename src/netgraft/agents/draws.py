"""Random numbers of an update by counter: which transitions, and the noise of target actions.

They depend on the seed, the agent and how many updates it had before, so not on how many agents learn beside it, on the
order of the agents, or on how many updates a call makes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from netgraft.ran.randomness import uniform_scalar

#: Streams.
ROWS, NOISE = 0, 1


@njit(cache=True, fastmath=False, error_model="numpy")
def draw_rows(seed, updates, batch, agents, starts, own, source, shares):  # type: ignore[no-untyped-def]
    """Return rows of `Draws` [U, A, b], uniform within an agent's own transitions and within those of its source.

    Args:
        seed: word of the seed.
        updates: how many, U.
        batch: transitions of each, b.
        agents: for whom; the rows of others are 0.
        starts: updates that each agent had before [A]; with its number they are the counter of its draws.
        own: numbers of own transitions [A].
        source: numbers of the source's transitions [A].
        shares: probability [A] that a transition is the source's.
    """
    rows = np.zeros((updates, own.size, batch), np.int64)
    for a in agents:
        for update in range(updates):
            for i in range(batch):
                drawn = uniform_scalar(seed, ROWS, starts[a] + update, a * batch + i)
                if drawn < shares[a]:
                    rows[update, a, i] = -1 - min(int(drawn / shares[a] * source[a]), source[a] - 1)
                else:
                    rows[update, a, i] = min(int((drawn - shares[a]) / (1 - shares[a]) * own[a]), own[a] - 1)
    return rows


@njit(cache=True, fastmath=False, error_model="numpy")
def draw_noise(seed, updates, batch, size, agents, starts, deviation, bound):  # type: ignore[no-untyped-def]
    """Return clipped normal noise of `Draws` [U, A, b, N], by Box and Muller from counted numbers.

    Args:
        seed: word of the seed.
        updates: how many, U.
        batch: transitions of each, b.
        size: numbers of an action, N.
        agents: for whom; the noise of others is 0.
        starts: as `draw_rows` takes them.
        deviation: of the normal distribution.
        bound: where it is cut.
    """
    noise = np.zeros((updates, starts.size, batch * size), np.float32)
    pairs = (batch * size + 1) // 2
    for a in agents:
        for update in range(updates):
            row = noise[update, a]
            for i in range(pairs):
                index = 2 * (a * pairs + i)
                radius = math.sqrt(-2 * math.log(1 - uniform_scalar(seed, NOISE, starts[a] + update, index)))
                angle = 2 * math.pi * uniform_scalar(seed, NOISE, starts[a] + update, index + 1)
                row[2 * i] = min(max(deviation * radius * math.cos(angle), -bound), bound)
                if 2 * i + 1 < row.size:
                    row[2 * i + 1] = min(max(deviation * radius * math.sin(angle), -bound), bound)
    return noise.reshape(updates, starts.size, batch, size)
