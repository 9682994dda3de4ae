"""From whom to transfer: how far apart cells are, told from what they see and get under the default action.

A sample is what a cell sees, and the reward it gets for equal shares in the period that follows: x = [s, r] of Hu et
al. 2022, section IV-B. One autoencoder is trained on the samples of all cells. Matrices have a row for each target and
a column for each source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.agents.stored import Tensors
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.settings import ROW_MEASURES
from netgraft.ran import Kpis, Scenario, SlicingEnv
from netgraft.ran.observation import observe
from netgraft.ran.shares import equal_shares
from netgraft.transfer import MEASURES, Sample
from netgraft.transfer.similarity import PairMeasure

Floats = NDArray[np.float64]
#: Measures whose distance from a to b is not that from b to a.
_ONE_WAY = ("vae",)
_LEAST_DEVIATION = 1e-6


def compare_cells(work: SeedWork) -> Tensors:
    """Return the default-action samples of all cells and their distances by each measure."""
    samples = default_samples(work)
    found = matrices(samples, work.learning("similarity"))
    return {"samples": samples.astype(np.float32), **{f"distance.{name}": d for name, d in found.items()}}


def default_samples(work: SeedWork) -> Floats:
    """Return what cells see and get while all of them take the default action; [K, n, D + 1]."""
    env = SlicingEnv(work.scenario)
    env.reset(work.traffic("default action"))
    return samples_of(env, env.measured, env.simulator.run(equal_shares(work.scenario), work.settings.sample_steps))


def samples_of(env: SlicingEnv, before: Kpis, periods: Kpis) -> Floats:
    """Return what cells saw before each of n periods, and the reward they got in it; [K, n, D + 1].

    Args:
        env: of the network.
        before: measures of the period before the first.
        periods: measures [n, K, N].
    """
    seen = observe(periods, env.scenario, env.coordination)
    first = observe(before, env.scenario, env.coordination)
    earlier = np.concatenate([first[None], seen[:-1]])  # [n, K, D]
    return np.asarray(np.concatenate([earlier, periods.reward[..., None]], axis=-1, dtype=float).swapaxes(0, 1))


def matrices(samples: Floats, seed: int, measures: Sequence[str] = ROW_MEASURES) -> dict[str, Floats]:
    """Return the distances [K, K] of samples [K, n, D + 1] by each measure.

    Args:
        samples: as `samples_of` returns them; they are standardised over all cells here.
        seed: of the autoencoder.
        measures: names.
    """
    spread = np.maximum(samples.std(axis=(0, 1)), _LEAST_DEVIATION)
    scaled = (samples - samples.mean(axis=(0, 1))) / spread
    known = [Sample(x=rows[:, :-1], y=rows[:, -1:]) for rows in scaled]
    summaries: dict[Callable[..., Any], list[Any]] = {}
    found = {}
    for name in measures:
        measure = MEASURES[name]
        assert isinstance(measure, PairMeasure)
        if measure.summarise not in summaries:
            summaries[measure.summarise] = measure.summarise(known, seed)
        found[name] = _matrix(measure, summaries[measure.summarise], one_way=name in _ONE_WAY)
    return found


def _matrix(measure: PairMeasure[Any], summaries: Sequence[Any], *, one_way: bool) -> Floats:
    """Return the distance of each source, a column, from each target, a row."""
    cells = range(len(summaries))
    distances = np.array(
        [[measure.distance(summaries[i], summaries[k]) if one_way or i <= k else 0.0 for i in cells] for k in cells]
    )
    return distances if one_way else distances + np.tril(distances, -1).T


def sources_by_rank(distances: Floats) -> NDArray[np.int64]:
    """Return the sources of each target, the nearest first: [K, K - 1]; a cell is no source of itself (eq. 10)."""
    away = distances + np.diag(np.full(len(distances), np.inf))
    return np.argsort(away, axis=1, kind="stable")[:, :-1]


def nearest_in_group(distances: Floats, scenario: Scenario) -> float:
    """Return the share of cells whose nearest source makes the same promises."""
    groups = scenario.group_of_cell
    return float((groups[sources_by_rank(distances)[:, 0]] == groups).mean())


def between_within(distances: Floats, scenario: Scenario) -> float | None:
    """Return the mean distance of cells with other promises over that of cells with the same; None where one lacks."""
    groups = scenario.group_of_cell
    same = groups[:, None] == groups
    others = ~np.eye(len(groups), dtype=bool)
    if same.all() or not (same & others).any():
        return None
    within = distances[same & others].mean()
    return float(distances[~same].mean() / within) if within else None
