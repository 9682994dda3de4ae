"""One call trains all agents: TD3 by hand-written gradients over stacked parameters, compiled by numba.

`netgraft.agents.reference` says the same in NumPy and is the text to read first; both are tested against each other,
against torch's gradients and its Adam, and against an update of Stable-Baselines3. Agents are independent of each
other. Everything is float32; matrix products are BLAS's, so the last bits may differ between machines. All of it is in
one file, because numba's cache of a function does not notice that a function of another file has changed.

Arrays are taken out of their tuples before a loop and cut before they are indexed: otherwise numba counts references
or checks for negative indices at every number, and nothing is vectorised.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float32]
#: Adam (Kingma and Ba 2015): decay of the moments, and what is added to the root.
BETA1, BETA2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
TINY = np.float32(1e-18)
_COMPILED: dict[str, Any] = {"cache": True, "fastmath": False, "error_model": "numpy"}
#: For what only compiled code calls: without a door for Python it compiles in half the time.
_INNER: dict[str, Any] = {**_COMPILED, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class Stack(NamedTuple):
    """What the agents have learned; every array is written in place.

    Attributes:
        parameters: [A, P], as `netgraft.agents.networks` lays them out.
        targets: their slow copies [A, P].
        first: first moments of Adam [A, P].
        second: second moments of Adam [A, P].
        counts: int64 [A, 4]: updates of the critics and of the actor since their moments were reset, updates for which
            the actor is still held, and all updates ever.
        frozen: int64 [A], lower layers of every network that stay as they are.
        anchor: parameters of the actor [A, Pa] that it is pulled to.
        pull: strength of that pull [A].
        shift: subtracted from observations [A, D].
        scale: multiplied afterwards [A, D].
    """

    parameters: Array
    targets: Array
    first: Array
    second: Array
    counts: NDArray[np.int64]
    frozen: NDArray[np.int64]
    anchor: Array
    pull: Array
    shift: Array
    scale: Array


class Draws(NamedTuple):
    """The transitions and the noise of U updates.

    Attributes:
        own: the agents' own transitions [A, C, W]: observation, action, reward, next observation.
        source: transitions of earlier agents [A, S, W].
        rows: int64 [U, A, b]; from 0 a row of `own`, below 0 row -1 - r of `source`.
        noise: clipped noise of the target actions [U, A, b, N].
    """

    own: Array
    source: Array
    rows: NDArray[np.int64]
    noise: Array


class Rates(NamedTuple):
    """The settings that the kernel reads."""

    actor_rate: np.float32
    critic_rate: np.float32
    gamma: np.float32
    tau: np.float32
    logit_penalty: np.float32
    policy_delay: int
    softmax: bool


@njit(**_INNER)
def _dense(x, flat, start, out, rectify):  # type: ignore[no-untyped-def]
    """Write x [b, i] times the weight at `start`, plus its bias, into out [b, o]."""
    inputs, outputs = x.shape[1], out.shape[1]
    middle = start + inputs * outputs
    np.dot(x, flat[start:middle].reshape(inputs, outputs), out)
    bias, floor = flat[middle : middle + outputs], np.float32(0) if rectify else np.float32(-np.inf)
    for i in range(out.shape[0]):
        for j in range(outputs):
            value = out[i, j] + bias[j]
            out[i, j] = value if value > floor else floor
    return middle + outputs


@njit(**_INNER)
def _forward(flat, x, hidden1, hidden2, out):  # type: ignore[no-untyped-def]
    """Write the hidden layers and outputs of the network `flat` for rows x [b, i]."""
    end = _dense(x, flat, 0, hidden1, True)
    end = _dense(hidden1, flat, end, hidden2, True)
    _dense(hidden2, flat, end, out, False)


@njit(**_INNER)
def _gate(gradient, hidden):  # type: ignore[no-untyped-def]
    """Set the gradient to 0 where a unit was silent."""
    zero = np.float32(0)
    for i in range(hidden.shape[0]):
        for j in range(hidden.shape[1]):
            gradient[i, j] = gradient[i, j] if hidden[i, j] > zero else zero


@njit(**_INNER)
def _layer_gradient(x, above, gradient, start):  # type: ignore[no-untyped-def]
    """Write the gradients of the weight and bias at `start`, from inputs x [b, i] and the outputs' gradient [b, o]."""
    inputs, outputs = x.shape[1], above.shape[1]
    middle = start + inputs * outputs
    np.dot(x.T, above, gradient[start:middle].reshape(inputs, outputs))
    bias = gradient[middle : middle + outputs]
    for j in range(outputs):
        bias[j] = 0
    for i in range(above.shape[0]):
        for j in range(outputs):
            bias[j] += above[i, j]


