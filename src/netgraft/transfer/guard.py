"""The guard: sources are used only when what uses them is better on held-out rows of the target than all that does not.

Negative transfer, a start that makes the result worse than none, is common between network domains (Wang et al. 2019,
"Characterizing and Avoiding Negative Transfer", define it by this comparison). The rows that judge come from repeated
splits that follow the target's groups. What is compared is what a search goes on with: the mixture of all learners and
the mixture of those that use no source. The rows are few, so the gain must exceed its own standard error, and 2 % of
the loss: with more learners one is a little better by chance. Nor may the error be larger, where that is not the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_STANDARD_ERRORS = 1.0
_LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Candidate:
    """One way to learn the target.

    Attributes:
        name: unique.
        error: on held-out rows.
        uses_source: whether it would be another without the sources.
        losses: of each held-out row [n], the same rows for all candidates.
    """

    name: str
    error: float
    uses_source: bool
    losses: NDArray[np.floating[Any]] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Verdict:
    """What the guard decided.

    Attributes:
        decision: ``accepted`` or ``refused``.
        reason: in words.
        candidates: all that were compared, the best first.
    """

    decision: Literal["accepted", "refused"]
    reason: str
    candidates: tuple[Candidate, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as in ``front.json``."""
        return {
            "decision": self.decision,
            "reason": self.reason,
            "candidates": [{"name": c.name, "error": c.error, "source": c.uses_source} for c in self.candidates],
        }


def judge(ours: Candidate, cold: Candidate, others: Sequence[Candidate] = ()) -> Verdict:
    """Return whether sources are used.

    Args:
        ours: the best use of sources and everything else together.
        cold: the best without sources.
        others: further candidates that are told of.
    """
    ordered = tuple(sorted([ours, cold, *others], key=lambda c: (c.error, c.uses_source, c.name)))
    told = f"{ours.name} {ours.error:.4f}, {cold.name} {cold.error:.4f}"
    gains = np.asarray(cold.losses, np.float64) - ours.losses
    if not gains.mean() > _LEAST_SHARE * np.mean(cold.losses):  # also where it is no number
        return Verdict("refused", f"sources hardly help on held-out rows; errors: {told}", ordered)
    if ours.error > cold.error:
        return Verdict("refused", f"sources lower the loss on held-out rows, but not the error: {told}", ordered)
    if gains.mean() < _STANDARD_ERRORS * gains.std() / np.sqrt(len(gains)):
        return Verdict(
            "refused", f"the gain is within the noise of {len(gains)} held-out rows; errors: {told}", ordered
        )
    return Verdict("accepted", f"sources help on held-out rows; errors: {told}", ordered)
