"""What candidates cost, who is admitted to a batch, and how time is shared."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from netgraft.devices import Profile
from netgraft.lifecycle.pace import Pace
from netgraft.lifecycle.prepare import prepare
from netgraft.lifecycle.problem import Admission, NetworkProblem, share_time, training_bytes
from netgraft.lifecycle.space import continued, network_space, recipe_of, restricted, start_candidates
from netgraft.lifecycle.workers import Group, Workers
from netgraft.root import Schedule
from netgraft.search import Archive, Request
from netgraft.seeds import generator
from netgraft.tables import Task

SPACE = network_space(rows=8_000, has_numeric=True, has_codes=True)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    frame = pl.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "c": rng.choice(["u", "v", "w"], 300), "y": x[:, 0] * (x[:, 1] > 0)}
    )
    prepared = prepare(Task.read(frame, target="y"), seed=0, teacher_s=None)
    workers = Workers(prepared.data, prepared.bases, 1)
    pace = Pace(lambda: None, None, 1e9)
    return NetworkProblem(prepared, Profile.load("raspberry-pi-4"), SPACE, pace, 0, lambda _: None, workers)


def test_cost_before_training_is_that_of_the_trained_network(problem):
    genes = [SPACE.sample(generator(0, i)) for i in range(4)]
    outcomes = problem.refine([Request(i, g) for i, g in enumerate(genes)])
    for g, outcome in zip(genes, outcomes, strict=True):
        network, outputs = problem.network(g, outcome.blob)
        stored = sum(value.nbytes for value in network.tensors.values())
        overhead = (
            sum(v.nbytes for v in problem.prepared.encoding.arrays().values()) + problem.prepared.output.array().nbytes
        )
        assert outcome.values["size"] == problem.cost(g)["size"] == stored + overhead
        assert outputs.shape[0] == len(problem.prepared.validation_rows)


def test_the_first_front_is_not_dominated_and_its_weights_give_its_error(problem):
    found = problem.free(Archive((1.0, 2.0)))
    assert len(found) >= 3
    points = np.array([[o.values["error"], o.values["size"]] for _, o in found])
    assert len({tuple(p) for p in points}) == len(points)
    for genes, outcome in found:
        assert SPACE.contains(genes)
        assert outcome.state == "scored"
        _, outputs = problem.network(genes, outcome.blob)
        error = problem.prepared.data.error(outputs.mean(axis=1), problem.prepared.validation_rows)
        assert error == pytest.approx(outcome.values["error"], abs=1e-6)


def test_candidates_that_do_not_fit_the_memory_are_skipped_with_the_reason(problem):
    from dataclasses import replace

    small = replace(problem, pace=Pace(lambda: None, None, 1e3))
    (outcome,) = small.refine([Request(0, SPACE.sample(generator(0)))])
    assert outcome.state == "skipped"
    assert "training needs about" in outcome.reason
    assert "0 MB are allowed" in outcome.reason


def test_large_candidates_are_admitted_while_time_is_left():
    recipe = recipe_of(start_candidates(SPACE, 8_000)[0], numeric=20, slots=(5,), outputs=1)
    refused = Admission(Pace(lambda: 0.01, None, 1e12), 0.01, 1, 1).refusal(recipe)
    assert refused is not None
    assert "more than is left for its batch" in refused
    assert Admission(Pace(lambda: 1e4, None, 1e12), 1e4, 1, 1).refusal(recipe) is None


def test_cheap_groups_get_what_they_need_and_leave_the_rest():
    cheap, dear = (Group((), (), np.zeros(0), Schedule(1), 0, load) for load in (1e9, 1e12))
    shared = share_time([dear, cheap], 10.0, 1e9)
    assert [round(group.seconds, 6) for group in shared] == [9.0, 1.0]


def test_training_memory_grows_with_everything():
    small = recipe_of(SPACE.nearest({"depth": 1, "width_1": 8, "members": 1}), numeric=5, slots=(), outputs=1)
    large = recipe_of(SPACE.nearest({"depth": 4, "width_1": 256, "members": 8}), numeric=5, slots=(), outputs=1)
    assert training_bytes(small, 1) < training_bytes(small, 5) < training_bytes(large, 5)


def test_starts_are_candidates_of_any_restricted_space():
    narrow = restricted(SPACE, {"depth": "2", "width_1": "8,16", "basis": "linear", "members": "1"})
    starts = start_candidates(narrow, 8_000)
    assert starts
    assert all(narrow.contains(genes) for genes in starts)


def test_training_on_lowers_the_learning_rate_until_it_is_small():
    genes = SPACE.sample(generator(1)) | {"learning_rate": 0.01}
    on = continued(genes)
    assert on is not None
    assert on["learning_rate"] == pytest.approx(0.006)
    assert continued(genes | {"learning_rate": 5e-4}) is None