@njit(**_INNER)
def _backward(flat, x, hidden1, hidden2, above, gradient, work1, work2, lowest):  # type: ignore[no-untyped-def]
    """Write the gradient of a network from that of its outputs, `above` [b, o]; layers below `lowest` are left out."""
    d, first, second, outputs = x.shape[1], hidden1.shape[1], hidden2.shape[1], above.shape[1]
    start2 = (d + 1) * first
    start3 = start2 + (first + 1) * second
    _layer_gradient(hidden2, above, gradient, start3)
    if lowest > 1:
        return
    np.dot(above, flat[start3 : start3 + second * outputs].reshape(second, outputs).T, work2)
    _gate(work2, hidden2)
    _layer_gradient(hidden1, work2, gradient, start2)
    if lowest > 0:
        return
    np.dot(work2, flat[start2 : start2 + first * second].reshape(first, second).T, work1)
    _gate(work1, hidden1)
    _layer_gradient(x, work1, gradient, 0)


@njit(**_INNER)
def _input_gradient(flat, count, x, hidden1, hidden2, above, work1, work2, out):  # type: ignore[no-untyped-def]
    """Write the gradient of the last `count` inputs of a network, out [b, count], from that of its outputs."""
    size, first, second, outputs = x.shape[1], hidden1.shape[1], hidden2.shape[1], above.shape[1]
    start2 = (size + 1) * first
    start3 = start2 + (first + 1) * second
    np.dot(above, flat[start3 : start3 + second * outputs].reshape(second, outputs).T, work2)
    _gate(work2, hidden2)
    np.dot(work2, flat[start2 : start2 + first * second].reshape(first, second).T, work1)
    _gate(work1, hidden1)
    np.dot(work1, flat[(size - count) * first : size * first].reshape(count, first).T, out)


@njit(**_INNER)
def _squash(logits, out, softmax):  # type: ignore[no-untyped-def]
    """Write the actions [b, N] of logits [b, N]; both may be the same array."""
    for i in range(logits.shape[0]):
        if softmax:
            high, total = logits[i, 0], np.float32(0)
            for j in range(1, logits.shape[1]):
                high = max(high, logits[i, j])
            for j in range(logits.shape[1]):
                out[i, j] = math.exp(logits[i, j] - high)
                total += out[i, j]
            for j in range(logits.shape[1]):
                out[i, j] /= total
        else:
            for j in range(logits.shape[1]):
                out[i, j] = math.tanh(logits[i, j])


@njit(**_INNER)
def _adam(flat, first, second, gradient, rate, step):  # type: ignore[no-untyped-def]
    """Take a step of Adam as torch computes it."""
    zero, one = np.float32(0), np.float32(1)
    stride = np.float32(rate / (1 - float(BETA1) ** step))
    root = np.float32(math.sqrt(1 - float(BETA2) ** step))
    for i in range(flat.size):
        # moments of silent units would decay into denormal numbers, with which a processor is a hundred times slower
        slope = gradient[i] if abs(gradient[i]) > TINY else zero
        moment = first[i] + (slope - first[i]) * (one - BETA1)
        first[i] = moment if abs(moment) > TINY else zero
        second[i] = second[i] * BETA2 + slope * slope * (one - BETA2)
        flat[i] -= stride * (first[i] / (math.sqrt(second[i]) / root + EPSILON))


@njit(**_INNER)
def _follow(target, flat, tau):  # type: ignore[no-untyped-def]
    """Move targets towards the networks (Polyak averaging)."""
    keep = np.float32(1) - tau
    for i in range(flat.size):
        target[i] = target[i] * keep + tau * flat[i]


class Work(NamedTuple):
    """Room for one batch of one agent; `trial` is a pair whose action an actor chose."""

    x: Array  # [b, D]
    pair: Array  # [b, D + N]
    after: Array  # [b, D]
    trial: Array  # [b, D + N]
    reward: Array  # [b]
    goal: Array  # [b]
    actor1: Array
    actor2: Array
    logits: Array  # [b, N]
    action: Array  # [b, N]
    critic1: Array
    critic2: Array
    value: Array  # [b, 1]
    slope: Array  # [b, 1]
    action_slope: Array  # [b, N]
    actor_work1: Array
    actor_work2: Array
    critic_work1: Array
    critic_work2: Array
    actor_gradient: Array  # [Pa]
    critic_gradient: Array  # [Pc]


