"""The teacher: models trained beside the networks, and soft rows with their answers, which networks learn from.

On one split the teacher is boosted trees. On repeated splits, where rows are few and no one model is best, it is a
mixture of all learners: trees and a linear model, and of a task that has sources also those that use them. Learners are
the references of a front, too, where they can be deployed, so that users see when not to use a network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from netgraft.root import (
    Data,
    GrownTrees,
    SoftRows,
    fit_linear,
    fit_trees,
    fixed_feature,
    resample_columns,
    teacher_outputs,
)
from netgraft.root.boosting import TaskKind
from netgraft.root.calibration import blend
from netgraft.runtime import Inputs, Trees
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import Part, softmax
from netgraft.seeds import child_seed, generator

_SOFT_COPIES = 9
_LEAST_SOFT_ROWS = 2_000
_SOFT_ROWS = 120_000
_LEAST_SOFT_SHARE = 0.5
# A teacher walks this many (row, tree) pairs at most, and about one in so many seconds.
_SOFT_WALKS = 1e8
_WALK_S = 7e-8
_RESAMPLED_SHARE = 0.3
# Shares of the time allowed: for the trees, for growing them again on all rows, for the soft rows.
_TREES_SHARE, _AGAIN_SHARE, _SOFT_SHARE = 1.0, 0.4, 0.4
# The mixture is drawn to equal weights of learners whose error is at most so many times the least.
_SHRINKAGE = 0.5
_COMPARABLE = 1.3
_LEAST_WEIGHT = 0.03

#: The answer of a learner's model of one fold: (encoded rows, fold) -> float32 [m, c], log odds or standardised target.
Answer = Callable[[Inputs, int], FloatArray]


@dataclass(frozen=True)
class Reference:
    """A model that is no searched network, trained once per fold.

    Attributes:
        family: ``trees`` or ``linear``.
        name: unique.
        part: the model of the deployed fold.
        outputs: float32 [rows, 1, c] on the validation rows, fold after fold.
        error: on these rows.
    """

    family: str
    name: str
    part: Part
    outputs: FloatArray
    error: float


@dataclass(frozen=True)
class Learner:
    """One model of the mixture, trained once per fold.

    Attributes:
        name: unique.
        outputs: float32 [rows, c] on the validation rows, fold after fold.
        error: on these rows.
        answer: what it says of further rows.
        uses_source: whether it would be another without the sources.
    """

    name: str
    outputs: FloatArray
    error: float
    answer: Answer
    uses_source: bool = False

    @property
    def is_finite(self) -> bool:
        """Return whether all outputs are numbers; those of a source in a far larger unit may not be."""
        return bool(np.isfinite(self.outputs).all())


@dataclass(frozen=True)
class Teacher:
    """What was trained beside the networks.

    Attributes:
        references: what can be deployed: trees and linear, and trees on source and target rows.
        soft: rows with the mixture's outputs, or None where these are too slow to ask.
        learners: the members of the mixture and those that were left out.
        weights: of the learners, non-negative; they sum to one.
    """

    references: tuple[Reference, ...]
    soft: SoftRows | None
    learners: tuple[Learner, ...]
    weights: FloatArray


@dataclass(frozen=True)
class SourceRows:
    """Rows of sources as a task encodes them.

    Attributes:
        inputs: encoded.
        target: as the task's networks learn it: float32 [m] in the task's unit, or class indices.
        translated: the same, numbers moved and scaled as the sources' predictions for the task's rows must be.
    """

    inputs: Inputs
    target: NDArray[np.generic]
    translated: NDArray[np.generic]


@dataclass(frozen=True)
class FromSources:
    """What sources contribute to a teacher.

    Attributes:
        hints: per source, its outputs on encoded rows; they become features.
        rows: that the sources kept, or None.
        learners: roots that were trained from the sources' and without.
    """

    hints: tuple[Callable[[Inputs], FloatArray], ...] = ()
    rows: SourceRows | None = None
    learners: tuple[Learner, ...] = ()


def grow_teacher(
    kind: TaskKind, data: Data, seed: int, seconds: float | None, sources: FromSources | None = None
) -> Teacher:
    """Return the teacher of a task.

    Args:
        kind: regression or classification.
        data: rows and folds.
        seed: of all that is drawn.
        seconds: what it may take, or None.
        sources: what earlier models contribute, or None.
    """

    def deadline(share: float) -> float | None:
        return None if seconds is None else time.monotonic() + share * seconds

    grown = _grow(data, seed, deadline(_TREES_SHARE))
    regrown = _regrown(data, grown, seed, deadline(_AGAIN_SHARE))
    trees = _trees_learner("trees", data, grown, uses_source=False)
    linear, linear_part = _linear_learner("linear", kind, data, seed)
    references = [_reference("trees", regrown, trees), _reference("linear", linear_part, linear)]
    learners = [trees, linear]
    if sources is not None:
        learners += sources.learners
        learners += _hinted(kind, data, sources.hints, seed, deadline(_TREES_SHARE))
        pools = {} if sources.rows is None else {"trees pooled": sources.rows.target}
        if sources.rows is not None and not data.is_classification:
            pools["trees translated"] = sources.rows.translated
        for name, target in pools.items():
            assert sources.rows is not None
            pooled, part = _pooled(name, data, sources.rows.inputs, target, seed, deadline(_TREES_SHARE))
            learners.append(pooled)
            if pooled.is_finite and pooled.error < trees.error:
                references.append(_reference("trees", part, pooled))
        learners = [each for each in learners if each.is_finite]
    is_plain = data.judges == 1 and sources is None
    weights = np.array([1, 0], np.float32) if is_plain else mixture(data, learners)
    walked = sum(len(g.trees.tensors["root"]) for g in grown)
    soft_s = None if seconds is None else _SOFT_SHARE * seconds
    further = None if sources is None or sources.rows is None else sources.rows.inputs
    soft = _soft_rows(data, learners, weights, walked, seed, soft_s, further)
    return Teacher(tuple(references), soft, tuple(learners), weights)


def mixture(data: Data, learners: Sequence[Learner]) -> FloatArray:
    """Return the weights of learners: a greedy blend on validation rows, drawn to equal weights of comparable ones.

    Args:
        data: the rows.
        learners: with outputs on the validation rows.
    """
    rows = np.concatenate([fold.validation for fold in data.folds])
    outputs = [softmax(each.outputs) if data.is_classification else each.outputs for each in learners]
    row_weights = None if data.row_weights is None else data.row_weights[rows]
    kind: TaskKind = "classification" if data.is_classification else "regression"
    greedy = blend(outputs, data.target[rows], kind, row_weights)
    errors = np.array([each.error for each in learners])
    comparable = errors <= _COMPARABLE * errors.min() + 1e-9
    weights = (1 - _SHRINKAGE) * greedy + _SHRINKAGE * comparable / comparable.sum()
    weights[weights < _LEAST_WEIGHT] = 0
    return np.asarray(weights / weights.sum(), np.float32)


def make_learner(name: str, data: Data, answer: Answer, *, uses_source: bool) -> Learner:
    """Return a learner with its outputs and error on the validation rows, each fold's by its own model."""
    folds = [(f, fold.validation) for f, fold in enumerate(data.folds) if len(fold.validation)]
    outputs = np.concatenate([answer(data.inputs.take(rows), f) for f, rows in folds])
    mixed = softmax(outputs) if data.is_classification else outputs
    error = data.error(mixed, np.concatenate([rows for _, rows in folds]))
    return Learner(name, outputs, error, answer, uses_source)


