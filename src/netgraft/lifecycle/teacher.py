"""The teacher: trees and a linear model trained beside the networks, and soft rows that networks learn from.

They are the references of a front, too, so that users see when not to use a network. Networks can begin without them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from netgraft.root import (
    Data,
    GrownTrees,
    SoftRows,
    fit_linear,
    fit_trees,
    resample_columns,
    teacher_outputs,
)
from netgraft.root.boosting import TaskKind
from netgraft.runtime import Network, Trees
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import Part, softmax
from netgraft.seeds import child_seed, generator

_SOFT_COPIES = 9
_SOFT_ROWS = 120_000
_LEAST_SOFT_SHARE = 0.5
# A teacher walks this many (row, tree) pairs at most, and about one in so many seconds.
_SOFT_WALKS = 1e8
_WALK_S = 7e-8
_RESAMPLED_SHARE = 0.3
# Shares of the time allowed: for the trees, for growing them again on all rows, for the soft rows.
_TREES_SHARE, _AGAIN_SHARE, _SOFT_SHARE = 1.0, 0.4, 0.4


@dataclass(frozen=True)
class Reference:
    """A model that is no searched network, trained once per fold.

    Attributes:
        family: ``trees`` or ``linear``.
        part: the model of the deployed fold.
        outputs: float32 [rows, 1, c] on the validation rows, fold after fold.
        error: on these rows.
    """

    family: str
    part: Part
    outputs: FloatArray
    error: float


@dataclass(frozen=True)
class Teacher:
    """What was trained beside the networks.

    Attributes:
        references: trees and linear.
        soft: resampled rows with the trees' outputs, or None where these are too slow to ask.
    """

    references: tuple[Reference, ...]
    soft: SoftRows | None


def grow_teacher(kind: TaskKind, data: Data, seed: int, seconds: float | None) -> Teacher:
    """Return the teacher of a task.

    Args:
        kind: regression or classification.
        data: rows and folds.
        seed: of all that is drawn.
        seconds: what it may take, or None.
    """

    def deadline(share: float) -> float | None:
        return None if seconds is None else time.monotonic() + share * seconds

    grown = _grow(data, seed, deadline(_TREES_SHARE))
    trees = replace(_trees_reference(data, grown), part=_regrown(data, grown, seed, deadline(_AGAIN_SHARE)))
    soft = _soft_rows(data, grown, seed, None if seconds is None else _SOFT_SHARE * seconds)
    return Teacher((trees, _linear_reference(kind, data, seed)), soft)


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


def _trees_reference(data: Data, grown: list[GrownTrees]) -> Reference:
    """Return the trees as a reference point."""
    outputs = [
        teacher_outputs(trees, data.inputs.take(fold.validation))
        for trees, fold in zip(grown, data.folds, strict=True)
        if len(fold.validation)
    ]
    return _reference("trees", grown[-1].trees, np.concatenate(outputs)[:, None, :], data)


def _linear_reference(kind: TaskKind, data: Data, seed: int) -> Reference:
    """Return the linear model as a reference point."""
    parts: list[Network] = []
    outputs = []
    for f, fold in enumerate(data.folds):
        parts.append(
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
        )
        if len(fold.validation):
            outputs.append(parts[-1].outputs(data.inputs.take(fold.validation)))
    return _reference("linear", parts[-1], np.concatenate(outputs), data)


def _reference(family: str, part: Part, outputs: FloatArray, data: Data) -> Reference:
    """Return a reference with its error on the validation rows."""
    mixed = softmax(outputs).mean(axis=1) if data.is_classification else outputs.mean(axis=1)
    rows = np.concatenate([fold.validation for fold in data.folds])
    return Reference(family, part, outputs, data.error(mixed, rows))


def _soft_rows(data: Data, grown: list[GrownTrees], seed: int, seconds: float | None) -> SoftRows | None:
    """Return resampled train rows with the outputs of each fold's trees, or None where these are too slow to ask."""
    train = data.inputs.take(data.folds[-1].train)
    walks = _SOFT_WALKS if seconds is None else min(_SOFT_WALKS, seconds / _WALK_S)
    trees = sum(len(g.trees.tensors["root"]) for g in grown)
    rows = int(min(_SOFT_COPIES * len(train), _SOFT_ROWS, walks / max(1, trees)))
    if rows < _LEAST_SOFT_SHARE * len(train):
        return None
    inputs = resample_columns(train, rows, _RESAMPLED_SHARE, generator(seed, "soft rows"))
    outputs = np.stack([teacher_outputs(trees, inputs) for trees in grown])  # [F, m, c]
    return SoftRows(inputs, softmax(outputs) if data.is_classification else outputs)
