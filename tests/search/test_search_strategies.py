"""The conformance suite that every strategy runs, and what makes each of them worth having."""

from __future__ import annotations

import math

import numpy as np
import pytest
from search_planted import SPACE, UNSCORED, Planted, search, true_error

from netgraft.errors import SettingError
from netgraft.search import STRATEGIES, Evaluation, Journal, Proposal, Setup, Strategy, objectives_named, strategy_named
from netgraft.search.strategies.acquisition import attained, choose, expected_improvement, places, reaches
from netgraft.search.strategies.surrogate import Surrogate
from netgraft.units import Limit

every_strategy = pytest.mark.parametrize("name", sorted(STRATEGIES))


def made(name: str, seed: int = 0, limits: tuple[Limit, ...] = (), problem: Planted | None = None) -> Strategy:
    return strategy_named(
        name, Setup(SPACE, problem or Planted(), objectives_named(("error", "size")), limits, seed, UNSCORED)
    )


def results(proposals: list[Proposal], batch: int, first: int) -> list[Evaluation]:
    problem = Planted()
    return [
        Evaluation(first + i, batch, p.genes, "done", {"error": true_error(p.genes), **problem.cost(p.genes)})
        for i, p in enumerate(proposals)
    ]


@every_strategy
def test_proposals_are_in_the_space_within_the_limits_and_distinct(name: str) -> None:
    limits = (Limit("size", 20_000.0),)
    strategy, problem, seen, told = made(name, limits=limits), Planted(), set(), 0
    for batch in range(5):
        proposals = strategy.ask(12) + strategy.ask(5)
        assert len(proposals) == 17
        for proposal in proposals:
            assert SPACE.contains(proposal.genes)
            assert problem.cost(proposal.genes)["size"] <= 20_000
            assert proposal.parent is None or 0 <= proposal.parent < told
            assert proposal.score is None or math.isfinite(proposal.score)
            seen.add(tuple(proposal.genes.items()))
        assert len(seen) == 17 * (batch + 1)
        strategy.tell(results(proposals, batch, told))
        told += 17


@every_strategy
def test_the_same_tells_lead_to_the_same_asks(name: str) -> None:
    steady, replayed = made(name), made(name)
    told = 0
    for batch in range(4):
        found = results(steady.ask(16), batch, told)
        steady.tell(found)
        # the other one is told without having been asked, as in a replay
        replayed.tell(found)
        told += 16
    assert replayed.ask(16) == steady.ask(16)
    assert replayed.ask(4) == steady.ask(4)


@every_strategy
def test_another_seed_leads_to_other_candidates(name: str) -> None:
    assert made(name, 0, problem=Planted(starts=False)).ask(8) != made(name, 1, problem=Planted(starts=False)).ask(8)


@every_strategy
def test_any_outcome_can_be_told(name: str) -> None:
    strategy = made(name)
    for batch, state in enumerate(("failed", "rejected", "skipped")):
        proposals = strategy.ask(8)
        strategy.tell([Evaluation(8 * batch + i, batch, p.genes, state, {}, "why") for i, p in enumerate(proposals)])
    strategy.tell([])
    assert len(strategy.ask(8)) == 8


@every_strategy
def test_asking_for_nothing_gives_nothing(name: str) -> None:
    assert made(name).ask(0) == []


@every_strategy
@pytest.mark.parametrize("objectives", [("error",), ("error", "latency"), ("error", "size", "memory", "energy")])
def test_one_to_four_objectives(name: str, objectives: tuple[str, ...]) -> None:
    archive = search(name, Planted(), objectives=objectives, evaluations=64)
    assert archive.trained == 64
    assert archive.front(objectives_named(objectives))


def test_an_unknown_strategy_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingError) as raised:
        made("nestd")
    assert (
        str(raised.value) == "a strategy must be one of evolution, nested, random, got 'nestd'; the nearest is 'nested'"
    )


def test_nested_beats_evolution_and_evolution_beats_random() -> None:
    volumes = {
        name: [
            search(name, Planted(seed), seed=seed, evaluations=160, batch_size=32).history[-1]["hypervolume"]
            for seed in range(5)
        ]
        for name in STRATEGIES
    }
    assert np.median(volumes["nested"]) > np.median(volumes["evolution"]) + 0.01
    assert np.median(volumes["evolution"]) > np.median(volumes["random"]) + 0.005
    assert min(volumes["nested"]) > max(volumes["random"])


def test_nested_reaches_with_its_first_batch_what_random_does_not_reach_in_five() -> None:
    first = search("nested", Planted(), evaluations=32, batch_size=32).history[-1]["hypervolume"]
    assert first > search("random", Planted(), evaluations=160, batch_size=32).history[-1]["hypervolume"]