def _reference(family: str, part: Part, learner: Learner) -> Reference:
    """Return a learner that can be deployed as a reference."""
    return Reference(family, learner.name.replace(" ", "-"), part, learner.outputs[:, None, :], learner.error)


def _grow(data: Data, seed: int, deadline: float | None) -> list[GrownTrees]:
    """Return the trees of every fold; the last of repeated splits grows as many rounds as the others needed."""
    grown: list[GrownTrees] = []
    for f, fold in enumerate(data.folds):
        rounds = None if len(fold.validation) else max(1, round(float(np.mean([g.rounds for g in grown]))))
        now = time.monotonic()
        share = None if deadline is None else now + max(0.0, deadline - now) / (len(data.folds) - f)
        grown.append(_fit_trees(data, seed, f, fold.train, fold.validation, rounds, share))
    return grown


def _regrown(data: Data, grown: list[GrownTrees], seed: int, deadline: float | None) -> Trees:
    """Return the trees to deploy: with one split those of as many rounds on all rows, validation rows included.

    The numbers of the reference stay those of the trees that have not seen the validation rows; so does the teacher.
    """
    last = grown[-1]
    if len(data.folds) > 1:
        return last.trees  # the last of repeated splits has grown on all rows
    again = _fit_trees(data, seed, 0, np.arange(len(data.inputs)), np.zeros(0, np.int64), last.rounds, deadline)
    return again.trees if again.rounds == last.rounds else last.trees


