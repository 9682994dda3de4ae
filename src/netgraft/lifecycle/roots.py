"""Roots that start from a source's, trained side by side with a cold one, each with its error on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.lifecycle.learners import Answer, Learner, make_learner
from netgraft.lifecycle.prepare import Prepared
from netgraft.lifecycle.teacher import SourceRows
from netgraft.root import Cut, Data, NestedRoot, NestedTraining, SoftRows, Start, cut_architecture
from netgraft.runtime import Inputs, Output
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import finish
from netgraft.seeds import child_seed, generator
from netgraft.transfer.align import Alignment, filled
from netgraft.transfer.carry import carried_architecture, carried_root
from netgraft.transfer.head import fitted_head, fitted_line, turned, unit_head
from netgraft.transfer.source import KeptRows, Source

COLD = "cold"
# A second one, so that those without a source are not worse for being fewer.
_COLD_AGAIN = "cold again"
_SMALL_ROWS = 5_000
_SMALL_CUT = (64, 64, 64)
_STEPS = (200, 600)
_EPOCHS = 100
# Of the time for a graft, the share of each training.
_TRAINING_SHARE = 0.13
_INSTANCE_SHARE, _GENERALIST_SHARE = 0.5, 0.9
_MOST_SOURCE_ROWS = 4_000
# Learning rate and strength of the anchor, loose and tight.
_LOOSE, _TIGHT = (2e-3, 0.3), (1e-3, 10.0)


@dataclass(frozen=True)
class TrainedRoot:
    """One root that was trained, as a learner."""

    name: str
    training: NestedTraining
    start: int
    root: NestedRoot
    learner: Learner

    @property
    def curve(self) -> list[list[float]]:
        """Return how its error fell while it was trained: seconds, error of the best state so far."""
        return [[round(seconds, 3), errors[self.start]] for seconds, errors in self.training.history]


class Roots:
    """Trains roots from a source and a cold one."""

    def __init__(
        self,
        prepared: Prepared,
        main: Source,
        alignment: Alignment,
        sources: Sequence[Source],
        seconds: float | None,
    ) -> None:
        """Prepare.

        Args:
            prepared: the task by the alignment's encoding, with the source's edges.
            main: the source that gives its root.
            alignment: of its columns and the task's.
            sources: all, the main one among them.
            seconds: what a graft may take, or None.
        """
        assert main.root is not None
        self._prepared, self._main, self._alignment = prepared, main, alignment
        self._root, self._sources, self._seconds = main.root, sources, seconds
        data = prepared.data
        whole = Cut.of(main.root.recipe.architecture)
        rows = len(data.train_rows)
        small = Cut(len(_SMALL_CUT), tuple(map(min, _SMALL_CUT, whole.widths))) if whole.depth >= 3 else whole
        self._cut = small if rows < _SMALL_ROWS else whole
        theirs = cut_architecture(main.root.recipe.architecture, self._cut)
        a = carried_architecture(theirs, alignment, prepared.piecewise, data.outputs)
        self._basis = prepared.bases[a.basis]
        choices = tuple(w for w in main.root.recipe.width_choices if w <= max(self._cut.widths, default=1))
        self._recipe = replace(
            main.root.recipe, architecture=a, width_choices=choices, batch=min(128 if rows < 4_000 else 256, rows)
        )
        self._steps = int(np.clip(_EPOCHS * rows / self._recipe.batch, *_STEPS))

    def trained(self) -> list[TrainedRoot]:
        """Return the cold root and those that start from the source, each with its error."""
        given = self._carried()
        lower = tuple(name for name in given if not name.startswith(("head", "skip")))
        deepest = (f"weight_{self._cut.depth}", f"bias_{self._cut.depth}")
        starts = {
            COLD: Start(),
            _COLD_AGAIN: Start(draw=1),
            "model": _anchored(given, _LOOSE),
            "held": _anchored(given, _TIGHT),
            "feature": Start(given, frozen=tuple(name for name in lower if name not in deepest)),
        }
        generalist = self._generalist()
        if generalist is not None:
            starts["generalist"] = _anchored(generalist, _LOOSE)
        found = self._train(starts, self._prepared.data, 0.0)
        rows = rows_of([self._main], self._prepared)
        if rows is not None:
            mixed = {"instance": Start(), "integrated": _anchored(given, _LOOSE)}
            found += self._train(mixed, self._with_soft(rows), _INSTANCE_SHARE)
        return found

    def _with_soft(self, rows: SourceRows) -> Data:
        """Return the data with rows of sources beside the labelled ones."""
        data, inputs, target = self._prepared.data, rows.inputs, rows.translated
        if data.is_classification:
            targets = np.zeros((len(target), data.outputs), np.float32)
            targets[np.arange(len(target)), target.astype(np.int64)] = 1
        else:
            targets = np.asarray(target, np.float32)[:, None]
        folds = np.broadcast_to(targets, (len(data.folds), *targets.shape))
        return replace(data, soft=SoftRows(inputs, np.ascontiguousarray(folds)))

    def _generalist(self) -> dict[str, np.ndarray] | None:
        """Return a root grown on the kept rows of all sources and those of the task, if several kept rows."""
        if sum(source.rows is not None for source in self._sources) < 2:
            return None
        rows = rows_of(self._sources, self._prepared)
        if rows is None:
            return None
        (grown,) = self._train({"generalist": Start()}, self._with_soft(rows), _GENERALIST_SHARE)
        return grown.root.parameters

    def _train(self, starts: dict[str, Start], data: Data, soft_share: float) -> list[TrainedRoot]:
        """Return the roots trained from some starts, each with its error on all validation rows."""
        training = NestedTraining(
            self._recipe,
            data,
            self._basis,
            seed=child_seed(self._prepared.seed, "graft"),
            starts=tuple(starts.values()),
            soft_share=soft_share,
        )
        roots = training.train(self._steps, None if self._seconds is None else _TRAINING_SHARE * self._seconds)
        found = []
        for r, (name, root) in enumerate(zip(starts, roots, strict=True)):
            cuts = [Cut(d, self._cut.widths[:d]) for d in range(self._cut.depth + 1)]
            cut = cuts[int(np.argmin(training.errors(cuts, r)))]
            learner = make_learner(
                f"network {name}", self._prepared.data, _answer(root, cut), uses_source=name not in (COLD, _COLD_AGAIN)
            )
            found.append(TrainedRoot(name, training, r, root, learner))
        return found

    def _carried(self) -> dict[str, np.ndarray]:
        """Return the source's parameters over the task's columns, with a head for the task, in every fold."""
        data, seed = self._prepared.data, generator(self._prepared.seed, "new columns")
        unit = unit_head(self._main.model.output, self._prepared.output)
        first = carried_root(self._root, self._alignment, self._basis, self._cut, unit, seed)
        root = NestedRoot(self._recipe, {name: value[None] for name, value in first.items()}, self._basis)
        said = root(data.inputs, Cut.of(self._recipe.architecture))[:, 0]
        folds = [turned(first, *fitted_head(said[fold.train], data.target[fold.train])) for fold in data.folds]
        return {name: np.stack([fold[name] for fold in folds]) for name in first}


def rows_of(sources: Sequence[Source], prepared: Prepared) -> SourceRows | None:
    """Return the kept rows of sources as the task encodes them, in random order."""
    kept = [_encoded(source, source.rows, prepared) for source in sources if source.rows is not None]
    kept = [rows for rows in kept if len(rows.target)]
    if not kept:
        return None
    inputs = reduce(Inputs.joined, (rows.inputs for rows in kept))
    target = np.concatenate([rows.target for rows in kept])
    translated = np.concatenate([rows.translated for rows in kept])
    order = generator(prepared.seed, "source rows").permutation(len(target))[:_MOST_SOURCE_ROWS]
    return SourceRows(inputs.take(order), target[order], translated[order])


def _answer(root: NestedRoot, cut: Cut) -> Answer:
    """Return what a cut of a root answers in a fold."""
    return lambda inputs, f: root(inputs, cut, f)[:, 0]


def _anchored(parameters: dict[str, np.ndarray], how: tuple[float, float]) -> Start:
    """Return a start that is held to where it begins."""
    return Start(parameters, learning_rate=how[0], anchor=how[1])


def _encoded(source: Source, kept: KeptRows, prepared: Prepared) -> SourceRows:
    """Return kept rows as a task encodes them, without unknown labels."""
    raw = filled(prepared.encoding, kept.raw, len(kept.y))
    output = prepared.output
    target: NDArray[Any]
    if output.kind == "classification":
        places = {str(label): i for i, label in enumerate(output.classes)}
        target = np.array([places.get(label, -1) for label in kept.y.tolist()], np.int64)
        known = target >= 0
    else:
        known = np.isfinite(kept.y) & (kept.y > -1 if output.log1p else True)
        target = _standardised(np.where(known, kept.y, 0), output)
    rows = np.flatnonzero(known)
    target = target[rows]
    return SourceRows(prepared.encoding.apply(raw).take(rows), target, _translated(source, target, prepared))


def _translated(source: Source, target: NDArray[np.generic], prepared: Prepared) -> NDArray[np.generic]:
    """Return numbers of a source moved and scaled as its predictions for the task's rows must be."""
    if prepared.data.is_classification:
        return target
    train = prepared.data.folds[-1].train
    said = source.answer(prepared.encoding)(prepared.data.inputs.take(train))
    predicted = _standardised(finish(source.model.output, said).values, prepared.output)
    slope, shift = fitted_line(predicted, prepared.data.target[train])
    return (slope * np.asarray(target, np.float64) + shift).astype(np.float32)


def _standardised(y: NDArray[np.generic], output: Output) -> FloatArray:
    """Return numbers in the target's own unit as its networks learn them; log1p takes those below -1 as just above."""
    values = np.asarray(y, np.float64)
    values = np.log1p(np.maximum(values, -1 + 1e-6)) if output.log1p else values
    return ((values - output.mean) / output.scale).astype(np.float32)
