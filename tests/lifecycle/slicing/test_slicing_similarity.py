from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_studies import QUICK, SMALL

from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.similarity import (
    between_within,
    compare_cells,
    default_samples,
    matrices,
    nearest_in_group,
    sources_by_rank,
)
from netgraft.ran import SlicingEnv, preset
from netgraft.ran.shares import equal_shares
from netgraft.seeds import generator
from netgraft.transfer import Sample, compare


@pytest.fixture
def work(out) -> SeedWork:  # type: ignore[no-untyped-def]
    return SeedWork(out, SMALL, QUICK, 0)


def test_a_sample_is_what_was_seen_before_and_the_reward_after(work: SeedWork) -> None:
    samples = default_samples(work)
    env = SlicingEnv(SMALL)
    seen = env.reset(work.traffic("default action"))
    assert samples.shape == (6, QUICK.sample_steps, env.observation_size + 1)
    for period in range(QUICK.sample_steps):
        following, reward, _ = env.step(equal_shares(SMALL))
        np.testing.assert_array_equal(samples[:, period, :-1], seen)
        np.testing.assert_array_equal(samples[:, period, -1], reward)
        seen = following


def test_distances_are_those_of_the_measures() -> None:
    samples = generator(0, "cells").normal(size=(4, 30, 3)) + np.arange(4)[:, None, None]
    scaled = (samples - samples.mean((0, 1))) / samples.std((0, 1))
    known = [Sample(x=rows[:, :-1], y=rows[:, -1:]) for rows in scaled]
    found = matrices(samples, 0, ["energy", "moments"])
    for target in range(4):
        others = [k for k in range(4) if k != target]
        wanted = compare([known[k] for k in others], known[target], ["energy", "moments"], seed=0)
        for name in ("energy", "moments"):
            np.testing.assert_allclose(found[name][target, others], wanted[name])


def test_only_the_divergence_is_one_way(work: SeedWork) -> None:
    found = compare_cells(work)
    assert found["samples"].dtype == np.float32
    for name, distances in found.items():
        if name.startswith("distance."):
            assert np.array_equal(distances, distances.T) == (name != "distance.vae")


def test_sources_are_ranked_and_never_the_cell_itself() -> None:
    distances = np.array([[0.0, 2.0, 1.0], [5.0, 9.0, 4.0], [1.0, 1.0, 0.0]])
    np.testing.assert_array_equal(sources_by_rank(distances), [[2, 1], [2, 0], [0, 1]])


def test_groups_are_told_apart() -> None:
    groups = SMALL.group_of_cell
    distances = 1.0 + 2.0 * (groups[:, None] != groups)
    assert nearest_in_group(distances, SMALL) == 1
    assert between_within(distances, SMALL) == pytest.approx(3)
    assert nearest_in_group(-distances, SMALL) == 0


def test_one_group_has_nothing_between() -> None:
    assert between_within(np.ones((3, 3)), preset("three")) is None
    assert between_within(np.zeros((6, 6)), replace(SMALL, name="zero")) is None
