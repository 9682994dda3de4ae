"""The content of ``results.json``: what all stages of all seeds found, as plain numbers that need no further computing.

Names and shapes of the keys are described in `docs/slicing-study.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from netgraft.agents import Evaluation
from netgraft.lifecycle.slicing.checks import checks_of
from netgraft.lifecycle.slicing.measured import Progress
from netgraft.lifecycle.slicing.methods import evaluations, intervals, series_of
from netgraft.lifecycle.slicing.published import PAPER
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.settings import ROW_MEASURES
from netgraft.lifecycle.slicing.similarity import Floats, between_within, nearest_in_group, sources_by_rank
from netgraft.lifecycle.slicing.statistics import listed, rounded, smoothed, table, tail, tail_points
from netgraft.lifecycle.slicing.transfers import RANKS, place_of
from netgraft.ran.layout import cell_azimuths_deg, cell_sites, site_positions_m
from netgraft.ran.traffic import mask_values

FORMAT = 1
_MASK_STEPS = 200
_FRAMES = 100
_PLAYED = ("proportional", "drl", "tl_similar")
_GAIN_STEPS = (200, 1_000, 4_000)


def results_of(works: Sequence[SeedWork], seconds: float) -> dict[str, Any]:
    """Return the results of seeds whose stages are done.

    Args:
        works: one per seed; all of one scenario and one way to study it.
        seconds: that the study took.

    Raises:
        ModelError: the file of a stage is damaged.
    """
    scenario, settings = works[0].scenario, works[0].settings
    found = evaluations(works)
    series = {name: series_of(each) for name, each in found.items()}
    progress = {name: [Progress.of(work.read(name)) for work in works] for name in ("drl", *RANKS)}
    similarity = _similarity(works)
    return {
        "format": FORMAT,
        "scenario": scenario.payload(),
        "seeds": [work.seed for work in works],
        "seconds": round(seconds, 3),
        "settings": settings.payload(),
        "updates_per_step": settings.updates_per_step,
        "methods": {name: intervals(each) for name, each in series.items()},
        "paper": PAPER,
        "checks": checks_of(series, transfer=progress["tl_similar"], drl=progress["drl"], similarity=similarity),
        "curves": _curves(works, found),
        "ccdf": _distributions(found),
        "masks": {"slices": list(scenario.slice_names), "values": table(mask_values(scenario, _MASK_STEPS))},
        "similarity": similarity,
        "swapped": table(_mean(works, "swapped", "rewards")),
        "gain": _gain(works, progress),
        "network": _network(works[0], {name: found[name][0] for name in _PLAYED}),
    }


def _mean(works: Sequence[SeedWork], stage: str, name: str) -> Floats:
    """Return an array of a stage, the mean over seeds."""
    return np.mean([work.read(stage)[name] for work in works], axis=0)


def _curves(works: Sequence[SeedWork], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return figure 4: rewards while agents learn, and of the baselines on the traffic of the transfers."""
    curves = {}
    for name in ("equal", "proportional"):
        curves[name] = smoothed(_stacked(works, "baselines", f"{name}.training"))
    for name in found:
        if name == "drl" or name.startswith(("tl_", "new_cell_")):
            curves[name] = smoothed(_stacked(works, name, "training.reward"))
    return curves


def _stacked(works: Sequence[SeedWork], stage: str, name: str) -> Floats:
    """Return an array [T, K] of a stage as means over cells, [seeds, T]."""
    return np.stack([work.read(stage)[name].mean(axis=1, dtype=float) for work in works])


def _distributions(found: Mapping[str, Sequence[Evaluation]]) -> dict[str, Any]:
    """Return figures 5 and 6: the share of periods and cells above each value."""
    measures = {
        "satisfaction": {name: np.stack([e.throughput_satisfaction for e in each]) for name, each in found.items()},
        "delay_ms": {name: np.stack([e.delay_s for e in each]) * 1e3 for name, each in found.items()},
    }
    bounds: dict[str, dict[str, float | None]] = {"satisfaction": {"low": 0.0, "high": 1.0}, "delay_ms": {"low": 0.0}}
    return {
        what: {name: tail(values, tail_points(values, **bounds[what])) for name, values in methods.items()}
        for what, methods in measures.items()
    }


