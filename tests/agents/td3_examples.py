"""Random agents, memories and draws to test with."""

from __future__ import annotations

import numpy as np

from netgraft.agents.kernels import Draws, Stack, learn
from netgraft.agents.networks import Layouts
from netgraft.agents.replay import Replay
from netgraft.agents.settings import Td3Settings
from netgraft.agents.td3 import Td3

AGENTS, D, N = 3, 7, 4


def random_td3(seed: int = 0, *, agents: int = AGENTS, **settings: object) -> Td3:
    """Return agents whose actors are already away from the uniform action."""
    td3 = Td3(agents, D, N, settings=Td3Settings(**{"warm_up": 0, **settings}), seed=seed)  # type: ignore[arg-type]
    actor, _, _ = td3.layouts.parts(td3.stack.parameters)
    td3.layouts.actor.layers(actor)[-1][0][...] *= 100
    td3.stack.targets[...] = td3.stack.parameters
    return td3


def random_rows(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return transitions [..., W] with shares on the simplex."""
    seen, after = rng.normal(size=(*shape, D)), rng.normal(size=(*shape, D))
    shares = rng.dirichlet(np.full(N, 5.0), shape)
    return np.concatenate([seen, shares, rng.random((*shape, 1)), after], axis=-1).astype(np.float32)


def random_replay(seed: int = 0, *, agents: int = AGENTS, rows: int = 200) -> Replay:
    """Return memories with as many transitions each."""
    replay = Replay(agents, D, N, capacity=1000, seed=seed)
    rng = np.random.default_rng(seed)
    for agent in range(agents):
        replay.remember(agent, random_rows(rng, rows))
    return replay


def random_draws(seed: int, updates: int, *, agents: int = AGENTS, batch: int = 32) -> Draws:
    """Return draws of own and source transitions."""
    rng = np.random.default_rng(seed)
    own, source = random_rows(rng, agents, 60), random_rows(rng, agents, 20)
    noise = np.clip(0.2 * rng.standard_normal((updates, agents, batch, N)), -0.5, 0.5).astype(np.float32)
    return Draws(own, source, rng.integers(-20, 60, (updates, agents, batch)), noise)


def learn_compiled(td3: Td3, draws: Draws, agents: list[int] | None = None) -> np.ndarray:
    """Run the kernel on the agents' stack, in place; returns losses [A, 2]."""
    losses = np.full((td3.agents, 2), np.nan)
    chosen = np.arange(td3.agents) if agents is None else np.array(agents, np.int64)
    widths = td3.layouts.actor.widths, td3.layouts.critic.widths
    learn(td3.stack, draws, chosen, *widths, td3._rates(), losses)
    return losses


def copied(stack: Stack) -> Stack:
    """Return a stack of copies."""
    return Stack(*(array.copy() for array in stack))


def torch_layers(layouts: Layouts, flat: np.ndarray, part: int) -> list:
    """Return torch copies of the layers of a part (0: actor, 1 and 2: critics) of one agent's vector."""
    import torch

    layout = (layouts.actor, layouts.critic, layouts.critic)[part]
    return [
        torch.from_numpy(array.copy()).requires_grad_()
        for layer in layout.layers(layouts.parts(flat)[part])
        for array in layer
    ]


def assert_equal_updates(actual: np.ndarray, expected: np.ndarray, atol: float) -> None:
    """Assert that parameters agree, but for those of a unit whose input is within rounding of zero."""
    far = np.abs(actual - expected) > atol
    assert far.mean() < 0.01, f"{far.sum()} of {far.size} parameters differ, by up to {np.abs(actual - expected).max()}"
    np.testing.assert_allclose(actual, expected, rtol=0, atol=5e-3)
