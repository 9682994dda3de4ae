"""NSGA-II (Deb et al. 2002) over the mixed space: mu + lambda, rank and crowding tournaments.

Left out: simulated binary crossover and polynomial mutation, whose place is taken by the space's own operators; and
duplicates, which are never asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netgraft.search.archive import values_matrix
from netgraft.search.evaluation import Evaluation, Proposal
from netgraft.search.front import crowding, ranks
from netgraft.search.space import Genes
from netgraft.search.strategies.candidates import Candidates, Key, key
from netgraft.search.strategies.strategy import Setup
from netgraft.seeds import generator

_POPULATION = 32
_CROSSOVER_SHARE = 0.9
_MUTATION_SHARE = 0.7


class Evolution:
    """Keeps a population of good and lonely candidates and breeds from it."""

    def __init__(self, setup: Setup) -> None:
        self.scored = 0
        self._setup = setup
        self._candidates = Candidates(setup)
        self._population: list[Evaluation] = []
        self._batch = 0
        self._asks = 0

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n children of the population; random candidates until the population is full."""
        rng = generator(self._setup.seed, "strategy", self._batch, self._asks)
        self._asks += 1
        proposals: list[Proposal] = []
        if len(self._population) >= _POPULATION:
            parents: dict[Key, int] = {}

            def child() -> Genes:
                genes, parent = self._child(rng)
                parents.setdefault(key(genes), parent)
                return genes

            proposals = [Proposal(genes, parents[key(genes)]) for genes in self._candidates.gather(n, child)]
        for proposal in proposals:
            self._candidates.claim(proposal.genes)
        drawn = self._candidates.fresh(n - len(proposals), rng) if len(proposals) < n else []
        for genes in drawn:
            self._candidates.claim(genes)
        return [*proposals, *(Proposal(genes) for genes in drawn)]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Let the new candidates compete with the population."""
        self._candidates.tell(evaluations)
        done = [evaluation for evaluation in evaluations if evaluation.state == "done"]
        self._population = select(self._population + done, self._setup.names, _POPULATION)
        self._batch += 1
        self._asks = 0

    def _child(self, rng: np.random.Generator) -> tuple[Genes, int]:
        """Return a child of two tournaments' winners and the first of them."""
        first, second = self._winner(rng), self._winner(rng)
        genes = first.genes
        if rng.random() < _CROSSOVER_SHARE:
            genes = self._setup.space.cross(first.genes, second.genes, rng)
        if genes == first.genes or rng.random() < _MUTATION_SHARE:
            genes = self._setup.space.mutate(genes, rng)
        return genes, first.id

    def _winner(self, rng: np.random.Generator) -> Evaluation:
        """Return the better of two; the population is sorted, best first."""
        return self._population[int(rng.integers(len(self._population), size=2).min())]


def select(evaluations: Sequence[Evaluation], names: Sequence[str], count: int) -> list[Evaluation]:
    """Return the best candidates, best first: lower fronts first, lonely ones first within a front."""
    if not evaluations:
        return []
    points = values_matrix(evaluations, names)
    front = ranks(points)
    lonely = np.zeros(len(points))
    for rank in np.unique(front):
        lonely[front == rank] = crowding(points[front == rank])
    order = np.lexsort((np.arange(len(points)), -lonely, front))
    return [evaluations[int(index)] for index in order[:count]]