@njit(**_INNER)
def _room(batch, actor, critic):  # type: ignore[no-untyped-def]
    """Return room for a batch and for networks of these widths."""
    d, a1, a2, n = actor
    size, c1, c2, _ = critic
    kind = np.float32
    return Work(
        np.empty((batch, d), kind),
        np.empty((batch, size), kind),
        np.empty((batch, d), kind),
        np.empty((batch, size), kind),
        np.empty(batch, kind),
        np.empty(batch, kind),
        np.empty((batch, a1), kind),
        np.empty((batch, a2), kind),
        np.empty((batch, n), kind),
        np.empty((batch, n), kind),
        np.empty((batch, c1), kind),
        np.empty((batch, c2), kind),
        np.empty((batch, 1), kind),
        np.empty((batch, 1), kind),
        np.empty((batch, n), kind),
        np.empty((batch, a1), kind),
        np.empty((batch, a2), kind),
        np.empty((batch, c1), kind),
        np.empty((batch, c2), kind),
        np.empty((d + 1) * a1 + (a1 + 1) * a2 + (a2 + 1) * n, kind),
        np.empty((size + 1) * c1 + (c1 + 1) * c2 + c2 + 1, kind),
    )


@njit(**_INNER)
def _gather(draws, a, rows, shift, scale, room):  # type: ignore[no-untyped-def]
    """Write the observations, scaled, actions and rewards of a batch."""
    x, pair, after, reward = room.x, room.pair, room.after, room.reward
    own, source = draws.own[a], draws.source[a]
    d, size = x.shape[1], pair.shape[1]
    for i in range(rows.size):
        row = own[rows[i]] if rows[i] >= 0 else source[-1 - rows[i]]
        for j in range(d):
            x[i, j] = (row[j] - shift[j]) * scale[j]
            after[i, j] = (row[size + 1 + j] - shift[j]) * scale[j]
            pair[i, j] = x[i, j]
        for j in range(d, size):
            pair[i, j] = row[j]
        reward[i] = row[size]


@njit(**_INNER)
def _write_pairs(x, action, pairs):  # type: ignore[no-untyped-def]
    """Write the observations x [b, D] beside the actions [b, N]."""
    d = x.shape[1]
    for i in range(x.shape[0]):
        for j in range(d):
            pairs[i, j] = x[i, j]
        for j in range(action.shape[1]):
            pairs[i, d + j] = action[i, j]


@njit(**_INNER)
def _add_noise(action, noise, low, high):  # type: ignore[no-untyped-def]
    """Add noise [b, N] to logits or actions [b, N] in place, and cut them at bounds."""
    for i in range(noise.shape[0]):
        for j in range(noise.shape[1]):
            action[i, j] = min(max(action[i, j] + noise[i, j], low), high)


@njit(**_INNER)
def _write_goals(target, room, noise, rates):  # type: ignore[no-untyped-def]
    """Write reward + gamma * the smaller target value of the noisy target action (TD3, algorithm 1)."""
    pa, pc = room.actor_gradient.size, room.critic_gradient.size
    action, one, other, reward, goal = room.action, room.slope, room.value, room.reward, room.goal
    _forward(target[:pa], room.after, room.actor1, room.actor2, action)
    if rates.softmax:
        _add_noise(action, noise, np.float32(-np.inf), np.float32(np.inf))
        _squash(action, action, True)
    else:
        _squash(action, action, False)
        _add_noise(action, noise, np.float32(-1), np.float32(1))
    _write_pairs(room.after, action, room.trial)
    _forward(target[pa : pa + pc], room.trial, room.critic1, room.critic2, one)
    _forward(target[pa + pc :], room.trial, room.critic1, room.critic2, other)
    gamma = rates.gamma
    for i in range(goal.size):
        goal[i] = reward[i] + gamma * min(one[i, 0], other[i, 0])


@njit(**_INNER)
def _critic_update(flat, first, second, room, rate, step, frozen):  # type: ignore[no-untyped-def]
    """Move one critic towards the goals; returns its mean squared error before."""
    value, goal, slope = room.value, room.goal, room.slope
    _forward(flat, room.pair, room.critic1, room.critic2, value)
    batch = goal.size
    share, loss = np.float32(2) / np.float32(batch), 0.0
    for i in range(batch):
        error = value[i, 0] - goal[i]
        slope[i, 0] = share * error
        loss += error * error
    _backward(
        flat, room.pair, room.critic1, room.critic2, room.slope,
        room.critic_gradient, room.critic_work1, room.critic_work2, frozen,
    )  # fmt: skip
    start = _frozen_end(room.pair.shape[1], room.critic1.shape[1], room.critic2.shape[1], frozen)
    _adam(flat[start:], first[start:], second[start:], room.critic_gradient[start:], rate, step)
    return loss / batch


