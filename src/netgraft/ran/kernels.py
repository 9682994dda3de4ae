"""The network as compiled code: one call serves any number of periods of any number of seeds.

The functions repeat `netgraft.ran.mobility`, `links`, `coupling`, `delay` and `kpis`, which say what is computed and
why. Whatever decides who is where is the same arithmetic in the same order, so users' states are equal bit for bit.
One thread, no fast math: the same call gives the same result.

Compiled code is kept in ``__pycache__`` and made anew only when this file changes: one long file, then, and whoever
changes what it imports compiled (`randomness`, `rate`) or as a constant removes ``*.nbi`` there first. A test against
the reference notices.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from netgraft.ran.coupling import ITERATIONS
from netgraft.ran.mobility import (
    ACTIVITY,
    COSINES,
    HEADING,
    HEADINGS,
    PLACE_X,
    PLACE_Y,
    RENEW,
    SINES,
    SPEED,
    TARGET_X,
    TARGET_Y,
    TURN,
)
from netgraft.ran.randomness import uniform_scalar
from netgraft.ran.rate import efficiency_scalar

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Rows of the users' state, the fields of `mobility.Users`.
X, Y, VELOCITY_X, VELOCITY_Y, SPEED_ROW, NEXT_X, NEXT_Y, Q = range(8)


class Rules(NamedTuple):
    """What does not change: a scenario and its map as numbers."""

    gain: NDArray[np.float32]  # [points, K]
    serving: NDArray[np.int16]  # [height, width]
    origin_x_m: float
    origin_y_m: float
    map_step_m: float
    area_m: tuple[float, float, float, float]
    power_w: float
    noise_w: float
    width_hz: float
    sinr_min: float
    alpha: float
    efficiency_max: float
    levels: FloatArray
    efficiency_least: float
    target_bps: FloatArray  # [K, N]
    straight: bool  # direction, not waypoint
    speed_min_mps: float
    speed_spread_mps: float
    turn_probability: float
    renew_probability: float
    activity: float
    step_s: float
    packet_bits: float
    delay_floor_s: float
    utilisation_max: float


class State(NamedTuple):
    """What changes, for S seeds; the last two are only working space."""

    word: NDArray[np.uint64]  # [S] seeds
    users: FloatArray  # [S, 8, U]
    active: IntArray  # [S, 3, U] grid point, cell and slice of the active users, in the first entries
    counts: FloatArray  # [S, K, N] active users
    cell_load: FloatArray  # [S, K]
    own_w: FloatArray  # [U]
    other_w: FloatArray  # [K, U]


@njit(cache=True, fastmath=False)
def place_all(rules, state, masks):
    """Place the users of every seed at step 0, as `mobility.place` does, and see who is active under masks [N]."""
    for s in range(len(state.word)):
        _place(rules, state.word[s], state.users[s])
        state.cell_load[s] = 0.0
        _find_active(rules, state.users[s], masks, state.active[s], state.counts[s])


@njit(cache=True, fastmath=False)
def serve_all(rules, state, shares, masks, step, measures):
    """Serve periods of every seed with the same shares.

    Args:
        rules: of the scenario.
        state: of the first period; afterwards of the one after the last.
        shares: [S, K, N].
        masks: of the periods after the first, and of the one after the last [T, N].
        step: number of the first period.
        measures: gets the measures [8, S, T, K, N], in the order of `kpis.MEASURES`.
    """
    for s in range(len(state.word)):
        for t in range(len(masks)):
            need = measures[5, s, t]
            _couple(rules, state, s, shares[s], need)
            _measure(rules, state.counts[s], shares[s], measures[:, s, t])
            _move(rules, state.word[s], state.users[s], step + t + 1)
            _find_active(rules, state.users[s], masks[t], state.active[s], state.counts[s])


@njit(cache=True, fastmath=False)
def _place(rules, word, users):
    x0, y0, x1, y1 = rules.area_m
    for u in range(users.shape[1]):
        users[X, u] = x0 + (x1 - x0) * uniform_scalar(word, PLACE_X, 0, u)
        users[Y, u] = y0 + (y1 - y0) * uniform_scalar(word, PLACE_Y, 0, u)
        users[NEXT_X, u] = x0 + (x1 - x0) * uniform_scalar(word, TARGET_X, 0, u)
        users[NEXT_Y, u] = y0 + (y1 - y0) * uniform_scalar(word, TARGET_Y, 0, u)
        users[Q, u] = uniform_scalar(word, ACTIVITY, 0, u)
        _turn(rules, word, users, 0, u)


@njit(cache=True, fastmath=False)
def _turn(rules, word, users, step, u):
    """Draw a new speed and heading."""
    speed = rules.speed_min_mps + rules.speed_spread_mps * uniform_scalar(word, SPEED, step, u)
    heading = int(uniform_scalar(word, HEADING, step, u) * HEADINGS)
    users[SPEED_ROW, u] = speed
    users[VELOCITY_X, u] = speed * COSINES[heading]
    users[VELOCITY_Y, u] = speed * SINES[heading]


@njit(cache=True, fastmath=False)
def _move(rules, word, users, step):
    for u in range(users.shape[1]):
        if uniform_scalar(word, RENEW, step, u) < rules.renew_probability:
            users[Q, u] = uniform_scalar(word, ACTIVITY, step, u)
    if rules.straight:
        _go_straight(rules, word, users, step)
    else:
        _go_to_target(rules, word, users, step)


@njit(cache=True, fastmath=False)
def _go_straight(rules, word, users, step):
    x0, y0, x1, y1 = rules.area_m
    for u in range(users.shape[1]):
        if uniform_scalar(word, TURN, step, u) < rules.turn_probability:
            _turn(rules, word, users, step, u)
        _go_mirrored(users, X, VELOCITY_X, u, rules.step_s, x0, x1)
        _go_mirrored(users, Y, VELOCITY_Y, u, rules.step_s, y0, y1)


@njit(cache=True, fastmath=False)
def _go_mirrored(users, place, velocity, u, step_s, low, high):
    """Move along one axis."""
    moved = users[place, u] + users[velocity, u] * step_s
    if moved < low:
        moved = 2 * low - moved
        users[velocity, u] = -users[velocity, u]
    elif moved > high:
        moved = 2 * high - moved
        users[velocity, u] = -users[velocity, u]
    users[place, u] = moved


@njit(cache=True, fastmath=False)
def _go_to_target(rules, word, users, step):
    x0, y0, x1, y1 = rules.area_m
    for u in range(users.shape[1]):
        way_x, way_y = users[NEXT_X, u] - users[X, u], users[NEXT_Y, u] - users[Y, u]
        distance = np.sqrt(way_x * way_x + way_y * way_y)
        length = users[SPEED_ROW, u] * rules.step_s
        if distance <= length:
            users[X, u], users[Y, u] = users[NEXT_X, u], users[NEXT_Y, u]
            users[NEXT_X, u] = x0 + (x1 - x0) * uniform_scalar(word, TARGET_X, step, u)
            users[NEXT_Y, u] = y0 + (y1 - y0) * uniform_scalar(word, TARGET_Y, step, u)
            users[SPEED_ROW, u] = rules.speed_min_mps + rules.speed_spread_mps * uniform_scalar(word, SPEED, step, u)
        else:
            part = length / distance
            users[X, u] = users[X, u] + way_x * part
            users[Y, u] = users[Y, u] + way_y * part


@njit(cache=True, fastmath=False)
def _find_active(rules, users, masks, active, counts):
    """List the active users and count them."""
    slices, serving = len(masks), rules.serving
    of_slice, width = users.shape[1] // slices, serving.shape[1]
    counts[:] = 0.0
    found = 0
    for n in range(slices):
        threshold = rules.activity * masks[n]
        for u in range(n * of_slice, (n + 1) * of_slice):
            if users[Q, u] < threshold:
                column = int(np.floor((users[X, u] - rules.origin_x_m) / rules.map_step_m + 0.5))
                row = int(np.floor((users[Y, u] - rules.origin_y_m) / rules.map_step_m + 0.5))
                cell = serving[row, column]
                active[0, found], active[1, found], active[2, found] = row * width + column, cell, n
                counts[cell, n] += 1.0
                found += 1


@njit(cache=True, fastmath=False)
def _couple(rules, state, s, shares, need):
    """Find the loads, starting from those of the last period; write what each slice needs [K, N]."""
    users = int(state.counts[s].sum())
    active, cell_load = state.active[s], state.cell_load[s]
    own_w, other_w = state.own_w[:users], state.other_w[:, :users]
    _receive(rules, active, own_w, other_w)
    blocks_of_rate = rules.target_bps / rules.width_hz  # [K, N] per b/s/Hz
    interference_w = np.empty(users)
    for _ in range(ITERATIONS):
        _interfere(cell_load, other_w, rules.noise_w, interference_w)
        _add_costs(rules, active, own_w, interference_w, need)
        for k in range(len(cell_load)):
            cell_load[k] = 0.0
            for n in range(need.shape[1]):
                need[k, n] *= blocks_of_rate[k, n]
                cell_load[k] += min(shares[k, n], need[k, n])


@njit(cache=True, fastmath=False)
def _receive(rules, active, own_w, other_w):
    """Write what each active user receives from its own cell [u] and from the others [K, u]."""
    gain = rules.gain
    for u in range(len(own_w)):
        point, cell = active[0, u], active[1, u]
        for j in range(len(other_w)):
            other_w[j, u] = gain[point, j] * rules.power_w
        own_w[u] = other_w[cell, u]
        other_w[cell, u] = 0.0


@njit(cache=True, fastmath=False)
def _interfere(cell_load, other_w, noise_w, interference_w):
    """Write noise and interference at each active user [u].

    Users are innermost: as many at once as the processor can, and each one's sum is in the order of cells.
    """
    interference_w[:] = noise_w
    for j in range(len(cell_load)):
        load, from_cell_w = cell_load[j], other_w[j]
        for u in range(len(interference_w)):
            interference_w[u] += load * from_cell_w[u]


@njit(cache=True, fastmath=False)
def _add_costs(rules, active, own_w, interference_w, need):
    """Write the sum of 1 / efficiency over the active users of each slice [K, N]."""
    # arrays are taken out of the tuple once: each time costs as much as an evaluation
    cells, slice_of, levels = active[1], active[2], rules.levels
    need[:] = 0.0
    for u in range(len(own_w)):
        sinr = own_w[u] / interference_w[u]
        reached = efficiency_scalar(sinr, rules.sinr_min, rules.alpha, rules.efficiency_max, levels)
        need[cells[u], slice_of[u]] += 1.0 / max(reached, rules.efficiency_least)


@njit(cache=True, fastmath=False)
def _measure(rules, counts, shares, measures):
    """Write the measures [8, K, N] beside the need, which is there already."""
    throughput, delay, load, users, demand, need, efficiency, action = measures
    targets = rules.target_bps
    for k in range(counts.shape[0]):
        for n in range(counts.shape[1]):
            target, share, needed, count = targets[k, n], shares[k, n], need[k, n], counts[k, n]
            load[k, n], action[k, n], users[k, n] = min(share, needed), share, count
            demand[k, n] = count * target
            throughput[k, n], delay[k, n], efficiency[k, n] = target, 0.0, 0.0
            if count > 0.0:
                throughput[k, n] = target * min(1.0, share / needed)
                delay[k, n] = _delay(rules, demand[k, n], needed, share)
                efficiency[k, n] = demand[k, n] / (needed * rules.width_hz)


@njit(cache=True, fastmath=False)
def _delay(rules, demand_bps, need, share):
    """Return `delay.mean_delay` of a slice with users."""
    if share <= 0.0:
        return rules.step_s
    utilisation = need / share
    service_s = rules.packet_bits * utilisation / demand_bps
    delay_s = rules.delay_floor_s + service_s / (1.0 - min(utilisation, rules.utilisation_max))
    return min(delay_s, rules.step_s)