def test_nested_improves_on_its_first_batch_and_survives_a_useless_score() -> None:
    class Blind(Planted):
        def score(self, candidates: object) -> np.ndarray:
            return np.full(len(candidates), np.nan)  # type: ignore[arg-type]

    history = search("nested", Blind(starts=False), evaluations=160, batch_size=32).history
    assert history[-1]["hypervolume"] > history[0]["hypervolume"] + 0.02
    random = search("random", Planted(), evaluations=160, batch_size=32).history
    assert history[-1]["hypervolume"] > random[-1]["hypervolume"]


def test_nested_begins_with_the_hand_made_candidates_and_their_way_of_training() -> None:
    problem = Planted()
    strategy = made("nested", problem=problem)
    proposals = strategy.ask(16)
    assert [proposal.genes for proposal in proposals[:4]] == problem.starts()
    assert all(proposal.genes["learning_rate"] == 2e-3 for proposal in proposals)
    assert strategy.scored > 1000
    assert all(proposal.score is not None for proposal in proposals)


def test_nested_makes_hand_made_candidates_smaller_where_limits_ask_for_it() -> None:
    problem = Planted()
    proposals = made("nested", limits=(Limit("size", 2000.0),), problem=problem).ask(16)
    assert len(proposals) == 16
    assert all(problem.cost(proposal.genes)["size"] <= 2000 for proposal in proposals)


def test_the_first_batch_covers_the_range_of_sizes() -> None:
    problem = Planted()
    sizes = np.sort([problem.cost(p.genes)["size"] for p in made("nested", problem=problem).ask(32)])
    assert sizes[0] < 400
    assert sizes[-1] > 50_000
    assert np.diff(np.log10(sizes)).max() < 0.6


@pytest.mark.parametrize("name", ["nested", "evolution"])
def test_children_name_their_parent(name: str) -> None:
    with Journal.temporary() as journal:
        problem = Planted()
        search(name, problem, journal, evaluations=96, batch_size=32)
    parents = [request.parent for request in problem.refined]
    assert parents[:32] == [None] * 32
    assert sum(parent is not None for parent in parents[32:]) > 40


def test_the_surrogate_learns_what_the_score_misses() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((160, 12))
    scores = 0.3 * features[:, 0]
    errors = 0.1 + scores + 0.2 * (features[:, 1] - 0.4) ** 2 + 0.002 * rng.standard_normal(160)
    errors[features[:, 2] > 0.95] = 5.0  # diverged
    model = Surrogate(features[:120], scores[:120], errors[:120])
    mean, deviation = model.predict(features[120:], scores[120:])
    usual = errors[120:] < 1.0
    off = np.abs(mean - errors[120:])[usual]
    assert np.median(off) < 0.01
    assert np.all(deviation > 0)
    again = Surrogate(features[:120], scores[:120], errors[:120]).predict(features[120:], scores[120:])
    assert np.array_equal(mean, again[0])


def test_the_surrogate_works_with_one_point_equal_points_and_many() -> None:
    for n in (1, 2, 400):
        ones = np.ones((n, 3))
        mean, deviation = Surrogate(ones, np.ones(n), np.full(n, 0.25)).predict(np.zeros((2, 3)), np.ones(2))
        assert np.all(np.isfinite(mean))
        assert np.all(deviation > 0)
        assert mean == pytest.approx(0.25, abs=0.05)


def test_expected_improvement_equals_the_average_of_draws() -> None:
    draws = 0.3 + 0.1 * np.random.default_rng(0).standard_normal(200_000)
    expected = expected_improvement(np.array(0.25), np.array(0.3), np.array(0.1))
    assert float(expected) == pytest.approx(np.maximum(0.25 - draws, 0).mean(), rel=0.02)


@pytest.mark.parametrize("dimensions", [0, 1, 2, 3])
def test_the_attained_errors_give_the_hypervolume(dimensions: int) -> None:
    from netgraft.search import hypervolume

    rng = np.random.default_rng(dimensions)
    cheap, errors = rng.random((20, dimensions)), rng.random(20)
    where = places(dimensions)
    level = attained(errors, reaches(cheap, where), 1.0)
    exact = hypervolume(np.column_stack([errors, cheap]), [1.0] * (dimensions + 1))
    assert (1.0 - level).mean() == pytest.approx(exact, abs=0.03)
    assert attained(np.zeros(0), np.zeros((0, len(where)), dtype=bool), 1.0).tolist() == [1.0] * len(where)


def test_chosen_candidates_do_not_crowd_in_one_place() -> None:
    # the first two promise the same gain at the same place, the third less at another one
    mean, deviation = np.array([0.2, 0.2001, 0.4]), np.full(3, 1e-3)
    where = places(1)
    reached = reaches(np.array([[0.5], [0.5], [0.1]]), where)
    level = np.where(where[:, 0] > 0.5, 0.9, 0.6)
    free = np.ones(3, dtype=bool)
    assert choose(2, mean, deviation, reached, level, free) == [0, 2]
    assert free.tolist() == [False, True, False]
    assert choose(5, mean, deviation, reached, level, free) == [1]
