"""TD3 for all agents in NumPy: the readable form of `netgraft.agents.kernels`, and its oracle in the tests.

One update follows Fujimoto et al. 2018, algorithm 1, in the order of Stable-Baselines3: both critics step, then, every
`policy_delay` updates, the actor steps against the new first critic, and all targets follow. Left out: ends of
episodes, because a network has none. Beyond the paper: the penalty on logits, layers that stay as they are, the pull
towards an anchor, and the wait of an actor for a fresh critic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netgraft.agents.kernels import BETA1, BETA2, EPSILON, Draws, Rates, Stack
from netgraft.agents.networks import Floats, Layout, Layouts, act, forward

Batch = tuple[Floats, Floats, Floats, Floats]


def learn(stack: Stack, draws: Draws, agents: NDArray[np.int64], layouts: Layouts, rates: Rates) -> Floats:
    """Update agents U times, in place, and return losses [A, 2] as the compiled form does.

    Args:
        stack: what all agents have learned.
        draws: transitions and noise of U updates.
        agents: those that learn.
        layouts: of their networks.
        rates: settings.
    """
    losses = np.full((len(stack.parameters), 2), np.nan)
    for rows, noise in zip(draws.rows, draws.noise, strict=True):
        own = Stack(**{name: array[agents] for name, array in stack._asdict().items()})
        loss, value = _update(own, _batch(stack, draws, agents, rows), noise[agents], layouts, rates)
        for name, array in stack._asdict().items():
            array[agents] = getattr(own, name)
        losses[agents, 0] = loss
        losses[agents, 1] = np.where(np.isnan(value), losses[agents, 1], value)
    return losses


def _batch(stack: Stack, draws: Draws, agents: NDArray[np.int64], rows: NDArray[np.int64]) -> Batch:
    """Return scaled observations [A, b, D], actions [A, b, N], rewards [A, b] and next observations [A, b, D]."""
    d = stack.shift.shape[1]
    size = draws.own.shape[2] - d - 1
    taken = np.stack(
        [np.stack([draws.own[a, r] if r >= 0 else draws.source[a, -1 - r] for r in rows[a]]) for a in agents]
    )
    shift, scale = stack.shift[agents, None], stack.scale[agents, None]
    x, after = (taken[..., :d] - shift) * scale, (taken[..., size + 1 :] - shift) * scale
    return x, taken[..., d:size], taken[..., size], after


def _update(stack: Stack, batch: Batch, noise: Floats, layouts: Layouts, rates: Rates) -> tuple[Floats, Floats]:
    """Update these agents once; returns the critics' loss [A] and the value of the actor's actions [A], or NaN."""
    x, action, reward, after = batch
    goal = _goals(stack, reward, after, noise, layouts, rates)
    stack.counts[:, [0, 3]] += 1
    loss = np.zeros(len(goal))
    pair = np.concatenate([x, action], axis=2)
    gradient = np.zeros_like(stack.parameters)
    for flat, out in zip(layouts.parts(stack.parameters)[1:], layouts.parts(gradient)[1:], strict=True):
        hidden, value = _hidden(layouts.critic, flat, pair)
        error = value[..., 0] - goal
        loss += (error**2).mean(axis=1)
        out[...] = _backward(layouts.critic, flat, hidden, 2 * error[..., None] / error.shape[1])[0]
    critics = np.arange(layouts.size) >= layouts.actor.size
    _adam(stack, gradient, critics & _free(stack, layouts), rates.critic_rate, stack.counts[:, 0])
    return loss, _delayed(stack, x, layouts, rates)


def _delayed(stack: Stack, x: Floats, layouts: Layouts, rates: Rates) -> Floats:
    """Update the actors and targets of the agents whose turn it is; returns the value of their actions [A], or NaN."""
    turn = stack.counts[:, 0] % rates.policy_delay == 0
    moves = turn & (stack.counts[:, 2] == 0)
    stack.counts[:, 2] = np.maximum(stack.counts[:, 2] - 1, 0)
    stack.counts[:, 1] += moves
    slope, value = _actor_gradient(stack, x, layouts, rates)
    gradient = np.zeros_like(stack.parameters)
    gradient[:, : layouts.actor.size] = slope
    actors = np.arange(layouts.size) < layouts.actor.size
    mask = actors & _free(stack, layouts) & moves[:, None]
    _adam(stack, gradient, mask, rates.actor_rate, np.maximum(stack.counts[:, 1], 1))
    followed = stack.targets * (1 - rates.tau) + rates.tau * stack.parameters
    stack.targets[...] = np.where(turn[:, None], followed, stack.targets)
    return np.where(moves, value, np.nan)


def _goals(stack: Stack, reward: Floats, after: Floats, noise: Floats, layouts: Layouts, rates: Rates) -> Floats:
    """Return reward + gamma * the smaller target value of the noisy target action; [A, b]."""
    actor, *critics = layouts.parts(stack.targets)
    logits = forward(layouts.actor.layers(actor), after)
    action = act(logits + noise, "softmax") if rates.softmax else np.clip(act(logits, "tanh") + noise, -1, 1)
    pair = np.concatenate([after, action], axis=2)
    values = [forward(layouts.critic.layers(critic), pair)[..., 0] for critic in critics]
    return np.asarray(reward + rates.gamma * np.minimum(*values))


def _actor_gradient(stack: Stack, x: Floats, layouts: Layouts, rates: Rates) -> tuple[Floats, Floats]:
    """Return the gradient [A, Pa] of the actors' loss and the mean value [A] of their actions by the first critic."""
    actor, critic, _ = layouts.parts(stack.parameters)
    hidden, logits = _hidden(layouts.actor, actor, x)
    action = act(logits, "softmax" if rates.softmax else "tanh")
    tried, value = _hidden(layouts.critic, critic, np.concatenate([x, action], axis=2))
    batch, n = action.shape[1:]
    above = np.full_like(value, -1 / batch)
    slope = _backward(layouts.critic, critic, tried, above)[1][..., -n:]
    if rates.softmax:
        slope = action * (slope - (action * slope).sum(axis=2, keepdims=True))
        slope = slope + 2 * rates.logit_penalty / (batch * n) * logits
    else:
        slope = slope * (1 - action**2)
    gradient = _backward(layouts.actor, actor, hidden, slope)[0]
    return gradient + 2 * stack.pull[:, None] * (actor - stack.anchor), value.mean(axis=(1, 2))


