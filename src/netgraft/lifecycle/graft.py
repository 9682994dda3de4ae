"""Grafting: a task that starts from earlier models, and the guard that keeps it from being worse than without them.

The nearest source gives its root. Several ways to carry it over are trained side by side with a cold start for a few
seconds: all of it fine-tuned, held to the source (L2-SP), with its lower layers frozen, and, where the source kept
rows, on source and target rows mixed, from a fresh root (instance transfer) and from the source's (integrated), and
from one root grown on the rows of all sources (generalist). Further, the sources' outputs are features of a linear
model and of trees, and their rows are pooled with the target's. All are judged on held-out rows of the target: repeated
splits that follow its groups. When the mixture of all is not clearly better than that of those that use no source, the
sources are refused and the search goes on as if there had been no library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import TransferError
from netgraft.lifecycle.learners import Learner
from netgraft.lifecycle.prepare import Prepared, with_encoding
from netgraft.lifecycle.roots import COLD, Roots, TrainedRoot, rows_of
from netgraft.lifecycle.teacher import FromSources, mixture
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import softmax
from netgraft.transfer.align import (
    Alignment,
    align,
    aligned_basis,
)
from netgraft.transfer.guard import Candidate, Verdict, judge
from netgraft.transfer.source import Source

# Share of the time for a graft that the teacher may take.
_TEACHER_SHARE = 0.6


@dataclass(frozen=True)
class Graft:
    """What a task starts from.

    Attributes:
        prepared: what candidates share, columns read as the source reads them; with its teacher.
        trained: the root that candidates are scored by and start from, or None where no source has one.
        archives: what each source tried, the least error first: ``genes``, ``error``, ``size``.
        cold: a root of the same size that starts from nothing, beside which it was trained.
    """

    prepared: Prepared
    trained: TrainedRoot | None
    archives: tuple[tuple[dict[str, Any], ...], ...]
    cold: TrainedRoot | None

    @property
    def curve(self) -> dict[str, list[list[float]]]:
        """Return how the errors of the chosen root and of the cold one fell while they were trained, for the report."""
        if self.trained is None or self.cold is None:
            return {}
        return {"with": self.trained.curve, "cold": self.cold.curve}

    @property
    def mode(self) -> str:
        """Return what of the source's root is kept.

        It is ``model``, ``held``, ``feature``, ``instance``, ``integrated`` or ``generalist``, or ``cold`` when only
        the teacher uses sources.
        """
        return COLD if self.trained is None or not self.trained.learner.uses_source else self.trained.name


@dataclass(frozen=True)
class Offer:
    """What sources offer a task, before anything is decided.

    Attributes:
        prepared: what candidates share, columns read as the nearest source with a root reads them.
        main, alignment: that source and how the columns correspond.
        sources: all that share a column, the main one first.
    """

    prepared: Prepared
    main: Source
    alignment: Alignment
    sources: tuple[Source, ...]


def offer_of(prepared: Prepared, sources: Sequence[Source]) -> Offer | Verdict:
    """Return what sources offer a task, or a refusal when none can serve.

    Args:
        prepared: the task on its own.
        sources: the nearest first; the first with a root and a shared column gives it.
    """
    usable, refused = _usable(prepared, sources)
    if not usable:
        return Verdict("refused", "; ".join(refused) or "there is no source", ())
    main, alignment = usable[0]
    theirs = _by_source(with_encoding(prepared, alignment.encoding), main, alignment)
    return Offer(theirs, main, alignment, tuple(source for source, _ in usable))


def decided(offer: Offer, *, seconds: float | None, is_settled: bool = False) -> tuple[Graft | None, Verdict]:
    """Return what the task starts from, or None when the sources are refused, and why.

    Args:
        offer: the sources'.
        seconds: what it may take, or None.
        is_settled: whether the sources were accepted before, and are now whatever the guard says.
    """
    theirs, main, kept = offer.prepared, offer.main, offer.sources
    roots = [] if main.root is None else Roots(theirs, main, offer.alignment, kept, seconds).trained()
    trained = [each for each in roots if each.learner.is_finite]
    rows = rows_of(kept, theirs)
    from_sources = FromSources(
        tuple(source.answer(offer.alignment.encoding) for source in kept),
        rows,
        tuple(each.learner for each in trained),
    )
    theirs = replace(theirs, sources=from_sources, teacher_s=None if seconds is None else _TEACHER_SHARE * seconds)
    verdict = _judged(theirs)
    if verdict.decision == "refused" and not is_settled:
        return None, verdict
    best = min(trained, key=lambda each: each.learner.error, default=None)
    cold_root = next((each for each in trained if each.name == COLD), None)
    return Graft(theirs, best, tuple(source.tried for source in kept), cold_root), verdict


def _by_source(prepared: Prepared, source: Source, alignment: Alignment) -> Prepared:
    """Return what is shared, with the bins of a source's root for the columns that are matched; tree bins stay."""
    kind = "linear" if source.root is None else source.root.basis.kind
    if source.root is None or not source.root.basis.edges or kind not in prepared.bases:
        return prepared  # one of the two has no bins
    basis = aligned_basis(source.root.basis, prepared.bases[kind], alignment)
    return replace(prepared, bases=prepared.bases | {kind: basis})


