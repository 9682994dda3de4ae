"""What passes between a search, its strategy and its problem: proposals, requests, outcomes, evaluations."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np

from netgraft.records import canonical_json
from netgraft.search.space import Genes

State = Literal["done", "scored", "rejected", "skipped", "failed"]


@dataclass(frozen=True)
class Proposal:
    """A candidate that a strategy wants evaluated.

    Attributes:
        genes: the candidate.
        parent: the evaluation whose weights it may inherit.
        score: the cheap error estimate that the strategy had for it, if any.
    """

    genes: Genes
    parent: int | None = None
    score: float | None = None


@dataclass(frozen=True)
class Request:
    """A candidate that a problem shall train.

    Attributes:
        id: the number of the evaluation.
        genes: the candidate.
        parent: the evaluation whose weights it may inherit.
    """

    id: int
    genes: Genes
    parent: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a problem returns for one request.

    Attributes:
        state: ``done``; ``skipped`` (not tried, for instance for want of memory); ``failed`` (tried in vain).
        values: the value of each objective, SI; every objective of the run where the state is ``done``.
        reason: why it was skipped or failed.
        details: whatever else is to be kept, as JSON.
        blob: the candidate's weights.
    """

    state: State
    values: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    blob: bytes | None = None


@dataclass(frozen=True)
class Evaluation:
    """What is known about one candidate.

    Attributes:
        id: its number in the search, from 0.
        batch: the batch it belongs to, from 0.
        genes: the candidate.
        state: ``done``; ``scored`` (its values and weights came free, with the problem's first front); ``rejected``
            (exceeds a limit, never trained); ``skipped``; or ``failed``.
        values: the value of each objective, SI.
        reason: why it is not done.
        details: JSON; ``score`` is the strategy's estimate, the rest is the problem's.
        seconds: how long the search had run when it was recorded.
    """

    id: int
    batch: int
    genes: Genes
    state: State
    values: dict[str, float]
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def valued(self) -> bool:
        """Whether it has values and weights, and may be a point of the front."""
        return self.state in ("done", "scored")

    @property
    def trained(self) -> bool:
        """Whether it counts as an evaluation: the candidate was trained, with or without success."""
        return self.state in ("done", "failed")

    def as_json(self) -> tuple[str, str, str]:
        """Return genes, values and details as JSON texts.

        Raises:
            ValueError: a number is not finite.
        """
        return (
            canonical_json(self.genes, indent=None),
            canonical_json(self.values, indent=None),
            canonical_json(self.details, indent=None),
        )

    def plain(self) -> Evaluation:
        """Return the evaluation as a journal gives it back: tuples are lists, keys text, NaN and infinities null."""
        genes, values, details = map(json.loads, replace(self, details=_finite(self.details)).as_json())
        return replace(self, genes=genes, values=values, details=details)


class Problem(Protocol):
    """What a search knows of the thing it searches."""

    def cost(self, genes: Genes) -> dict[str, float]:
        """Return every objective but the error, exact or modelled, without training."""
        ...

    def score(self, candidates: Sequence[Genes]) -> np.ndarray:
        """Return a cheap estimate of each candidate's error [n]; called with thousands at a time."""
        ...

    def refine(self, requests: Sequence[Request]) -> list[Outcome]:
        """Train the candidates together and return an outcome for each, in the same order."""
        ...

    def starts(self) -> list[Genes]:
        """Return hand-made candidates for the first batch, best first; may be empty."""
        ...


def _finite(value: Any) -> Any:
    """Return JSON with null for each number that is not finite, which JSON cannot hold."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