def _fit_trees(
    data: Data,
    seed: int,
    fold: int,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    rounds: int | None,
    deadline: float | None,
) -> GrownTrees:
    """Return trees grown on some rows of the data."""
    return fit_trees(
        data.inputs,
        data.target,
        kind="classification" if data.is_classification else "regression",
        outputs=data.outputs,
        slots=data.slots,
        train=train,
        validation=validation,
        weights=data.row_weights,
        seed=child_seed(seed, "trees", fold),
        rounds=rounds,
        deadline=deadline,
    )


def _trees_learner(name: str, data: Data, grown: list[GrownTrees], *, uses_source: bool) -> Learner:
    """Return trees of every fold as a learner."""
    return make_learner(name, data, lambda inputs, f: teacher_outputs(grown[f], inputs), uses_source=uses_source)


def _linear_learner(
    name: str, kind: TaskKind, data: Data, seed: int, *, uses_source: bool = False
) -> tuple[Learner, Part]:
    """Return the linear model of every fold as a learner, and that of the deployed fold."""
    parts = [
        fit_linear(
            data.inputs,
            data.target,
            kind=kind,
            outputs=data.outputs,
            slots=data.slots,
            train=fold.train,
            validation=fold.validation,
            weights=data.row_weights,
            seed=child_seed(seed, "linear", f),
        )
        for f, fold in enumerate(data.folds)
    ]
    learner = make_learner(name, data, lambda inputs, f: parts[f].outputs(inputs)[:, 0], uses_source=uses_source)
    return learner, parts[-1]


def _hinted(
    kind: TaskKind,
    data: Data,
    hints: Sequence[Callable[[Inputs], FloatArray]],
    seed: int,
    deadline: float | None,
) -> list[Learner]:
    """Return learners to which the sources' outputs are features: beside the columns, and alone."""
    if not hints:
        return []
    asked = _AskedOnce(hints)
    table = asked(data.inputs)
    center, scale = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-6)

    def more(inputs: Inputs, *, alone: bool) -> Inputs:
        said = (asked(inputs) - center) / scale
        parts = [said] if alone else [inputs.numeric, said]
        codes = inputs.codes[:, :0] if alone else inputs.codes
        return Inputs(np.ascontiguousarray(np.concatenate(parts, axis=1), np.float32), codes)

    wide = replace(data, inputs=more(data.inputs, alone=False))
    narrow = replace(data, inputs=more(data.inputs, alone=True), slots=())
    grown = _grow(wide, child_seed(seed, "hinted"), deadline)
    found = [
        _trees_learner("trees with source", wide, grown, uses_source=True),
        _linear_learner("linear with source", kind, wide, seed, uses_source=True)[0],
        _linear_learner("source", kind, narrow, seed, uses_source=True)[0],
    ]

    def told(learner: Learner, alone: bool) -> Learner:
        answer = learner.answer
        return replace(learner, answer=lambda inputs, f: answer(more(inputs, alone=alone), f))

    return [told(learner, alone=learner is found[2]) for learner in found]