def _hidden(layout: Layout, flat: Floats, x: Floats) -> tuple[list[Floats], Floats]:
    """Return the inputs of every layer and the outputs of networks [A, P] for rows [A, b, i]."""
    inputs = [x]
    *below, last = layout.layers(flat)
    for layer in below:
        inputs.append(np.maximum(forward([layer], inputs[-1]), 0))
    return inputs, forward([last], inputs[-1])


def _backward(layout: Layout, flat: Floats, inputs: list[Floats], above: Floats) -> tuple[Floats, Floats]:
    """Return the gradients of networks [A, P] and of their inputs [A, b, i], from that of their outputs [A, b, o]."""
    gradient = np.empty_like(flat)
    layers, slopes = layout.layers(flat), layout.layers(gradient)
    for index in (2, 1, 0):
        slopes[index][0][...] = inputs[index].swapaxes(1, 2) @ above
        slopes[index][1][...] = above.sum(axis=1)
        above = above @ layers[index][0].swapaxes(1, 2)
        if index:
            above = above * (inputs[index] > 0)
    return gradient, above


def _free(stack: Stack, layouts: Layouts) -> NDArray[np.bool_]:
    """Return which parameters [A, P] are in no frozen layer."""
    return np.stack([~layouts.lower(int(layers)) for layers in stack.frozen])


def _adam(stack: Stack, gradient: Floats, mask: NDArray[np.bool_], rate: np.float32, steps: NDArray[np.int64]) -> None:
    """Take a step of Adam where the mask [A, P] says so; `steps` [A] counts from 1."""
    first = stack.first + (gradient - stack.first) * (1 - BETA1)
    second = stack.second * BETA2 + gradient**2 * (1 - BETA2)
    stride = rate / (1 - float(BETA1) ** steps)[:, None]
    root = np.sqrt(1 - float(BETA2) ** steps)[:, None]
    moved = stack.parameters - stride * (first / (np.sqrt(second) / root + EPSILON))
    for array, new in ((stack.first, first), (stack.second, second), (stack.parameters, moved)):
        array[...] = np.where(mask, new, array)