def _similarity(works: Sequence[SeedWork]) -> dict[str, Any]:
    """Return figure 7: matrices that are means over seeds; shares and ratios are means of every seed's own.

    ``rank_correlation`` is Spearman's, between the distances of a target's sources and the reward that it loses with
    their policies, the mean over targets: what a distance is worth. Some cells' policies are better than others'
    everywhere; ``rank_correlation_centred`` is the same after the mean loss of each source is taken off.
    """
    scenario = works[0].scenario
    stages = [work.read("similarity") for work in works]
    swapped = [work.read("swapped")["rewards"] for work in works]
    lost = [np.diag(rewards)[:, None] - rewards for rewards in swapped]
    told: dict[str, Any] = {}
    for name in ROW_MEASURES:
        every = [stage[f"distance.{name}"] for stage in stages]
        mean = np.mean(every, axis=0)
        ratios = [between_within(each, scenario) for each in every]
        told[name] = {
            "matrix": table(mean),
            "nearest": sources_by_rank(mean)[:, 0].tolist(),
            "nearest_in_group": rounded(float(np.mean([nearest_in_group(each, scenario) for each in every]))),
            "between_within": None if None in ratios else rounded(np.mean([r for r in ratios if r is not None])),
            "rank_correlation": _agreement(every, lost),
            "rank_correlation_centred": _agreement(every, [each - each.mean(axis=0) for each in lost]),
        }
    return {**told, "chosen": works[0].settings.measure}


def _agreement(distances: Sequence[Floats], lost: Sequence[Floats]) -> float | None:
    """Return the mean rank correlation of a target's distances and losses over its sources; None with fewer than 3."""
    cells = len(distances[0])
    if cells < 4:
        return None
    others = ~np.eye(cells, dtype=bool)
    pairs = [
        (d[k][others[k]], loss[k][others[k]]) for d, loss in zip(distances, lost, strict=True) for k in range(cells)
    ]
    found = [spearmanr(*pair).statistic for pair in pairs if all(np.ptp(values) > 0 for values in pair)]
    return rounded(np.mean(found)) if found else None


def _gain(works: Sequence[SeedWork], progress: Mapping[str, Sequence[Progress]]) -> dict[str, Any]:
    """Return figure 8: the relative gain in reward over DRL after as many steps, both evaluated on the same traffic."""
    steps = progress["tl_similar"][0].steps
    drl = np.mean([[each.at(step) for step in steps] for each in progress["drl"]], axis=0)
    gains = {
        name: np.mean([each.rewards for each in progress[name]], axis=0) / np.maximum(drl, 1e-9) - 1 for name in RANKS
    }
    points = [
        {"distance": rounded(_distance(work, name)), "gain": _gains(progress["drl"][index], progress[name][index])}
        for name in RANKS
        for index, work in enumerate(works)
    ]
    return {
        "steps": steps.tolist(),
        "similar": listed(gains["tl_similar"]),
        "dissimilar": listed(gains["tl_dissimilar"]),
        "points": points,
    }


def _gains(drl: Progress, transfer: Progress) -> dict[str, float]:
    return {str(step): rounded(transfer.at(step) / max(drl.at(step), 1e-9) - 1) for step in _GAIN_STEPS}


def _distance(work: SeedWork, name: str) -> float:
    """Return the mean distance of the sources at a rank."""
    distances = work.read("similarity")[f"distance.{work.settings.measure}"]
    ranked = sources_by_rank(distances)
    chosen = ranked[:, place_of(RANKS[name], ranked.shape[1])]
    return float(np.mean(distances[np.arange(len(chosen)), chosen]))


def _network(work: SeedWork, played: Mapping[str, Evaluation]) -> dict[str, Any]:
    """Return the cells and the first periods of evaluations of one seed."""
    scenario = work.scenario
    sites = cell_sites(scenario)
    places, azimuths = site_positions_m(scenario)[sites], cell_azimuths_deg(scenario)
    users = work.read("baselines")["users"]
    cells = [
        {
            "name": f"cell_{cell}",
            "site": int(sites[cell]),
            "group": int(scenario.group_of_cell[cell]),
            "x_m": rounded(places[cell, 0]),
            "y_m": rounded(places[cell, 1]),
            "azimuth_deg": rounded(azimuths[cell]),
        }
        for cell in range(scenario.cells)
    ]
    frames = {
        name: {
            "step": list(range(len(each.load[:_FRAMES]))),
            "load": table(each.load[:_FRAMES]),
            "satisfaction": table(each.throughput_satisfaction[:_FRAMES]),
            "users": [[int(count) for count in row] for row in users[:_FRAMES]],
        }
        for name, each in played.items()
    }
    return {"cells": cells, "frames": frames}
