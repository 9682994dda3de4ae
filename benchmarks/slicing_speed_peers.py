"""The peers of `slicing_speed`: mobile-env with as many cells and users, and twelve TD3 models of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
import torch
from gymnasium import Env
from gymnasium.spaces import Box
from mobile_env.core.base import MComCore
from mobile_env.core.entities import BaseStation, UserEquipment
from mobile_env.handlers.central import MComCentralHandler
from numpy.typing import NDArray
from stable_baselines3 import TD3
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from benchmarks.raw import Row
from netgraft.agents import Td3, Td3Settings
from netgraft.agents.kernels import Draws, learn

OBSERVATION, SHARES = 16, 4
TOLERANCE = 1e-5
_SIDE_M, _ENDLESS = 200, 10**9
_DRAWN = 8


def mobile_env_step(cells: int, users: int, seed: int = 0) -> Callable[[], Any]:
    """Return what steps mobile-env's central environment: stations at random places, random actions drawn before."""
    config = MComCore.default_config()
    config.update(width=_SIDE_M, height=_SIDE_M, EP_MAX_TIME=_ENDLESS, seed=seed, handler=MComCentralHandler)
    config["arrival_params"]["ep_time"] = _ENDLESS
    config["movement_params"].update(width=_SIDE_M, height=_SIDE_M)
    places = np.random.default_rng(seed).uniform(0, _SIDE_M, (cells, 2))
    stations = [BaseStation(number, tuple(place), **config["bs"]) for number, place in enumerate(places)]
    env = MComCore(stations, [UserEquipment(number, **config["ue"]) for number in range(users)], config)
    env.reset()
    env.action_space.seed(seed)
    actions = cycle([env.action_space.sample() for _ in range(_DRAWN)])
    return lambda: env.step(next(actions))


class _Spaces(Env[Any, Any]):
    """Tells a model the sizes of observations and actions; it is never stepped."""

    observation_space = Box(-np.inf, np.inf, (OBSERVATION,), np.float32)
    action_space = Box(-1, 1, (SHARES,), np.float32)


def sb3_td3(settings: Td3Settings, transitions: NDArray[np.float32]) -> Any:
    """Return a model of Stable-Baselines3 that remembers transitions [n, 2 D + N + 1]; one rate for both networks."""
    model = TD3(
        "MlpPolicy", _Spaces(), learning_rate=settings.critic_rate, batch_size=settings.batch, gamma=settings.gamma,
        tau=settings.tau, policy_delay=settings.policy_delay, target_policy_noise=settings.target_noise,
        target_noise_clip=settings.noise_clip, buffer_size=settings.capacity, device="cpu",
        policy_kwargs={"net_arch": {"pi": list(settings.actor), "qf": list(settings.critic)}},
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    for row in transitions:
        seen, action, reward, following = _split(row[None])
        model.replay_buffer.add(seen, following, action, reward[0], np.zeros(1), [{}])
    return model


def _split(rows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return observations, actions, rewards and next observations of transitions."""
    return np.split(rows, [OBSERVATION, OBSERVATION + SHARES, OBSERVATION + SHARES + 1], axis=-1)


def random_transitions(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Return transitions [..., 2 D + N + 1] with shares on the simplex."""
    rng = np.random.default_rng(seed)
    seen, following = rng.normal(size=(2, *shape, OBSERVATION))
    shares = rng.dirichlet(np.full(SHARES, 5.0), shape)
    return np.concatenate([seen, shares, rng.random((*shape, 1)), following], axis=-1).astype(np.float32)


def difference(updates: int) -> Row:
    """Return how far our parameters and targets are from theirs after updates from the same weights and noise.

    They learn from the same batch in each update: all transitions there are.
    """
    settings = Td3Settings(output="tanh", actor_rate=1e-3, warm_up=0)
    ours = Td3(1, OBSERVATION, SHARES, settings=settings)
    actor, _, _ = ours.layouts.parts(ours.stack.parameters)
    ours.layouts.actor.layers(actor)[-1][0][...] *= 100  # a fresh actor does nothing, which would hide a mistake
    ours.stack.targets[...] = ours.stack.parameters
    begun = ours.stack.parameters[0].copy()
    rows = random_transitions(settings.batch)
    theirs = sb3_td3(settings, rows)
    _copy(ours, ours.stack.parameters[0], theirs.actor, theirs.critic)
    _copy(ours, ours.stack.targets[0], theirs.actor_target, theirs.critic_target)

    torch.manual_seed(7)
    drawn = [torch.empty(settings.batch, SHARES).normal_(0, settings.target_noise) for _ in range(updates)]
    noise = torch.stack(drawn).clamp(-settings.noise_clip, settings.noise_clip).numpy()[:, None]
    torch.manual_seed(7)
    samples = _samples(rows)
    theirs.replay_buffer.sample = lambda *_, **__: samples
    theirs.train(gradient_steps=updates, batch_size=settings.batch)

    batches = np.tile(np.arange(settings.batch), (updates, 1, 1))
    draws = Draws(rows[None], rows[None, :0], batches, noise)
    widths = ours.layouts.actor.widths, ours.layouts.critic.widths
    learn(ours.stack, draws, np.zeros(1, np.int64), *widths, ours._rates(), np.full((1, 2), np.nan))

    expected = _flat(theirs.actor, theirs.critic), _flat(theirs.actor_target, theirs.critic_target)
    apart = np.abs(np.concatenate([ours.stack.parameters[0], ours.stack.targets[0]]) - np.concatenate(expected))
    moved = np.abs(ours.stack.parameters[0] - begun)
    return {
        "greatest": float(apart.max()),
        "over": int((apart > TOLERANCE).sum()),
        "parameters": apart.size,
        "actor_moved": float(moved[: ours.layouts.actor.size].max()),
        "critics_moved": float(moved[ours.layouts.actor.size :].max()),
    }


def _copy(ours: Td3, flat: NDArray[np.float32], actor: Any, critic: Any) -> None:
    """Write an agent's vector into their networks."""
    layouts = (ours.layouts.actor, ours.layouts.critic, ours.layouts.critic)
    parts = ours.layouts.parts(flat)
    for network, part, layout in zip((actor.mu, critic.qf0, critic.qf1), parts, layouts, strict=True):
        linear = [module for module in network if isinstance(module, torch.nn.Linear)]
        for module, (weight, bias) in zip(linear, layout.layers(part), strict=True):
            module.weight.data = torch.from_numpy(weight.T.copy())
            module.bias.data = torch.from_numpy(bias.copy())


def _flat(actor: Any, critic: Any) -> NDArray[np.float32]:
    """Return the parameters of their networks in the order of an agent's vector."""
    networks = (actor.mu, critic.qf0, critic.qf1)
    return np.concatenate([p.detach().numpy().T.ravel() for network in networks for p in network.parameters()])


def _samples(rows: NDArray[np.float32]) -> ReplayBufferSamples:
    """Return a batch as their buffer would; no transition ends an episode."""
    seen, actions, rewards, following = (torch.from_numpy(part.copy()) for part in _split(rows))
    return ReplayBufferSamples(seen, actions, following, torch.zeros(len(rows), 1), rewards)
