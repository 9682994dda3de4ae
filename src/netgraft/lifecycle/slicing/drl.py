"""Agents that learn from nothing (DRL): what they explore, what they have learned, and how it is kept for others."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

from netgraft.agents import (
    Agent,
    Controller,
    Evaluation,
    History,
    Replay,
    Td3,
    Td3Settings,
    acting,
    dirichlet,
    gaussian_logits,
    train,
)
from netgraft.agents.networks import layouts_of
from netgraft.agents.stored import Tensors
from netgraft.lifecycle.slicing.measured import Watch, evaluation_tensors, final_of, history_tensors
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.ran import Kpis, SlicingEnv
from netgraft.transfer.policies import PolicySource

_LEARNED = ("parameters", "targets", "shift", "scale")


def train_drl(work: SeedWork) -> Tensors:
    """Return what came of agents that explored and then learned, with what they leave to others."""
    settings = work.settings
    env = SlicingEnv(work.scenario)
    td3, replay = fresh(work, env, "drl")
    steps = settings.explore_steps + settings.train_steps
    watch = Watch(work, td3, steps, explore_steps=settings.explore_steps, exploring=exploring(work))
    shortened: list[Evaluation] = []

    def after(step: int, history: Callable[[], History]) -> None:
        watch(step, history)
        if step == min(settings.transfer_steps, steps):
            is_exploring = step < settings.explore_steps
            shortened.append(final_of(work, exploring(work) if is_exploring else acting(td3)))

    seed = work.learning("drl exploration")
    history = train(
        env,
        td3,
        replay,
        seed=work.traffic("training"),
        explore_steps=settings.explore_steps,
        train_steps=settings.train_steps,
        updates_per_step=settings.updates_per_step,
        explore=dirichlet(settings.concentration, seed=seed),
        perturb=gaussian_logits(settings.noise, seed=seed, until=settings.train_steps),
        on_step=after,
    )
    left = [replay.transitions(cell, settings.instances) for cell in range(env.agents)]
    return {
        **agents_tensors(td3),
        "transitions": np.stack(left),
        **history_tensors(history),
        **watch.tensors(),
        **evaluation_tensors("final", final_of(work, acting(td3))),
        **evaluation_tensors("shortened", shortened[0]),
    }


def fresh(work: SeedWork, env: SlicingEnv, name: str) -> tuple[Td3, Replay]:
    """Return agents that know nothing and memories of nothing, one of each for every cell of a network."""
    seed, sizes = work.learning(name), (env.agents, env.observation_size, env.slices)
    steps = work.settings.explore_steps + max(work.settings.train_steps, work.settings.transfer_steps)
    return Td3(*sizes, seed=seed), Replay(*sizes, seed=seed, capacity=max(steps, Td3Settings().capacity))


def exploring(work: SeedWork) -> Controller:
    """Return the controller that tries shares at random, as agents do before they learn."""
    explore, steps = dirichlet(work.settings.concentration, seed=work.learning("tried shares")), count()

    def decide(env: SlicingEnv, last: Kpis) -> np.ndarray:
        return explore(np.zeros((env.agents, env.slices)), next(steps))

    return decide


def agents_tensors(td3: Td3) -> Tensors:
    """Return what agents have learned as arrays with a leading axis of agents."""
    return {f"agents.{name}": getattr(td3.stack, name).copy() for name in _LEARNED}


def agents_from(tensors: Tensors, slices: int) -> list[Agent]:
    """Return the agents in a stage's arrays, which decide for so many slices."""
    arrays = {name: tensors[f"agents.{name}"] for name in _LEARNED}
    settings = Td3Settings()
    layouts = layouts_of(arrays["shift"].shape[1], slices, settings)
    return [
        Agent(layouts=layouts, **{name: array[index] for name, array in arrays.items()}, output=settings.output)
        for index in range(len(arrays["shift"]))
    ]


def sources_from(tensors: Tensors, slices: int) -> list[PolicySource]:
    """Return what agents left to others, one source for each cell."""
    agents = agents_from(tensors, slices)
    return [PolicySource(agent, rows) for agent, rows in zip(agents, tensors["transitions"], strict=True)]
