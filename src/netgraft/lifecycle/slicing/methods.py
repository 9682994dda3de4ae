"""The methods of a study by name: where in the stages their evaluations are, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netgraft.agents import Evaluation
from netgraft.lifecycle.slicing.measured import evaluation_from
from netgraft.lifecycle.slicing.new_cell import PLACES
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.statistics import interval

Floats = NDArray[np.float64]
SATISFIED = 0.95
#: Stage and name there of each method's evaluation.
METHODS: dict[str, tuple[str, str]] = {
    **{name: ("baselines", name) for name in ("equal", "proportional", "causal", "oracle")},
    "drl": ("drl", "final"),
    "drl_4000": ("drl", "shortened"),
    **{
        name: (name, "final")
        for name in ("tl_similar", "tl_dissimilar", "tl_model", "tl_feature", "tl_instance", "tl_generalist")
    },
    **{name: (name, "final") for name in PLACES},
}


def evaluations(works: Sequence[SeedWork]) -> dict[str, list[Evaluation]]:
    """Return each method's evaluation of every seed; methods without a stage are left out."""
    present = {name: place for name, place in METHODS.items() if all(work.has(place[0]) for work in works)}
    stages = {stage for stage, _ in present.values()}
    found: dict[str, list[Evaluation]] = {name: [] for name in present}
    for work in works:
        tensors = {stage: work.read(stage) for stage in stages}
        for name, (stage, prefix) in present.items():
            found[name].append(evaluation_from(tensors[stage], prefix))
    return found


def series_of(evaluations: Sequence[Evaluation]) -> dict[str, Floats]:
    """Return what is told of a method, by name, as means over cells [seeds, T]."""
    return {
        "reward": np.stack([each.reward.mean(axis=1) for each in evaluations]),
        "satisfaction": np.stack([each.throughput_satisfaction.mean(axis=1) for each in evaluations]),
        "below_0.95": np.stack([(each.throughput_satisfaction < SATISFIED).mean(axis=1) for each in evaluations]),
        "delay_ms": np.stack([each.delay_s.mean(axis=1) * 1e3 for each in evaluations]),
    }


def intervals(series: dict[str, Floats]) -> dict[str, dict[str, float]]:
    """Return mean and interval of all that is told of a method."""
    return {name: interval(values) for name, values in series.items()}
