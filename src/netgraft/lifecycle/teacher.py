"""The teacher: a mixture of learners, and soft rows with its answers, which networks learn from.

On one split the teacher is boosted trees. On repeated splits, where rows are few and no one model is best, it is a
mixture of all learners: trees and a linear model, and of a task that has sources also those that use them. Learners are
the references of a front, too, where they can be deployed, so that users see when not to use a network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.lifecycle.learners import (
    Learner,
    grow_folds,
    grow_trees,
    hinted_learners,
    kind_of,
    linear_learner,
    pooled_learner,
    trees_learner,
)
from netgraft.root import Data, GrownTrees, SoftRows, resample_columns
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
# Shares of the time allowed: for the trees, for growing them again on all rows, for the soft rows. With sources the
# trees get less: there are those with the sources' answers, and those on pooled rows, perhaps twice.
_SHARES = {"trees": 1.0, "again": 0.4, "soft": 0.4}
_SHARES_WITH_SOURCES = {"trees": 0.25, "again": 0.1, "hinted": 0.25, "pooled": 0.25, "soft": 0.2}
# The mixture is drawn to equal weights of learners whose error is at most so many times the least.
_SHRINKAGE = 0.5
_COMPARABLE = 1.3
_LEAST_WEIGHT = 0.03


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

    @staticmethod
    def of(learner: Learner, family: str, part: Part) -> Reference:
        """Return a learner as a reference, deployed as a part."""
        return Reference(family, learner.name.replace(" ", "-"), part, learner.outputs[:, None, :], learner.error)


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


def grow_teacher(data: Data, seed: int, seconds: float | None, sources: FromSources | None = None) -> Teacher:
    """Return the teacher of a task.

    Args:
        data: rows and folds.
        seed: of all that is drawn.
        seconds: what it may take, or None.
        sources: what earlier models contribute, or None.
    """
    shares = _SHARES if sources is None else _SHARES_WITH_SOURCES
    grown = grow_folds(data, seed, _deadline(seconds, shares["trees"]))
    regrown = _regrown(data, grown, seed, _deadline(seconds, shares["again"]))
    trees = trees_learner("trees", data, grown)
    linear, linear_part = linear_learner("linear", data, seed)
    references = [Reference.of(trees, "trees", regrown), Reference.of(linear, "linear", linear_part)]
    learners = [trees, linear]
    if sources is not None:
        learners += sources.learners
        learners += hinted_learners(data, sources.hints, seed, _deadline(seconds, shares["hinted"]))
        for pooled, part in _pooled(data, sources.rows, seed, seconds):
            learners.append(pooled)
            if pooled.is_finite and pooled.error < trees.error:
                references.append(Reference.of(pooled, "trees", part))
        learners = [each for each in learners if each.is_finite]
    is_plain = data.judges == 1 and sources is None
    weights = np.array([1, 0], np.float32) if is_plain else mixture(data, learners)
    walked = sum(len(g.trees.tensors["root"]) for g in grown)
    soft_s = None if seconds is None else shares["soft"] * seconds
    further = None if sources is None or sources.rows is None else sources.rows.inputs
    soft = _soft_rows(data, learners, weights, walked, seed, soft_s, further)
    return Teacher(tuple(references), soft, tuple(learners), weights)


def mixture(data: Data, learners: Sequence[Learner]) -> FloatArray:
    """Return the weights of learners: a greedy blend on validation rows, drawn to equal weights of comparable ones.

    Args:
        data: the rows.
        learners: with outputs on the validation rows.

    Returns:
        float32 [learners], non-negative, sum 1; a weight that would be less than 0.03 is 0.
    """
    rows = np.concatenate([fold.validation for fold in data.folds])
    outputs = [softmax(each.outputs) if data.is_classification else each.outputs for each in learners]
    row_weights = None if data.row_weights is None else data.row_weights[rows]
    greedy = blend(outputs, data.target[rows], kind_of(data), row_weights)
    errors = np.array([each.error for each in learners])
    comparable = errors <= _COMPARABLE * errors.min() + 1e-9
    weights = (1 - _SHRINKAGE) * greedy + _SHRINKAGE * comparable / comparable.sum()
    weights[weights < _LEAST_WEIGHT] = 0
    return np.asarray(weights / weights.sum(), np.float32)


def _deadline(seconds: float | None, share: float) -> float | None:
    """Return the reading of the clock when a share of some seconds, beginning now, is over."""
    return None if seconds is None else time.monotonic() + share * seconds


def _regrown(data: Data, grown: list[GrownTrees], seed: int, deadline: float | None) -> Trees:
    """Return the trees to deploy: with one split those of as many rounds on all rows, validation rows included.

    The numbers of the reference stay those of the trees that have not seen the validation rows; so does the teacher.
    """
    last = grown[-1]
    if len(data.folds) > 1:
        return last.trees  # the last of repeated splits has grown on all rows
    every, none = np.arange(len(data.inputs)), np.zeros(0, np.int64)
    again = grow_trees(data, every, none, child_seed(seed, "trees", 0), rounds=last.rounds, deadline=deadline)
    return again.trees if again.rounds == last.rounds else last.trees


def _pooled(data: Data, rows: SourceRows | None, seed: int, seconds: float | None) -> Iterator[tuple[Learner, Part]]:
    """Yield trees on target and source rows, numbers of sources as they are and translated, with those to deploy."""
    if rows is None:
        return
    targets = {"trees pooled": rows.target}
    if not data.is_classification:
        targets["trees translated"] = rows.translated
    for name, target in targets.items():
        deadline = _deadline(seconds, _SHARES_WITH_SOURCES["pooled"] / len(targets))
        yield pooled_learner(name, data, rows.inputs, target, seed, deadline)


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
        inputs = inputs.joined(further.take(slice(rows)))
    used = [(learner.answer, weight) for learner, weight in zip(learners, weights, strict=True) if weight > 0]
    targets = np.zeros((len(data.folds), len(inputs), data.outputs), np.float32)
    for f in range(len(data.folds)):
        for answer, weight in used:
            outputs = answer(inputs, f)
            targets[f] += weight * (softmax(outputs) if data.is_classification else outputs)
    return SoftRows(inputs, targets)
