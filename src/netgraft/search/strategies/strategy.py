"""What a strategy is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from netgraft.search.evaluation import Evaluation, Problem, Proposal
from netgraft.search.objective import Objective
from netgraft.search.space import Genes, Space
from netgraft.units import Limit


class Strategy(Protocol):
    """Decides which candidates are evaluated next.

    Its state follows from what it was told alone, and its randomness from the seed, the number of batches told and the
    number of asks since; so after the same tells it asks for the same candidates.

    Attributes:
        scored: the cheap estimates it has asked the problem for since it was made.
    """

    scored: int

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n distinct candidates that were neither told nor asked for in this batch.

        They meet the limits, unless none that does can be found: then the closest ones, be they more than n, so that
        the caller can say how close. Empty when the space is exhausted.
        """
        ...

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Take in a whole batch, whatever the states of its evaluations."""
        ...


@dataclass(frozen=True)
class Setup:
    """What a strategy is given.

    Attributes:
        space: the candidates.
        problem: gives costs, scores and starts; a strategy never trains.
        objectives: what counts, error first.
        limits: hard bounds.
        seed: where the randomness comes from.
        unscored: the genes that the problem's score does not depend on (how to train, not what); they are taken from
            good candidates rather than left to chance.
        bounds: the smallest and largest value of an objective over the space, where known; observed otherwise.
        continued: gives the genes under which a trained candidate is trained on from its own weights, or None when that
            is not worth it.
        varied: returns the genes under which a candidate with weights is trained on in another way, or None.
    """

    space: Space
    problem: Problem
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...] = ()
    seed: int = 0
    unscored: frozenset[str] = frozenset()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    continued: Callable[[Genes], Genes | None] | None = None
    varied: Callable[[Genes], Genes | None] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the objectives."""
        return tuple(objective.name for objective in self.objectives)

    @property
    def cheap(self) -> tuple[str, ...]:
        """The names of the objectives that need no training."""
        return tuple(name for name in self.names if name != "error")
