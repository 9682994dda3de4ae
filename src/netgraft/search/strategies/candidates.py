"""Candidates that are new and meet the limits, found by sampling and, where limits are tight, by descent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from netgraft.search.evaluation import Evaluation
from netgraft.search.objective import excess
from netgraft.search.parameter import Value
from netgraft.search.space import Genes
from netgraft.search.strategies.strategy import Setup
from netgraft.units import Limit

Key = tuple[tuple[str, Value], ...]

# Samples tried per candidate wanted, and at least; a source that gives fewer per try is given up.
_TRIES = 20
_LEAST_TRIES = 200
_LEAST_RATE = 0.02
# Descent: mutants per step, and steps without progress before it gives up.
_MUTANTS = 16
_PATIENCE = 6
_COSTS_KEPT = 100_000


class Candidates:
    """Remembers what was asked and told, and makes new candidates that meet the limits."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._told: set[Key] = set()
        self._asked: set[Key] = set()
        self._costs: dict[Key, dict[str, float]] = {}

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Note a finished batch; what was asked but not told is free again."""
        self._told.update(key(evaluation.genes) for evaluation in evaluations)
        self._asked.clear()

    def claim(self, genes: Genes) -> None:
        """Note a candidate as asked for."""
        self._asked.add(key(genes))

    def is_new(self, genes: Genes) -> bool:
        """Return whether the candidate was neither told nor asked for in this batch."""
        name = key(genes)
        return name not in self._told and name not in self._asked

    def cost(self, genes: Genes) -> dict[str, float]:
        """Return the problem's cost of a candidate, remembered."""
        name = key(genes)
        if name not in self._costs:
            if len(self._costs) >= _COSTS_KEPT:
                self._costs.clear()
            self._costs[name] = self._setup.problem.cost(genes)
        return self._costs[name]

    def costs(self, candidates: Sequence[Genes]) -> np.ndarray:
        """Return the cheap objectives of candidates, float64 [n, m - 1]."""
        names = self._setup.cheap
        rows = [[self.cost(genes)[name] for name in names] for genes in candidates]
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(names))

    def excess(self, genes: Genes, limits: Sequence[Limit] | None = None) -> float:
        """Return by how much a candidate exceeds limits, those of the setup by default; 0 when it meets them."""
        limits = self._setup.limits if limits is None else limits
        return excess(self.cost(genes), limits) if limits else 0.0

    def distinct(self, candidates: Iterable[Genes]) -> list[Genes]:
        """Return those that are new and meet the limits, each once."""
        found: dict[Key, Genes] = {}
        for genes in candidates:
            if self.is_new(genes) and key(genes) not in found and self.excess(genes) == 0.0:
                found[key(genes)] = genes
        return list(found.values())

    def gather(self, n: int, make: Callable[[], Genes]) -> list[Genes]:
        """Return up to n distinct candidates from a source, tried a bounded number of times."""
        found: dict[Key, Genes] = {}
        for tries in range(max(_LEAST_TRIES, _TRIES * n)):
            if len(found) >= n or len(found) < _LEAST_RATE * (tries - _LEAST_TRIES):
                break
            genes = make()
            if self.is_new(genes) and self.excess(genes) == 0.0:
                found.setdefault(key(genes), genes)
        return list(found.values())

    def fresh(self, n: int, rng: np.random.Generator) -> list[Genes]:
        """Return up to n distinct candidates drawn from the space.

        Where the limits leave too little of the space for sampling, the samples are moved by descent on how much they
        exceed the limits, and the candidates found so are mutated. When none meets the limits, the closest are
        returned.
        """
        space = self._setup.space
        found = self.gather(n, lambda: space.sample(rng))
        if len(found) >= n:
            return found
        samples = sorted((space.sample(rng) for _ in range(4 * _MUTANTS)), key=self.excess)
        ends = [self.descend(genes, rng) for genes in samples[: max(4, min(n, 16))]]
        found = self.distinct([*found, *ends])
        if not found:
            return [] if self._told or any(self.excess(end) == 0.0 for end in ends) else self._closest(ends, rng)

        def near() -> Genes:
            genes = found[int(rng.integers(len(found)))]
            for _ in range(1 + int(rng.integers(4))):
                genes = space.mutate(genes, rng)
            return genes

        return self.distinct([*found, *self.gather(n - len(found), near)])[:n]

    def descend(self, genes: Genes, rng: np.random.Generator, limits: Sequence[Limit] | None = None) -> Genes:
        """Return a candidate that exceeds the limits as little as mutation after mutation can reach."""
        least, misses = self.excess(genes, limits), 0
        while least > 0 and misses < _PATIENCE:
            mutants = [self._setup.space.mutate(genes, rng) for _ in range(_MUTANTS)]
            excesses = [self.excess(mutant, limits) for mutant in mutants]
            if min(excesses) < least:
                least, misses = min(excesses), 0
                genes = mutants[excesses.index(least)]
            else:
                misses += 1
        return genes

    def _closest(self, candidates: Sequence[Genes], rng: np.random.Generator) -> list[Genes]:
        """Return the candidates that exceed the limits least, and those that exceed each one limit least; all new."""
        alone = [self.descend(candidates[0], rng, [limit]) for limit in self._setup.limits]
        return [genes for genes in [*alone, *sorted(candidates, key=self.excess)] if self.is_new(genes)]


def key(genes: Genes) -> Key:
    """Return something hashable that is equal exactly for equal candidates."""
    return tuple(genes.items())