@njit(**_INNER)
def _frozen_end(inputs, first, second, frozen):  # type: ignore[no-untyped-def]
    """Return where the layers that learn begin."""
    if frozen == 0:
        return 0
    one = (inputs + 1) * first
    return one if frozen == 1 else one + (first + 1) * second


@njit(**_INNER)
def _actor_slope(critic, room, rates):  # type: ignore[no-untyped-def]
    """Write the gradient of the actor's loss with respect to its logits; returns the mean value of its actions."""
    logits, action, value, slope = room.logits, room.action, room.value, room.action_slope
    batch, n = action.shape
    _squash(logits, action, rates.softmax)
    _write_pairs(room.x, action, room.trial)
    _forward(critic, room.trial, room.critic1, room.critic2, value)
    total, above = np.float32(0), room.slope
    for i in range(batch):
        total += value[i, 0]
        above[i, 0] = np.float32(-1) / np.float32(batch)
    _input_gradient(
        critic, n, room.trial, room.critic1, room.critic2, above, room.critic_work1, room.critic_work2, slope
    )
    weight = np.float32(2) * rates.logit_penalty / np.float32(batch * n)
    for i in range(batch):
        mean = np.float32(0)
        for j in range(n):
            mean += action[i, j] * slope[i, j]
        for j in range(n):
            if rates.softmax:
                slope[i, j] = action[i, j] * (slope[i, j] - mean) + weight * logits[i, j]
            else:
                slope[i, j] *= np.float32(1) - action[i, j] * action[i, j]
    return total / np.float32(batch)


@njit(**_INNER)
def _actor_update(stack, a, room, rates, step):  # type: ignore[no-untyped-def]
    """Move an actor uphill on its first critic; returns the mean value of its actions before."""
    pa, pc = room.actor_gradient.size, room.critic_gradient.size
    flat, frozen = stack.parameters[a], stack.frozen[a]
    _forward(flat[:pa], room.x, room.actor1, room.actor2, room.logits)
    value = _actor_slope(flat[pa : pa + pc], room, rates)
    _backward(
        flat[:pa], room.x, room.actor1, room.actor2, room.action_slope,
        room.actor_gradient, room.actor_work1, room.actor_work2, frozen,
    )  # fmt: skip
    start = _frozen_end(room.x.shape[1], room.actor1.shape[1], room.actor2.shape[1], frozen)
    weights, gradient, anchor = flat[start:pa], room.actor_gradient[start:], stack.anchor[a, start:]
    pull = np.float32(2) * stack.pull[a]
    if pull > 0:
        for i in range(weights.size):
            gradient[i] += pull * (weights[i] - anchor[i])
    first, second = stack.first[a, start:pa], stack.second[a, start:pa]
    _adam(weights, first, second, gradient, rates.actor_rate, step)
    return value


@njit(**_INNER)
def _update(stack, a, room, rates):  # type: ignore[no-untyped-def]
    """Update the critics of one agent and, when it is its turn, its actor and targets; returns losses."""
    pa, pc = room.actor_gradient.size, room.critic_gradient.size
    counts = stack.counts[a]
    counts[0] += 1
    counts[3] += 1
    loss = 0.0
    for start in (pa, pa + pc):
        loss += _critic_update(
            stack.parameters[a, start : start + pc], stack.first[a, start : start + pc],
            stack.second[a, start : start + pc], room, rates.critic_rate, counts[0], stack.frozen[a],
        )  # fmt: skip
    held = counts[2] > 0
    counts[2] -= held
    value = np.nan
    if counts[0] % rates.policy_delay == 0:
        if not held:
            counts[1] += 1
            value = _actor_update(stack, a, room, rates, counts[1])
        _follow(stack.targets[a], stack.parameters[a], rates.tau)
    return loss, value


@njit(**_COMPILED)
def learn(stack, draws, agents, actor, critic, rates, losses):  # type: ignore[no-untyped-def]
    """Update agents, one after the other, U times each.

    Args:
        stack: `Stack`, written in place.
        draws: `Draws` of U updates.
        agents: int64, the agents that learn.
        actor: the widths of an actor.
        critic: the widths of a critic.
        rates: `Rates`.
        losses: float64 [A, 2], gets the last sum of both critics' squared errors, and the mean value of the actor's
            actions at its last update (unchanged without one).
    """
    room = _room(draws.rows.shape[2], actor, critic)
    for a in agents:
        for update in range(draws.rows.shape[0]):
            _gather(draws, a, draws.rows[update, a], stack.shift[a], stack.scale[a], room)
            _write_goals(stack.targets[a], room, draws.noise[update, a], rates)
            loss, value = _update(stack, a, room, rates)
            losses[a, 0] = loss
            if not np.isnan(value):
                losses[a, 1] = value
