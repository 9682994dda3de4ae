"""Transfers between cells that are all restarted together, each from another cell that learned before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netgraft.agents import acting, evaluate, gaussian_logits, train
from netgraft.agents.stored import Tensors
from netgraft.lifecycle.slicing.drl import agents_from, agents_tensors, fresh, sources_from
from netgraft.lifecycle.slicing.measured import Watch, evaluation_tensors, final_of, history_tensors
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.similarity import sources_by_rank
from netgraft.ran import SlicingEnv
from netgraft.transfer.policies import Mix, PolicySource, generalists, transfer_policy

#: Sources that figure 8 compares, from the nearest (0) to the farthest (1) of a cell's.
RANKS = {"tl_similar": 0.0, "tl_nearer": 1 / 3, "tl_farther": 2 / 3, "tl_dissimilar": 1.0}
#: Modes besides the integrated one, from the nearest source.
MODES = {"tl_model": "model", "tl_feature": "feature", "tl_instance": "instance"}
GENERALIST = "tl_generalist"


def transfer_by_rank(work: SeedWork, name: str) -> Tensors:
    """Return what came of integrated transfer from sources at a place between the nearest and the farthest."""
    return _transfer(work, _sources_at(work, RANKS[name]), "integrated")


def transfer_by_mode(work: SeedWork, name: str) -> Tensors:
    """Return what came of another mode of transfer from the nearest sources."""
    return _transfer(work, _sources_at(work, 0.0), MODES[name])


def transfer_generalist(work: SeedWork, name: str) -> Tensors:
    """Return what came of cells that go on from a generalist of all others."""
    learned = sources_from(work.read("drl"), work.scenario.slices)
    pools = [[source for other, source in enumerate(learned) if other != cell] for cell in range(len(learned))]
    updates, rows = work.settings.generalist_updates, work.settings.generalist_rows
    found = generalists(pools, updates=updates, rows_each=rows, seed=work.learning(name))
    return _transfer(work, found, "integrated")


def swap_policies(work: SeedWork) -> Tensors:
    """Return the reward of each cell, a row, with the policy of each other, a column: float64 [K, K].

    Nothing is learned. In one evaluation all cells have the policy of the cell that is so many numbers further on, so
    what the others do changes too; that is left out of account.
    """
    agents = agents_from(work.read("drl"), work.scenario.slices)
    env, cells = SlicingEnv(work.scenario), len(agents)
    rewards = np.zeros((cells, cells))
    for further in range(cells):
        taken = (np.arange(cells) + further) % cells
        policies = [agents[source].policy() for source in taken]
        steps, seed = work.settings.evaluation_steps, work.traffic("evaluation")
        rewards[np.arange(cells), taken] = evaluate(env, acting(policies), steps, seed=seed).reward.mean(axis=0)
    return {"rewards": rewards}


def source_map(work: SeedWork, place: float) -> list[int]:
    """Return each cell's source by the settings' measure: 0 is the nearest, 1 the farthest."""
    ranked = sources_by_rank(work.read("similarity")[f"distance.{work.settings.measure}"])
    return [int(cell) for cell in ranked[:, place_of(place, ranked.shape[1])]]


def place_of(place: float, sources: int) -> int:
    """Return the number of the source at a place between the nearest of so many (0) and the farthest (1)."""
    return round(place * (sources - 1))


def mix_of(work: SeedWork) -> Mix:
    """Return how the settings mix a source's transitions with an agent's own."""
    anneal = work.settings.source_anneal
    return Mix(work.settings.source_share, np.inf if anneal is None else float(anneal))


def _sources_at(work: SeedWork, place: float) -> list[PolicySource]:
    learned = sources_from(work.read("drl"), work.scenario.slices)
    return [learned[source] for source in source_map(work, place)]


def _transfer(work: SeedWork, sources: Sequence[PolicySource], mode: str) -> Tensors:
    """Return what came of a transfer to all cells."""
    settings = work.settings
    env = SlicingEnv(work.scenario)
    td3, replay = fresh(work, env, "transfer")
    for cell, source in enumerate(sources):
        transfer_policy(td3, replay, cell, source, mode, mix=mix_of(work))
    watch = Watch(work, td3, settings.transfer_steps)
    noise = settings.transfer_noise if mode in ("model", "integrated") else settings.noise
    history = train(
        env,
        td3,
        replay,
        seed=work.traffic("transfer"),
        explore_steps=0,
        train_steps=settings.transfer_steps,
        updates_per_step=settings.updates_per_step,
        perturb=gaussian_logits(noise, seed=work.learning("transfer noise"), until=settings.transfer_steps),
        on_step=watch,
    )
    return {
        **agents_tensors(td3),
        **history_tensors(history),
        **watch.tensors(),
        **evaluation_tensors("final", final_of(work, acting(td3))),
    }
