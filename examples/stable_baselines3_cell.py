"""Train TD3 of Stable-Baselines3 on one cell; the other cells split their blocks equally.

    pip install 'netgraft[sb3]'
    python examples/stable_baselines3_cell.py --steps 3000

One cell is an ordinary Gymnasium environment, so any library for single agents works. To train all cells, and much
faster, use `netgraft.agents` (docs/agents.md).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.noise import NormalActionNoise

from netgraft.ran import cell_view


def train(*, cell: int, steps: int, explore_steps: int, seed: int) -> TD3:
    """Return a model with the paper's networks and discount, trained for a number of steps."""
    env = cell_view(cell, seed=seed, steps=steps + 1)
    model = TD3(
        "MlpPolicy",
        env,
        learning_rate=1e-3,
        batch_size=32,
        gamma=0.1,
        learning_starts=explore_steps,
        action_noise=NormalActionNoise(np.zeros(4), np.full(4, 0.1)),
        policy_kwargs={"net_arch": {"pi": [48, 24], "qf": [64, 24]}},
        buffer_size=steps,
        seed=seed,
        device="cpu",
    )
    return model.learn(steps)


def mean_reward(model: TD3 | None, *, cell: int, steps: int, seed: int) -> float:
    """Return the mean reward of the model, or of an equal split."""
    env = cell_view(cell, seed=seed, steps=steps)
    observation, _ = env.reset(seed=seed)
    rewards = []
    for _ in range(steps):
        action = np.zeros(4) if model is None else model.predict(observation, deterministic=True)[0]
        observation, reward, *_ = env.step(action)
        rewards.append(reward)
    return float(np.mean(rewards))


def main(words: list[str] | None = None) -> tuple[float, float]:
    """Train, print and return the mean rewards of the equal split and of the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", type=int, default=0)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--explore-steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    model = train(cell=given.cell, steps=given.steps, explore_steps=given.explore_steps, seed=given.seed)
    equal, learned = (
        mean_reward(candidate, cell=given.cell, steps=300, seed=given.seed + 1) for candidate in (None, model)
    )
    print(f"mean reward of cell {given.cell} over 300 steps: {equal:.3f} with equal shares, {learned:.3f} with TD3")
    return equal, learned


if __name__ == "__main__":
    main()
