"""The search itself: ask a strategy, reject by limits, train, write to the journal, tell the strategy, again.

Rules the module keeps: a batch is in the journal before the next begins; a batch that is in the journal is replayed,
not trained; nothing that a strategy is told depends on the clock, so with a number of evaluations and a seed a search
that was killed and resumed ends with the same archive as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from netgraft.errors import LimitError
from netgraft.search.archive import Archive, BatchReport
from netgraft.search.evaluation import Evaluation, Outcome, Problem, Proposal, Request
from netgraft.search.journal import Journal
from netgraft.search.objective import Objective, unmet_text, violated
from netgraft.search.space import Genes
from netgraft.search.strategies import Strategy
from netgraft.units import Limit

# A strategy is asked at most this often for one batch when limits reject some of what it proposes, or all of it.
_ASKS = 8
_VAIN_ASKS = 2
# The search ends after this many batches in a row in which nothing could be trained.
_BARREN_BATCHES = 8


def drive(
    problem: Problem,
    strategy: Strategy,
    journal: Journal,
    *,
    objectives: Sequence[Objective],
    limits: Sequence[Limit] = (),
    batch_size: int,
    evaluations: int | None,
    deadline: Callable[[], float],
    elapsed: Callable[[], float],
    space_bytes: tuple[float, float],
    on_batch: Callable[[BatchReport], None] | None = None,
    free: Callable[[Archive], Sequence[tuple[Genes, Outcome]]] | None = None,
    whole: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Archive:
    """Search until the evaluations or the time are used up, the space is exhausted, or the user interrupts.

    Args:
        problem: what is searched.
        strategy: fresh; recorded batches are told to it first.
        journal: holds the batches so far and gets the new ones.
        objectives: what counts; the problem's outcomes must have a value for each, and for error and size.
        limits: hard bounds; a candidate that exceeds one is rejected before any training.
        batch_size: candidates trained together.
        evaluations: candidates to train in all, or None.
        deadline: the seconds left, infinite without a time limit; one batch is trained whatever it says.
        elapsed: the seconds the search has run, those before it was resumed included.
        space_bytes: the size of the smallest and of the largest candidate of the space.
        on_batch: called after each batch, replayed ones included.
        free: asked before each batch for candidates that have values and weights without being trained; if there are
            any, they are recorded as a batch of their own, in the state ``scored``, and count as no evaluation.
        whole: postpones interrupts while a batch is recorded, so that journal and archive stay of one mind.

    Returns:
        the archive; `interrupted` is set when the user stopped it (KeyboardInterrupt).

    Raises:
        LimitError: no candidate meets the limits.
        OutputError: the journal cannot be written.
        JournalError: the journal is damaged.
    """
    archive = Archive(space_bytes)
    tell = _Telling(strategy, archive, on_batch)
    barren = 0

    def record(found: Sequence[Evaluation], blobs: Mapping[int, bytes | None], scored: int) -> None:
        """Write a batch to the journal, then tell all who want to know of it."""
        batch, seconds = len(archive.history), elapsed()
        found = [replace(item, batch=batch, seconds=seconds).plain() for item in found]
        keep = replace(archive, evaluations=[*archive.evaluations, *found]).needed(objectives, limits)
        held = {number: blob for number, blob in blobs.items() if blob is not None}
        with whole():
            journal.write_batch(batch, found, held, keep, seconds=seconds, scored=scored)
            tell(found, seconds=seconds, scored=scored, replayed=False)

    try:
        for batch in journal.batches():
            tell(batch.evaluations, seconds=batch.seconds, scored=batch.scored, replayed=True)
        while barren < _BARREN_BATCHES and (archive.trained == 0 or deadline() > 0):
            if given := free(archive) if free is not None else ():
                start = len(archive.evaluations)
                found = [
                    _evaluated(objectives, Proposal(genes), Request(start + i, genes), outcome)
                    for i, (genes, outcome) in enumerate(given)
                ]
                record(found, {start + i: outcome.blob for i, (_, outcome) in enumerate(given)}, 0)
                continue
            scored = strategy.scored
            accepted, rejected = _propose(strategy, problem, limits, _next_count(archive, batch_size, evaluations))
            if rejected and not accepted and not archive.trained:
                raise LimitError(unmet_text(limits, (problem.cost(proposal.genes) for proposal, _ in rejected)))
            if not accepted:
                break
            start = len(archive.evaluations)
            requests = [Request(start + i, item.genes, item.parent) for i, item in enumerate(accepted)]
            outcomes = problem.refine(requests)
            found = [
                *map(partial(_evaluated, objectives), accepted, requests, outcomes),
                *(_rejected(item, start + len(accepted) + i) for i, item in enumerate(rejected)),
            ]
            blobs = {r.id: o.blob for r, o in zip(requests, outcomes, strict=True)}
            record(found, blobs, strategy.scored - scored)
            barren = 0 if any(item.trained for item in found) else barren + 1
    except KeyboardInterrupt:
        archive.interrupted = True
    return archive


class _Telling:
    """Passes a recorded batch on to all who want to know of it."""

    def __init__(self, strategy: Strategy, archive: Archive, on_batch: Callable[[BatchReport], None] | None) -> None:
        self._strategy, self._archive, self._on_batch = strategy, archive, on_batch

    def __call__(self, evaluations: Sequence[Evaluation], *, seconds: float, scored: int, replayed: bool) -> None:
        report = self._archive.add(evaluations, seconds=seconds, scored=scored, replayed=replayed)
        self._strategy.tell(evaluations)
        if self._on_batch is not None:
            self._on_batch(report)


def _next_count(archive: Archive, batch_size: int, evaluations: int | None) -> int:
    """Return how many candidates the next batch has; the last batch fits exactly."""
    if evaluations is None:
        return batch_size
    return max(0, min(batch_size, evaluations - archive.trained))


def _propose(
    strategy: Strategy, problem: Problem, limits: Sequence[Limit], count: int
) -> tuple[list[Proposal], list[tuple[Proposal, str]]]:
    """Return proposals that meet the limits, and those that do not with the reason."""
    accepted: list[Proposal] = []
    rejected: list[tuple[Proposal, str]] = []
    vain = 0
    for _ in range(_ASKS if count else 0):
        proposals = strategy.ask(count - len(accepted))
        before = len(accepted)
        for proposal in proposals:
            values = problem.cost(proposal.genes) if limits else {}
            limit = violated(values, limits)
            if limit is None:
                accepted.append(proposal)
            else:
                needed, value = limit.value, values[limit.objective]
                rejected.append((proposal, f"{limit.objective} must be <= {needed:g}, got {value:g}"))
        vain = vain + 1 if len(accepted) == before else 0
        if not proposals or len(accepted) == count or vain == _VAIN_ASKS:
            break
    return accepted, rejected


def _evaluated(objectives: Sequence[Objective], proposal: Proposal, request: Request, outcome: Outcome) -> Evaluation:
    """Return the evaluation of a trained candidate, its batch and time unset; without finite values it has failed."""
    state, reason = outcome.state, outcome.reason
    values = {name: float(value) for name, value in outcome.values.items() if math.isfinite(value)}
    missing = [name for name in ("error", "size", *(o.name for o in objectives)) if name not in values]
    if state in ("done", "scored") and missing:
        state, reason = "failed", f"{missing[0]} must be finite, got {outcome.values.get(missing[0], 'none')}"
    score = {} if proposal.score is None else {"score": proposal.score}
    return Evaluation(request.id, 0, request.genes, state, values, reason, {**outcome.details, **score})


def _rejected(rejected: tuple[Proposal, str], number: int) -> Evaluation:
    """Return the evaluation of a candidate that exceeds a limit, its batch and time unset."""
    proposal, reason = rejected
    return Evaluation(number, 0, proposal.genes, "rejected", {}, reason)
