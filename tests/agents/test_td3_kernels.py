"""The compiled updates against torch's gradients and Adam, and against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from td3_examples import (
    AGENTS,
    D,
    N,
    assert_equal_updates,
    copied,
    learn_compiled,
    random_draws,
    random_td3,
    torch_layers,
)

from netgraft.agents import reference
from netgraft.agents.kernels import Draws
from netgraft.agents.td3 import Td3


class TorchTd3:
    """One agent in torch: autograd and torch.optim.Adam, written down from the paper."""

    def __init__(self, td3: Td3, agent: int) -> None:
        self.settings, self.layouts = td3.settings, td3.layouts
        flat, slow = td3.stack.parameters[agent], td3.stack.targets[agent]
        self.parts = [torch_layers(td3.layouts, flat, part) for part in range(3)]
        self.targets = [[p.detach() for p in torch_layers(td3.layouts, slow, part)] for part in range(3)]
        self.actor_adam = torch.optim.Adam(self.parts[0], lr=self.settings.actor_rate)
        self.critic_adam = torch.optim.Adam(self.parts[1] + self.parts[2], lr=self.settings.critic_rate)
        self.updates = 0

    def update(self, rows: np.ndarray, noise: np.ndarray) -> None:
        batch = torch.from_numpy(rows)
        x, action, reward, after = batch[:, :D], batch[:, D : D + N], batch[:, D + N], batch[:, -D:]
        with torch.no_grad():
            following = self._act(self.targets[0], after, torch.from_numpy(noise))
            pair = torch.cat([after, following], 1)
            values = [_network(self.targets[part], pair)[:, 0] for part in (1, 2)]
            goal = reward + self.settings.gamma * torch.minimum(*values)
        pair = torch.cat([x, action], 1)
        loss = sum((_network(self.parts[part], pair)[:, 0] - goal).square().mean() for part in (1, 2))
        _step(self.critic_adam, loss)
        self.updates += 1
        if self.updates % self.settings.policy_delay == 0:
            self._update_actor(x)

    def _update_actor(self, x: torch.Tensor) -> None:
        logits = _network(self.parts[0], x)
        action = logits.softmax(1) if self.settings.output == "softmax" else logits.tanh()
        loss = -_network(self.parts[1], torch.cat([x, action], 1)).mean()
        if self.settings.output == "softmax":
            loss = loss + self.settings.logit_penalty * logits.square().mean()
        _step(self.actor_adam, loss)
        tau = self.settings.tau
        for slow, fast in zip(self.targets, self.parts, strict=True):
            for old, new in zip(slow, fast, strict=True):
                old.mul_(1 - tau).add_(tau * new.detach())

    def _act(self, layers: list[torch.Tensor], x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        logits = _network(layers, x)
        if self.settings.output == "softmax":
            return (logits + noise).softmax(1)
        return (logits.tanh() + noise).clamp(-1, 1)

    def flat(self, *, slow: bool = False) -> np.ndarray:
        parts = self.targets if slow else self.parts
        return np.concatenate([p.detach().numpy().ravel() for layers in parts for p in layers])


def _network(layers: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    x = (x @ layers[0] + layers[1]).relu()
    x = (x @ layers[2] + layers[3]).relu()
    return x @ layers[4] + layers[5]


def _step(adam: torch.optim.Adam, loss: torch.Tensor) -> None:
    adam.zero_grad()
    loss.backward()
    adam.step()


def taken(draws: Draws, update: int, agent: int) -> np.ndarray:
    """Return the transitions [b, W] of one update of one agent."""
    # counted from the end, row -1 is the first of the source
    return np.concatenate([draws.own[agent], draws.source[agent, ::-1]])[draws.rows[update, agent]]


@pytest.mark.parametrize("output", ["softmax", "tanh"])
@pytest.mark.parametrize("updates", [1, 2, 9])
def test_updates_equal_torch(output: str, updates: int) -> None:
    td3 = random_td3(output=output, logit_penalty=0.01)
    draws = random_draws(1, updates)
    begun = td3.stack.parameters.copy()
    peers = [TorchTd3(td3, agent) for agent in range(AGENTS)]
    learn_compiled(td3, draws)
    for agent, peer in enumerate(peers):
        for update in range(updates):
            peer.update(taken(draws, update, agent), draws.noise[update, agent])
        assert_equal_updates(td3.stack.parameters[agent], peer.flat(), 1e-6)
        assert_equal_updates(td3.stack.targets[agent], peer.flat(slow=True), 1e-6)
    actor, *critics = td3.layouts.parts(abs(td3.stack.parameters - begun))
    assert all((critic.max(axis=1) > 5e-4).all() for critic in critics)
    assert (actor.max(axis=1) > 2e-4).all() == (updates >= 2)


def odd_td3(output: str, seed: int) -> Td3:
    """Return agents of which one has a frozen layer, one an anchor and one a fresh critic."""
    td3 = random_td3(seed, output=output, logit_penalty=0.01)
    td3.freeze(0, 1)
    td3.anchor(1, 0.05)
    td3.stack.anchor[1] += 0.1
    td3.stack.counts[2, 2] = 3
    td3.standardise(np.random.default_rng(seed).normal(1, 2, (50, D)))
    return td3


@pytest.mark.parametrize("output", ["softmax", "tanh"])
def test_updates_equal_the_reference(output: str) -> None:
    fast = odd_td3(output, 5)
    draws, begun = random_draws(2, 8), fast.stack.parameters.copy()
    slow = copied(fast.stack)
    wide = type(slow)(*(a.astype(np.float64) if a.dtype == np.float32 else a for a in slow))
    losses = learn_compiled(fast, draws)
    expected = reference.learn(wide, draws, np.arange(AGENTS), fast.layouts, fast._rates())
    for name, array in fast.stack._asdict().items():
        np.testing.assert_allclose(array, getattr(wide, name), rtol=1e-4, atol=2e-6, err_msg=name)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert (abs(fast.stack.parameters - begun).max(axis=1) > 1e-3).all()


def test_only_the_chosen_agents_move() -> None:
    fast = random_td3(1)
    slow, begun = copied(fast.stack), copied(fast.stack)
    draws = random_draws(3, 4)
    losses = learn_compiled(fast, draws, [2, 0])
    expected = reference.learn(slow, draws, np.array([2, 0]), fast.layouts, fast._rates())
    np.testing.assert_allclose(fast.stack.parameters, slow.parameters, atol=1e-5)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    for name, array in fast.stack._asdict().items():
        np.testing.assert_array_equal(array[1], getattr(begun, name)[1])
    assert np.isnan(losses[1]).all()
    assert fast.stack.counts[:, 3].tolist() == [4, 0, 4]


def test_frozen_layers_stay() -> None:
    td3 = random_td3(2)
    td3.freeze(0, 1)
    td3.freeze(1, 2)
    begun = td3.stack.parameters.copy()
    learn_compiled(td3, random_draws(4, 6))
    for agent, layers in enumerate((1, 2, 0)):
        moved = td3.stack.parameters[agent] != begun[agent]
        lower = td3.layouts.lower(layers)
        assert not moved[lower].any()
        assert moved[~lower].mean() > 0.5


def test_an_anchor_pulls_the_actor_only() -> None:
    loose, held = random_td3(3), random_td3(3)
    for agent in range(AGENTS):
        held.anchor(agent, 100.0)
    begun = loose.stack.parameters.copy()
    draws = random_draws(5, 200)
    for td3 in (loose, held):
        learn_compiled(td3, draws)
    free, near = (np.abs(td3.layouts.parts(td3.stack.parameters - begun)[0]).mean() for td3 in (loose, held))
    assert near < free / 5


def test_moments_never_become_denormal() -> None:
    td3 = random_td3(4)
    draws = random_draws(6, 1200)
    learn_compiled(td3, draws)
    first = np.abs(td3.stack.first)
    assert first[first > 0].min() > 1e-18
