"""Candidates that come with weights: when they are asked for, what is done with them, and that a journal replays it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from search_planted import SPACE, UNSCORED, Planted

from netgraft.search import (
    Archive,
    BatchReport,
    Genes,
    Journal,
    Outcome,
    Setup,
    drive,
    objectives_named,
    strategy_named,
)

ROUNDS = 2


def continued(genes: Genes) -> Genes:
    return {**genes, "learning_rate": max(1e-4, 0.6 * float(genes["learning_rate"]))}


def varied(genes: Genes) -> Genes:
    return {**genes, "dropout": 0.4}


def given(problem: Planted, count: int, seed: int, **details: object) -> list[tuple[Genes, Outcome]]:
    """Return candidates of different sizes with the outcomes of their training."""
    rng = np.random.default_rng(seed)
    sampled = [SPACE.sample(rng) for _ in range(count)]
    made = [problem._outcome(_request(genes)) for genes in sampled]
    return [(g, replace(o, state="scored", details=dict(details))) for g, o in zip(sampled, made, strict=True)]


def _request(genes: Genes):
    from netgraft.search import Request

    return Request(0, genes)


class Early:
    """A problem that gives candidates first, and others after some batches."""

    def __init__(self, problem: Planted) -> None:
        self.problem = problem
        self.scored_before: list[int] = []

    def free(self, archive: Archive) -> list[tuple[Genes, Outcome]]:
        batches = {e.batch for e in archive.evaluations if e.trained}
        free = [e for e in archive.evaluations if e.state == "scored"]
        if not archive.evaluations:
            return given(self.problem, 5, 1, rounds=ROUNDS)
        if len(batches) == ROUNDS and not any("late" in e.details for e in free):
            late = given(self.problem, 4, 2, late=True)  # so good that they are the front
            return [(g, replace(o, values={**o.values, "error": 1e-3})) for g, o in late]
        return []


def searched(journal: Journal, batches: float = math.inf) -> Archive:
    """Search, stopped by the user after some batches."""
    problem = Planted()

    def stop(report: BatchReport) -> None:
        if report.evaluations[0].batch + 1 >= batches:
            raise KeyboardInterrupt

    wanted = objectives_named(("error", "size"))
    setup = Setup(
        SPACE, problem, wanted, (), 0, UNSCORED, {"size": problem.space_bytes}, continued=continued, varied=varied
    )
    return drive(
        problem,
        strategy_named("nested", setup),
        journal,
        objectives=wanted,
        batch_size=12,
        evaluations=48,
        deadline=lambda: math.inf,
        elapsed=lambda: 0.0,
        space_bytes=problem.space_bytes,
        free=Early(problem).free,
        on_batch=stop,
    )


def test_what_comes_with_weights_is_trained_on_in_as_many_batches_as_it_says() -> None:
    archive = searched(Journal.temporary())
    states = {batch: {e.state for e in archive.evaluations if e.batch == batch} for batch in range(6)}
    assert [states[batch] for batch in range(5)] == [{"scored"}, {"done"}, {"done"}, {"scored"}, {"done"}]
    first = {e.id for e in archive.evaluations if e.batch == 0}
    second = [e for e in archive.evaluations if e.batch == 1]
    assert {e.genes["dropout"] for e in second} > {0.4}  # each in both ways
    assert not any("score" in e.details for e in archive.evaluations if e.batch < 3)  # nothing was scored for it
    assert all(e.id not in first for e in second)
    assert archive.trained == 48  # what comes with weights is no evaluation
    assert [e.id for e in archive.evaluations] == list(range(len(archive.evaluations)))


def test_what_comes_later_is_a_parent_in_the_batch_after_it() -> None:
    archive = searched(Journal.temporary())
    late = {repr(sorted({**e.genes, "learning_rate": 0}.items())) for e in archive.evaluations if e.batch == 3}
    after = [e for e in archive.evaluations if e.batch == 4]
    assert late & {repr(sorted({**e.genes, "learning_rate": 0}.items())) for e in after}
    assert any("score" in e.details for e in after)


def test_a_search_that_was_stopped_gets_nothing_twice(tmp_path: Path) -> None:
    whole = searched(Journal.temporary())
    for batches in range(1, 5):
        path = tmp_path / f"{batches}.db"
        with Journal.open(path, "table", {}, resume=False) as journal:
            assert searched(journal, batches).interrupted
        with Journal.open(path, "table", {}, resume=True) as journal:
            again = searched(journal)
        assert again.evaluations == whole.evaluations
