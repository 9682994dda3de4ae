"""The search loop: limits, batches, time, interruption, replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from search_planted import SPACE, Planted, parameters, search

from netgraft.errors import LimitError
from netgraft.search import BatchReport, Genes, Journal, Outcome, Request, non_dominated, objectives_named
from netgraft.search.archive import values_matrix
from netgraft.units import Limit


class Troubled(Planted):
    """Some candidates are skipped, fail, or come back without an error."""

    outcomes = (
        Outcome("skipped", {}, "needs 9 GB of memory, 1 GB are free"),
        Outcome("failed", {}, "the loss was not finite"),
        Outcome("done", {"error": float("nan"), "size": 1.0}),
        Outcome("done", {"error": 0.1}, details={"metrics": {"mae": float("inf")}}),
    )

    def refine(self, requests: Sequence[Request]) -> list[Outcome]:
        usual = super().refine(requests)
        if len(self.refined) > len(requests):
            return usual
        return [self.outcomes[i] if i < len(self.outcomes) else outcome for i, outcome in enumerate(usual)]


class Interrupted(Planted):
    """The user presses Ctrl-C in the third batch."""

    def refine(self, requests: Sequence[Request]) -> list[Outcome]:
        if len(self.refined) >= 32:
            raise KeyboardInterrupt
        return super().refine(requests)


def test_the_last_batch_is_cut_to_fit() -> None:
    reports: list[BatchReport] = []
    problem = Planted()
    archive = search("random", problem, evaluations=37, on_batch=reports.append)
    assert [len(report.evaluations) for report in reports] == [16, 16, 5]
    assert [report.trained for report in reports] == [16, 32, 37]
    assert [report.index for report in reports] == [0, 1, 2]
    assert archive.trained == len(problem.refined) == 37
    assert [evaluation.id for evaluation in archive.evaluations] == list(range(37))
    assert [entry["evaluations"] for entry in archive.history] == [16, 32, 37]
    volumes = [entry["hypervolume"] for entry in archive.history]
    assert volumes == sorted(volumes) == [report.hypervolume for report in reports]
    assert not archive.interrupted


def test_the_front_is_what_nothing_dominates() -> None:
    archive = search("random", Planted())
    objectives = objectives_named(("error", "size", "latency"))
    names = [objective.name for objective in objectives]
    front = archive.front(objectives)
    points = values_matrix(archive.done, names)
    assert len(front) == non_dominated(points).sum()
    assert {e.id for e in front} == {e.id for e, good in zip(archive.done, non_dominated(points), strict=True) if good}
    assert [e.values["latency"] for e in front] == sorted(e.values["latency"] for e in front)
    least = min(evaluation.values["error"] for evaluation in archive.done)
    bound = [Limit("error", least)]
    assert [e.values["error"] for e in archive.front(objectives, bound)] == [least]
    assert archive.front(objectives, [Limit("error", least / 2)]) == []


def test_time_ends_the_search_after_one_batch_at_least() -> None:
    assert search("random", Planted(), evaluations=None, deadline=lambda: -1.0).trained == 16
    left = iter([5.0, 2.0, 0.0])
    assert search("random", Planted(), evaluations=None, deadline=lambda: next(left)).trained == 48


def test_an_exhausted_space_ends_the_search() -> None:
    space = SPACE.restrict("depth", [1]).restrict("embedding", ["none"]).restrict("activation", ["relu"])
    for name, value in (("members", 1), ("batch", 64), ("learning_rate", 1e-3), ("weight_decay", 1e-3), ("dropout", 0)):
        space = space.restrict(name, [value])
    for strategy in ("random", "evolution", "nested"):
        archive = search(strategy, Planted(starts=False), space=space)
        assert sorted(int(e.genes["width_1"]) for e in archive.done) == [4, 8, 16, 32, 64, 128, 256]


def test_an_interruption_returns_what_is_there() -> None:
    archive = search("random", Interrupted())
    assert archive.interrupted
    assert archive.trained == 32
    assert len(archive.front(objectives_named(("error", "size")))) > 1


def test_what_went_wrong_is_recorded_and_skipped_candidates_are_replaced() -> None:
    with Journal.temporary() as journal:
        archive = search("random", Troubled(), journal, evaluations=20, batch_size=10)
        assert [e for batch in journal.batches() for e in batch.evaluations] == archive.evaluations
    states = [(e.state, e.reason) for e in archive.evaluations[:4]]
    assert states == [
        ("skipped", "needs 9 GB of memory, 1 GB are free"),
        ("failed", "the loss was not finite"),
        ("failed", "error must be finite, got nan"),
        ("failed", "size must be finite, got none"),
    ]
    assert archive.evaluations[3].details == {"metrics": {"mae": None}}
    assert archive.trained == 20
    assert [e.state for e in archive.evaluations[4:]] == ["done"] * 17


def test_a_search_in_which_nothing_can_be_trained_ends() -> None:
    class Full(Planted):
        def refine(self, requests: Sequence[Request]) -> list[Outcome]:
            return [Outcome("skipped", {}, "no memory") for _ in requests]

    archive = search("nested", Full(), evaluations=None)
    assert (archive.trained, len(archive.evaluations), archive.history[-1]["hypervolume"]) == (0, 128, 0.0)


@pytest.mark.parametrize("strategy", ["random", "evolution", "nested"])
def test_no_candidate_above_a_limit_is_trained(strategy: str) -> None:
    # few candidates are that small; sampling alone hardly finds any
    limits = [Limit("size", 700.0), Limit("latency", 4.2e-6)]
    problem = Planted()
    archive = search(strategy, problem, limits=limits)
    assert archive.trained == 48
    assert all(
        problem.cost(r.genes)["size"] <= 700 and problem.cost(r.genes)["latency"] <= 4.2e-6 for r in problem.refined
    )


class Careless:
    """A strategy that ignores the limits."""

    scored = 0

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self.told: list[Any] = []

    def ask(self, n: int) -> list[Any]:
        from netgraft.search import Proposal

        return [Proposal(SPACE.sample(self._rng)) for _ in range(n)]

    def tell(self, evaluations: Sequence[Any]) -> None:
        self.told += evaluations


def test_candidates_above_a_limit_are_recorded_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    careless = Careless()
    monkeypatch.setattr("search_planted.strategy_named", lambda name, setup: careless)
    archive = search("random", Planted(), limits=[Limit("size", 40_000.0)])
    rejected = [e for e in archive.evaluations if e.state == "rejected"]
    assert archive.trained == 48
    assert rejected
    assert {e.id for e in archive.evaluations} == set(range(len(archive.evaluations)))
    assert careless.told == archive.evaluations
    size = 4 * parameters(rejected[0].genes)
    assert rejected[0].reason == f"size must be <= 40000, got {size:g}"


@pytest.mark.parametrize("strategy", ["random", "evolution", "nested"])
def test_limits_that_nothing_meets_say_the_closest(strategy: str) -> None:
    # depth 1, width 4, no embedding, one member: (12 x 4 + 4 + 4 + 1) parameters of 4 bytes
    with pytest.raises(LimitError) as raised:
        search(strategy, Planted(), limits=[Limit("size", 100.0)])
    assert str(raised.value) == "size<=100 B cannot be met: the smallest candidate has 228 B"


def test_limits_that_exclude_each_other_say_the_closest() -> None:
    class Opposed(Planted):
        def cost(self, genes: Genes) -> dict[str, float]:
            cost = super().cost(genes)
            return {**cost, "energy": 1.0 / cost["size"]}

    with pytest.raises(
        LimitError, match=r"size<=300 B and energy<=1 µJ cannot be met together: the closest candidate has"
    ):
        search("nested", Opposed(), limits=[Limit("size", 300.0), Limit("energy", 1e-6)])


def test_weights_of_the_front_and_of_the_best_are_kept() -> None:
    with Journal.temporary() as journal:
        archive = search("evolution", Planted(), journal, evaluations=80)
        front = {e.id for e in archive.front(objectives_named(("error", "size")))}
        best = {e.id for e in sorted(archive.done, key=lambda e: e.values["error"])[:8]}
        kept = {e.id for e in archive.evaluations if journal.blob(e.id) is not None}
        assert kept == front | best
        assert journal.blob(min(front)) == f"weights {min(front)}".encode()
