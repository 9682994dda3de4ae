"""A site is switched on while the others go on: its cells transfer from cells that learned before it was there.

The twelve old cells keep the policies they have and learn no more. A site has all its sectors, so a network of three
sectors per site gets three new cells. The radio map of the greater network is drawn anew, because its grid is another:
the old cells' surroundings change too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from netgraft.agents import Controller, History, Replay, Td3, acting, dirichlet, gaussian_logits, train
from netgraft.agents.stored import Tensors
from netgraft.lifecycle.slicing.drl import fresh, sources_from
from netgraft.lifecycle.slicing.measured import Watch, evaluation_tensors, final_of, history_tensors
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.similarity import Floats, matrices, samples_of
from netgraft.lifecycle.slicing.transfers import mix_of
from netgraft.ran import Kpis, Scenario, SlicingEnv
from netgraft.ran.kpis import MEASURES
from netgraft.ran.layout import site_positions_m
from netgraft.ran.scenario import SliceGroup
from netgraft.transfer.policies import transfer_policy

#: Which source each variant takes: none, the nearest, the farthest.
PLACES = {"new_cell_cold": None, "new_cell_similar": 0, "new_cell_dissimilar": -1}
#: The new site makes the promises of this group.
_GROUP = 0


@dataclass(frozen=True)
class Extended:
    """A network with one more site.

    Attributes:
        scenario: with the new site.
        old: the number there of each cell of the smaller network.
    """

    scenario: Scenario
    old: tuple[int, ...]

    @cached_property
    def new(self) -> list[int]:
        """Numbers of the new site's cells."""
        return [cell for cell in range(self.scenario.cells) if cell not in self.old]


def with_new_site(scenario: Scenario) -> Extended:
    """Return a network with one more site, at the next free point of the lattice; old sites stay where they are."""
    cells = scenario.cells + scenario.sectors
    planned = replace(
        scenario, sites=scenario.sites + 1, groups=(SliceGroup(tuple(range(cells)), scenario.groups[0].slices),)
    )
    where = site_positions_m(planned)
    places = [int(np.abs(where - place).sum(axis=1).argmin()) for place in site_positions_m(scenario)]
    old = tuple(place * scenario.sectors + sector for place in places for sector in range(scenario.sectors))
    new = tuple(cell for cell in range(cells) if cell not in old)
    groups = [
        SliceGroup((*(old[cell] for cell in group.cells), *(new if index == _GROUP else ())), group.slices)
        for index, group in enumerate(scenario.groups)
    ]
    return Extended(replace(planned, groups=tuple(groups)), old)


def add_cells(work: SeedWork, name: str) -> Tensors:
    """Return what came of new cells that learn while the others go on; the evaluation is of the new cells alone."""
    network = with_new_site(work.scenario)
    env = SlicingEnv(network.scenario)
    td3, replay = fresh(work, env, "new cell")
    learned = sources_from(work.read("drl"), work.scenario.slices)
    for cell, source in zip(network.old, learned, strict=True):
        td3.replace(cell, source.agent)
    place = PLACES[name]
    sources = np.full(len(network.new), -1)
    if place is not None:
        sources = choose_sources(work, network, env, td3)[:, place]
        for cell, chosen in zip(network.new, sources, strict=True):
            transfer_policy(td3, replay, cell, learned[chosen], "integrated", mix=mix_of(work))
    history, watch = _learn(work, network, env, td3, replay, is_cold=place is None)
    final = evaluation_tensors("final", final_of(work, acting(td3), network.scenario))
    return {
        **{key: array[:, network.new] for key, array in {**final, **history_tensors(history)}.items()},
        **watch.tensors(),
        "sources": sources,
    }


def _learn(
    work: SeedWork, network: Extended, env: SlicingEnv, td3: Td3, replay: Replay, *, is_cold: bool
) -> tuple[History, Watch]:
    """Let the new cells learn for the steps of a transfer; cold ones explore first, as long as DRL does."""
    settings, seed = work.settings, work.learning("new cell exploration")
    steps = settings.transfer_steps
    explore = min(settings.explore_steps, steps - 1) if is_cold else 0
    noise = settings.noise if is_cold else settings.transfer_noise
    tried = trying(td3, network.new, settings.concentration, seed)
    watch = Watch(
        work,
        td3,
        steps,
        explore_steps=explore,
        exploring=tried,
        scenario=network.scenario,
        cells=network.new,
    )
    history = train(
        env,
        td3,
        replay,
        seed=work.traffic("transfer"),
        explore_steps=explore,
        train_steps=steps - explore,
        updates_per_step=settings.updates_per_step,
        explore=dirichlet(settings.concentration, seed=seed),
        perturb=gaussian_logits(noise, seed=seed, until=steps - explore),
        agents=network.new,
        on_step=watch,
    )
    return history, watch


def choose_sources(work: SeedWork, network: Extended, env: SlicingEnv, td3: Td3) -> NDArray[np.int64]:
    """Return the old cells for each new one, the nearest first: [new, old].

    The new cells take the default action while the others go on; the old cells' samples are those of before.
    """
    arrived = arrivals(env, td3, network.new, work.settings.sample_steps, work.traffic("arrival"))
    known = work.read("similarity")["samples"].astype(float)
    measure, old = work.settings.measure, len(known)
    samples = np.concatenate([known, arrived])
    distances = matrices(samples, work.learning("new cell similarity"), [measure])[measure]
    return np.argsort(distances[old:, :old], axis=1, kind="stable")


def arrivals(env: SlicingEnv, td3: Td3, new: Sequence[int], steps: int, seed: int) -> Floats:
    """Return samples of new cells that take the default action while others do as they learned: [new, n, D + 1]."""
    env.reset(seed)
    before, decide = env.measured, acting(td3)
    periods = []
    for _ in range(steps):
        shares = decide(env, env.measured)
        shares[list(new)] = 1 / env.slices
        periods.append(env.step(shares)[2])
    stacked = {name: np.stack([getattr(kpis, name) for kpis in periods]) for name in MEASURES}
    targets = {"throughput_target_bps": before.throughput_target_bps, "delay_target_s": before.delay_target_s}
    return samples_of(env, before, Kpis(**stacked, **targets))[list(new)]


def trying(td3: Td3, cells: Sequence[int], concentration: float, seed: int) -> Controller:
    """Return the controller of a network in which some cells try shares at random and the others do as they learned."""
    explore, decide = dirichlet(concentration, seed=seed), acting(td3)

    def shares(env: SlicingEnv, last: Kpis) -> Floats:
        decided = decide(env, last)
        step = env.simulator.step_index
        decided[list(cells)] = explore(np.zeros_like(decided), step)[list(cells)]
        return decided

    return shares
