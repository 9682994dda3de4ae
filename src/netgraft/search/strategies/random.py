"""Random search: distinct candidates that meet the limits, each gene drawn on its own."""

from __future__ import annotations

from collections.abc import Sequence

from netgraft.search.evaluation import Evaluation, Proposal
from netgraft.search.strategies.candidates import Candidates
from netgraft.search.strategies.strategy import Setup
from netgraft.seeds import generator


class RandomSearch:
    """Learns nothing; what every other strategy must beat."""

    def __init__(self, setup: Setup) -> None:
        self.scored = 0
        self._setup = setup
        self._candidates = Candidates(setup)
        self._batch = 0
        self._asks = 0

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n random candidates."""
        rng = generator(self._setup.seed, "strategy", self._batch, self._asks)
        self._asks += 1
        genes = self._candidates.fresh(n, rng)
        for chosen in genes:
            self._candidates.claim(chosen)
        return [Proposal(chosen) for chosen in genes]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Note what need not be asked again."""
        self._candidates.tell(evaluations)
        self._batch += 1
        self._asks = 0
