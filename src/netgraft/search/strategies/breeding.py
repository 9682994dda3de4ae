"""New candidates from good ones: which parents, and what is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netgraft.search.archive import values_matrix
from netgraft.search.evaluation import Evaluation
from netgraft.search.front import non_dominated
from netgraft.search.space import Genes
from netgraft.search.strategies.candidates import Candidates, Key, key
from netgraft.search.strategies.scale import CheapScale
from netgraft.search.strategies.strategy import Setup

# Shares of the offspring: children of the candidates with the least error, children of two parents, immigrants.
_BEST_SHARE = 0.3
_BEST = 4
_CROSSED_SHARE = 0.35
_IMMIGRANT_SHARE = 0.1
_MORE_MUTATION = 0.35
# The width of the kernel that says how dense the front is, on the unit scale of the costs.
_DENSITY_WIDTH = 0.05


@dataclass(frozen=True)
class Child:
    """A candidate and the evaluation whose weights it may inherit."""

    genes: Genes
    parent: int | None


class Breeder:
    """Makes distinct new candidates that meet the limits."""

    def __init__(self, setup: Setup, candidates: Candidates, rng: np.random.Generator) -> None:
        self._setup = setup
        self._candidates = candidates
        self._rng = rng

    def descendants(self, ancestors: Sequence[Genes], count: int) -> list[Genes]:
        """Return up to `count` candidates a few mutations away from ancestors; none without ancestors."""
        if not ancestors:
            return []

        def descendant() -> Genes:
            return self._mutated(ancestors[int(self._rng.integers(len(ancestors)))])

        return self._candidates.gather(count, descendant)

    def settled(self, genes: Genes, donors: Sequence[Genes]) -> Genes:
        """Return the candidate with the genes that the score does not see taken from the most similar donor."""
        if not donors or not self._setup.unscored:
            return genes
        codes = self._setup.space.encode([genes, *donors])
        nearest = donors[int(np.argmin(np.abs(codes[1:] - codes[0]).sum(axis=1)))]
        return self._with_unscored(genes, nearest)

    def continued(self, done: Sequence[Evaluation], count: int) -> list[Child]:
        """Return up to `count` members of the front to train on from their own weights, that of least error first."""
        if self._setup.continued is None or count < 1 or not done:
            return []
        front, _ = self._front(done)
        best = min(front, key=lambda evaluation: (evaluation.values["error"], evaluation.id))
        others = [front[int(i)] for i in self._rng.permutation(len(front)) if front[int(i)] is not best]
        found: list[Child] = []
        for evaluation in [best, *others]:
            genes = self._setup.continued(evaluation.genes)
            if genes is not None and self._setup.space.contains(genes) and self._candidates.is_new(genes):
                found.append(Child(genes, evaluation.id))
            if len(found) == count:
                break
        return found

    def offspring(self, done: Sequence[Evaluation], count: int) -> list[Child]:
        """Return up to `count` children of the front and of the candidates with the least error."""
        front, weights = self._front(done)
        best = sorted(done, key=lambda evaluation: (evaluation.values["error"], evaluation.id))[:_BEST]
        parents: dict[Key, int | None] = {}

        def child() -> Genes:
            made = self._child(front, weights, best)
            parents.setdefault(key(made.genes), made.parent)
            return made.genes

        return [Child(genes, parents[key(genes)]) for genes in self._candidates.gather(count, child)]

    def _front(self, done: Sequence[Evaluation]) -> tuple[list[Evaluation], np.ndarray]:
        """Return the front and how likely each of it becomes a parent: inverse to its density in the costs."""
        front = [e for e, good in zip(done, non_dominated(values_matrix(done, self._setup.names)), strict=True) if good]
        costs = values_matrix(front, self._setup.cheap)
        scaled = CheapScale(self._setup, costs)(costs)
        gaps = ((scaled[:, None, :] - scaled[None, :, :]) ** 2).sum(axis=2)
        weights = 1.0 / np.exp(-gaps / (2 * _DENSITY_WIDTH**2)).sum(axis=1)
        return front, np.cumsum(weights / weights.sum())

    def _child(self, front: Sequence[Evaluation], weights: np.ndarray, best: Sequence[Evaluation]) -> Child:
        rng, space = self._rng, self._setup.space
        parent = best[int(rng.integers(len(best)))] if rng.random() < _BEST_SHARE else _drawn(front, weights, rng)
        kind = rng.random()
        if kind < _IMMIGRANT_SHARE:
            return Child(self._with_unscored(space.sample(rng), parent.genes), None)
        if kind < _IMMIGRANT_SHARE + _CROSSED_SHARE:
            crossed = space.cross(parent.genes, _drawn(front, weights, rng).genes, rng)
            return Child(self._mutated(crossed) if rng.random() < 0.5 else crossed, parent.id)
        return Child(self._mutated(parent.genes), parent.id)

    def _mutated(self, genes: Genes) -> Genes:
        """Return the genes after one or more mutations."""
        genes = self._setup.space.mutate(genes, self._rng)
        while self._rng.random() < _MORE_MUTATION:
            genes = self._setup.space.mutate(genes, self._rng)
        return genes

    def _with_unscored(self, genes: Genes, donor: Genes) -> Genes:
        """Return the genes with the donor's values where the score does not see them."""
        shared = {name: donor[name] for name in genes if name in self._setup.unscored and name in donor}
        mixed = {**genes, **shared}
        return mixed if self._setup.space.contains(mixed) else genes


def _drawn(front: Sequence[Evaluation], weights: np.ndarray, rng: np.random.Generator) -> Evaluation:
    """Return one of the front by its cumulative weights."""
    return front[min(int(np.searchsorted(weights, rng.random())), len(front) - 1)]
