"""What and how to transfer between agents (Hu et al. 2022, section IV-C): networks, lower layers, instances, or both.

A source is what an agent left: its networks and its last transitions. The modes:

- ``model``: all weights; the target goes on from there with its own transitions;
- ``feature``: the lowest layer of each network, kept as it is; the rest is learnt anew;
- ``instance``: the transitions only; a fresh agent learns from them and its own;
- ``integrated``: model and instances, which is what the paper proposes.

A generalist is one more source: an agent that learnt, without a network to try things in, from transitions of several
others (Hu et al. 2023, arXiv 2306.11552, train one for all cells and let each cell go on from it).

What the paper leaves open: the first of three layers is the one that is kept; moments of the optimiser are forgotten
and target networks copied, as `netgraft.agents.Td3.replace` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.agents import Agent, Replay, Td3, Td3Settings
from netgraft.errors import InputError, SettingError, unknown_name
from netgraft.seeds import child_seed, generator

MODES = ("model", "feature", "instance", "integrated")
_KEPT_LAYERS = 1


@dataclass(frozen=True, eq=False)
class PolicySource:
    """What an agent left.

    Attributes:
        agent: its networks.
        transitions: its own, float32 [n, W], the oldest first (`netgraft.agents.Replay.transitions`).
    """

    agent: Agent
    transitions: NDArray[np.float32]


@dataclass(frozen=True)
class Mix:
    """How many of a batch's transitions are the source's.

    Attributes:
        share: of a batch; None: all transitions, own and the source's, are equally likely.
        anneal: own transitions after which the share is 0; it shrinks linearly. The source's rewards are those of its
            own targets, so they mislead in the end where these differ.
    """

    share: float | None = None
    anneal: float = np.inf


def transfer_policy(
    td3: Td3, replay: Replay, agent: int, source: PolicySource, mode: str = "integrated", *, mix: Mix | None = None
) -> None:
    """Give an agent and its memory what a source left.

    Args:
        td3: the agents; the target's networks become the source's as far as the mode says.
        replay: the memories; the target's gets the source's transitions where the mode says so.
        agent: the target.
        source: what it gets.
        mode: one of `MODES`.
        mix: of transitions; None: all are equally likely.

    Raises:
        SettingError: there is no such mode, or the mix is not allowed.
        InputError: there is no such agent, or networks or transitions of the source have other sizes.
    """
    if mode not in MODES:
        raise SettingError(unknown_name("a mode of transfer", mode, MODES))
    mix = mix or Mix()
    if mode in ("instance", "integrated"):
        replay.set_source(agent, source.transitions, share=mix.share, anneal=mix.anneal)
    if mode in ("model", "integrated"):
        td3.replace(agent, source.agent)
    if mode == "feature":
        td3.replace(agent, source.agent, layers=_KEPT_LAYERS)
        td3.freeze(agent, _KEPT_LAYERS)


def generalists(
    pools: Sequence[Sequence[PolicySource]],
    *,
    settings: Td3Settings | None = None,
    updates: int,
    rows_each: int = 2_000,
    seed: int = 0,
) -> list[PolicySource]:
    """Return one generalist for each pool of sources, trained on transitions of all of them; all learn at once.

    What a generalist leaves are the transitions it learned from.

    Args:
        pools: sources of each generalist; none of a pool is empty.
        settings: of the agents; None: those of the paper.
        updates: of each.
        rows_each: transitions drawn from each source at most.
        seed: of weights, draws and noise.

    Raises:
        SettingError: updates below 1, or rows_each.
        InputError: a pool has no source, or sources of other sizes.
    """
    for name, value in (("updates", updates), ("rows_each", rows_each)):
        if value < 1:
            raise SettingError(f"{name} must be >= 1, got {value}")
    if not pools or not all(pools):
        raise InputError("a generalist requires at least one source, got none")
    layouts = pools[0][0].agent.layouts
    observation, action = layouts.actor.widths[0], layouts.actor.widths[-1]
    td3 = Td3(len(pools), observation, action, settings=settings, seed=child_seed(seed, "generalists"))
    replay = Replay(len(pools), observation, action, capacity=1, seed=child_seed(seed, "generalists"))
    drawn = [_drawn(pool, rows_each, seed, index) for index, pool in enumerate(pools)]
    for index, rows in enumerate(drawn):
        replay.set_source(index, rows)
        td3.standardise(replay.observations(index), agents=[index])
    td3.learn(replay, updates=updates)
    return [PolicySource(td3.agent(index), rows) for index, rows in enumerate(drawn)]


def _drawn(pool: Sequence[PolicySource], most: int, seed: int, index: int) -> NDArray[np.float32]:
    """Return at most so many transitions of each source of a pool, in their order."""
    rows = []
    for place, source in enumerate(pool):
        taken = generator(seed, "generalists", index, place).permutation(len(source.transitions))[:most]
        rows.append(source.transitions[np.sort(taken)])
    return np.concatenate(rows)
