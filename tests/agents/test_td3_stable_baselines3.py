"""Updates against those of Stable-Baselines3's TD3, from the same weights, transitions and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from td3_examples import D, N, assert_equal_updates, learn_compiled, random_rows, random_td3

from netgraft.agents.kernels import Draws
from netgraft.agents.td3 import Td3

stable_baselines3 = pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed")

BATCH = 32


def their_td3(td3: Td3) -> Any:
    """Return their model with the weights of our first agent."""
    from gymnasium import Env
    from gymnasium.spaces import Box

    class Nothing(Env):  # type: ignore[type-arg]
        observation_space = Box(-np.inf, np.inf, (D,), np.float32)
        action_space = Box(-1, 1, (N,), np.float32)

    s = td3.settings
    model = stable_baselines3.TD3(
        "MlpPolicy", Nothing(), learning_rate=s.critic_rate, batch_size=BATCH, gamma=s.gamma, tau=s.tau,
        policy_delay=s.policy_delay, target_policy_noise=s.target_noise, target_noise_clip=s.noise_clip,
        policy_kwargs={"net_arch": {"pi": list(s.actor), "qf": list(s.critic)}}, buffer_size=BATCH, device="cpu",
    )  # fmt: skip
    model.set_logger(stable_baselines3.common.logger.Logger(None, []))
    for flat, actor, critic in (
        (td3.stack.parameters[0], model.actor, model.critic),
        (td3.stack.targets[0], model.actor_target, model.critic_target),
    ):
        theirs = [actor.mu, critic.qf0, critic.qf1]
        for network, ours, layout in zip(theirs, td3.layouts.parts(flat), td3_layouts(td3), strict=True):
            linear = [module for module in network if isinstance(module, torch.nn.Linear)]
            for module, (weight, bias) in zip(linear, layout.layers(ours), strict=True):
                module.weight.data = torch.from_numpy(weight.T.copy())
                module.bias.data = torch.from_numpy(bias.copy())
    return model


def td3_layouts(td3: Td3) -> tuple[Any, Any, Any]:
    return td3.layouts.actor, td3.layouts.critic, td3.layouts.critic


def their_parameters(actor: Any, critic: Any) -> np.ndarray:
    """Return their weights as they lie in our vector."""
    parts = [p for network in (actor.mu, critic.qf0, critic.qf1) for p in network.parameters()]
    return np.concatenate([p.detach().numpy().T.ravel() for p in parts])


@pytest.mark.parametrize("updates", [1, 2, 7])
def test_updates_equal_theirs(updates: int) -> None:
    # they have one learning rate for both networks
    td3 = random_td3(output="tanh", agents=1, actor_rate=1e-3)
    model, begun = their_td3(td3), td3.stack.parameters.copy()
    rows = random_rows(np.random.default_rng(0), 1, BATCH)
    samples = stable_baselines3.common.type_aliases.ReplayBufferSamples(
        *map(torch.from_numpy, (rows[0, :, :D], rows[0, :, D : D + N], rows[0, :, -D:])),
        torch.zeros(BATCH, 1),
        torch.from_numpy(rows[0, :, D + N : D + N + 1]),
    )
    model.replay_buffer.sample = lambda *args, **kwargs: samples

    s = td3.settings
    torch.manual_seed(7)
    drawn = [torch.empty(BATCH, N).normal_(0, s.target_noise) for _ in range(updates)]
    noise = torch.stack(drawn).clamp(-s.noise_clip, s.noise_clip)
    torch.manual_seed(7)
    model.train(gradient_steps=updates, batch_size=BATCH)
    indices = np.broadcast_to(np.arange(BATCH), (updates, 1, BATCH)).copy()
    learn_compiled(td3, Draws(rows, rows[:, :0], indices, noise.numpy()[:, None]))

    assert_equal_updates(td3.stack.parameters[0], their_parameters(model.actor, model.critic), 1e-5)
    assert_equal_updates(td3.stack.targets[0], their_parameters(model.actor_target, model.critic_target), 1e-5)
    actor, *critics = td3.layouts.parts(abs(td3.stack.parameters - begun))
    assert min(critic.max() for critic in critics) > 5e-4
    assert (actor.max() > 5e-4) == (updates >= 2)