class _AskedOnce:
    """The outputs of sources on rows, float32 [m, h]; kept for the last rows, which every fold and learner asks for."""

    def __init__(self, hints: Sequence[Callable[[Inputs], FloatArray]]) -> None:
        self._hints = hints
        self._last: tuple[Inputs, FloatArray] | None = None

    def __call__(self, inputs: Inputs) -> FloatArray:
        if self._last is None or self._last[0] is not inputs:
            self._last = inputs, np.concatenate([hint(inputs) for hint in self._hints], axis=1)
        return self._last[1]


def _pooled(
    name: str, data: Data, rows: Inputs, target: NDArray[np.generic], seed: int, deadline: float | None
) -> tuple[Learner, Part]:
    """Return trees grown on target and source rows, and those of the deployed fold.

    A further feature says which of the two a row is, so that trees may keep them apart.
    """
    n, m = len(data.inputs), len(rows)
    inputs = Inputs(
        np.concatenate([_marked(data.inputs, 1.0).numeric, _marked(rows, 0.0).numeric]),
        np.concatenate([data.inputs.codes, rows.codes]),
    )
    own = np.ones(n, np.float32) if data.row_weights is None else data.row_weights
    folds = [replace(fold, train=np.concatenate([fold.train, np.arange(n, n + m)])) for fold in data.folds]
    both = replace(
        data,
        inputs=inputs,
        target=np.concatenate([data.target, np.asarray(target, data.target.dtype)]),
        folds=tuple(folds),
        row_weights=np.concatenate([own, np.ones(m, np.float32)]),
    )
    grown = _grow(both, child_seed(seed, "pooled"), deadline)
    learner = make_learner(name, data, lambda own, f: teacher_outputs(grown[f], _marked(own, 1.0)), uses_source=True)
    return learner, fixed_feature(grown[-1].trees, data.inputs.numeric.shape[1], 1.0)


def _marked(inputs: Inputs, mark: float) -> Inputs:
    """Return rows with one more numeric feature, the same for all."""
    column = np.full((len(inputs), 1), mark, np.float32)
    return Inputs(np.concatenate([inputs.numeric, column], axis=1), inputs.codes)


def _soft_rows(
    data: Data,
    learners: Sequence[Learner],
    weights: FloatArray,
    trees: int,
    seed: int,
    seconds: float | None,
    further: Inputs | None,
) -> SoftRows | None:
    """Return resampled train rows, and rows of sources, with the mixture's outputs of each fold; None if too slow."""
    train = data.inputs.take(data.folds[-1].train)
    walks = _SOFT_WALKS if seconds is None else min(_SOFT_WALKS, seconds / _WALK_S)
    rows = int(min(max(_SOFT_COPIES * len(train), _LEAST_SOFT_ROWS), _SOFT_ROWS, walks / max(1, trees)))
    if rows < _LEAST_SOFT_SHARE * len(train):
        return None
    inputs = resample_columns(train, rows, _RESAMPLED_SHARE, generator(seed, "soft rows"))
    if further is not None:
        inputs = Inputs(
            np.concatenate([inputs.numeric, further.numeric[:rows]]),
            np.concatenate([inputs.codes, further.codes[:rows]]),
        )
    used = [(learner.answer, weight) for learner, weight in zip(learners, weights, strict=True) if weight > 0]
    targets = np.zeros((len(data.folds), len(inputs), data.outputs), np.float32)
    for f in range(len(data.folds)):
        for answer, weight in used:
            outputs = answer(inputs, f)
            targets[f] += weight * (softmax(outputs) if data.is_classification else outputs)
    return SoftRows(inputs, targets)