def _judged(prepared: Prepared) -> Verdict:
    """Return what the guard decides on the mixture of all learners and that of those without a source."""
    learners = prepared.teacher.learners
    cold = [each for each in learners if not each.uses_source]
    return judge(
        _candidate(prepared, "mixture with sources", _mixed(prepared, learners, prepared.teacher.weights), True),
        _candidate(prepared, "mixture without", _mixed(prepared, cold, mixture(prepared.data, cold)), False),
        [_candidate(prepared, x.name, _mixed(prepared, [x], [1.0]), x.uses_source) for x in learners],
    )


def _mixed(prepared: Prepared, learners: Sequence[Learner], weights: Sequence[float] | FloatArray) -> FloatArray:
    """Return the mixed outputs of learners on the validation rows: standardised target or probabilities [n, c]."""
    outputs = [softmax(each.outputs) if prepared.data.is_classification else each.outputs for each in learners]
    return np.asarray(sum(w * o for w, o in zip(weights, outputs, strict=True)), np.float32)


def _candidate(prepared: Prepared, name: str, mixed: FloatArray, uses_source: bool) -> Candidate:
    """Return outputs on the validation rows as the guard sees them."""
    error = prepared.data.error(mixed, prepared.validation_rows)
    return Candidate(name, error, uses_source, _losses(prepared, mixed))


def _losses(prepared: Prepared, mixed: FloatArray) -> NDArray[np.float64]:
    """Return squared errors of the standardised target, or log losses, of mixed outputs on the validation rows.

    They are float64 [n], times the row's weight over the mean weight where rows have weights.
    """
    data, rows = prepared.data, prepared.validation_rows
    target = data.target[rows]
    if data.is_classification:
        losses = -np.log(np.maximum(mixed[np.arange(len(target)), target.astype(np.int64)].astype(np.float64), 1e-6))
    else:
        losses = (mixed[:, 0].astype(np.float64) - target) ** 2
    if data.row_weights is None or not data.row_weights[rows].any():
        return losses
    return np.asarray(losses * (data.row_weights[rows] / data.row_weights[rows].mean(dtype=np.float64)), np.float64)


def _usable(prepared: Prepared, sources: Sequence[Source]) -> tuple[list[tuple[Source, Alignment]], list[str]]:
    """Return the sources that share a column, that which gives its root first, and why others cannot serve."""
    found, refused = [], []
    for source in sources:
        if source.model.output.kind != prepared.output.kind:
            refused.append(f"{source.name} is of a {source.model.output.kind}, the table of a {prepared.output.kind}")
            continue
        try:
            found.append((_carriable(source), align(source.model.encoding, prepared.encoding)))
        except TransferError as error:
            refused.append(f"{source.name}: {error}")
    found.sort(key=lambda pair: pair[0].root is None)  # stable: the nearest with a root first
    return found, refused


def _carriable(source: Source) -> Source:
    """Return the source, without its root where that reads numbers by no bins, whose edges can be moved."""
    is_moved = source.root is None or source.root.basis.edges or not source.root.recipe.architecture.numeric
    return source if is_moved else replace(source, root=None)
