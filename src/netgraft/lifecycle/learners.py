"""Learners: models trained beside the networks, once per fold, and judged on the validation rows.

Trees and a linear model, on the columns, on what sources say of the rows, and, trees only, on target and source rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from netgraft.root import Data, GrownTrees, fit_linear, fit_trees, fixed_feature, teacher_outputs
from netgraft.root.boosting import TaskKind
from netgraft.runtime import Inputs
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import Part, softmax
from netgraft.seeds import child_seed

# Shrinkage of trees that use sources: there are several, and they have to be quick.
_QUICK_RATE = 0.1
#: The answer of a learner's model of one fold: (encoded rows, fold) -> float32 [m, c], log odds or standardised target.
Answer = Callable[[Inputs, int], FloatArray]


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


def make_learner(name: str, data: Data, answer: Answer, *, uses_source: bool) -> Learner:
    """Return a learner with its outputs and error on the validation rows, each fold's by its own model.

    Args:
        name: unique.
        data: rows and folds.
        answer: of its models.
        uses_source: whether it would be another without the sources.
    """
    folds = [(f, fold.validation) for f, fold in enumerate(data.folds) if len(fold.validation)]
    outputs = np.concatenate([answer(data.inputs.take(rows), f) for f, rows in folds])
    mixed = softmax(outputs) if data.is_classification else outputs
    error = data.error(mixed, np.concatenate([rows for _, rows in folds]))
    return Learner(name, outputs, error, answer, uses_source)


def kind_of(data: Data) -> TaskKind:
    """Return the kind of the task that the data are of."""
    return "classification" if data.is_classification else "regression"


def grow_trees(
    data: Data,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    seed: int,
    *,
    rounds: int | None = None,
    learning_rate: float | None = None,
    deadline: float | None = None,
) -> GrownTrees:
    """Return trees grown on some rows of the data; `netgraft.root.fit_trees` says more of each argument.

    Args:
        data: the rows.
        train: int64 indices of those to grow on.
        validation: int64 indices of those that stop the growth; if there are none every round is grown.
        seed: of the sampling of features.
        rounds: most boosting rounds, or None for the usual number.
        learning_rate: shrinkage of every tree, or None for the usual one.
        deadline: no round begins after this reading of `time.monotonic`, or None.

    Raises:
        SettingError: there are no train rows.
    """
    return fit_trees(
        data.inputs,
        data.target,
        kind=kind_of(data),
        outputs=data.outputs,
        slots=data.slots,
        train=train,
        validation=validation,
        weights=data.row_weights,
        seed=seed,
        rounds=rounds,
        learning_rate=learning_rate,
        deadline=deadline,
    )


def grow_folds(data: Data, seed: int, deadline: float | None, learning_rate: float | None = None) -> list[GrownTrees]:
    """Return the trees of every fold; the last of repeated splits grows as many rounds as the others needed.

    Args:
        data: rows and folds.
        seed: of all that is drawn.
        deadline: reading of `time.monotonic` after which no round begins, or None; folds share what is left.
        learning_rate: shrinkage of every tree, or None for the usual one.
    """
    grown: list[GrownTrees] = []
    for f, fold in enumerate(data.folds):
        rounds = None if len(fold.validation) else max(1, round(float(np.mean([g.rounds for g in grown]))))
        now = time.monotonic()
        share = None if deadline is None else now + max(0.0, deadline - now) / (len(data.folds) - f)
        tree_seed = child_seed(seed, "trees", f)
        grown.append(
            grow_trees(
                data,
                fold.train,
                fold.validation,
                tree_seed,
                rounds=rounds,
                learning_rate=learning_rate,
                deadline=share,
            )
        )
    return grown


def trees_learner(name: str, data: Data, grown: list[GrownTrees], *, uses_source: bool = False) -> Learner:
    """Return the trees of every fold as a learner."""
    return make_learner(name, data, lambda inputs, f: teacher_outputs(grown[f], inputs), uses_source=uses_source)


def linear_learner(name: str, data: Data, seed: int, *, uses_source: bool = False) -> tuple[Learner, Part]:
    """Return the linear model of every fold as a learner, and that of the deployed fold.

    Args:
        name: unique.
        data: rows and folds.
        seed: of all that is drawn.
        uses_source: whether the columns hold what sources say.
    """
    parts = [
        fit_linear(
            data.inputs,
            data.target,
            kind=kind_of(data),
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


def hinted_learners(
    data: Data, hints: Sequence[Callable[[Inputs], FloatArray]], seed: int, deadline: float | None
) -> list[Learner]:
    """Return learners to which the sources' outputs are features: beside the columns, and alone.

    Args:
        data: rows and folds.
        hints: per source, its outputs [m, h] on m encoded rows; without any there is no learner.
        seed: of all that is drawn.
        deadline: reading of `time.monotonic` after which no round of trees begins, or None.
    """
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
    grown = grow_folds(wide, child_seed(seed, "hinted"), deadline, _QUICK_RATE)
    beside = [
        trees_learner("trees with source", wide, grown, uses_source=True),
        linear_learner("linear with source", wide, seed, uses_source=True)[0],
    ]
    alone = linear_learner("source", narrow, seed, uses_source=True)[0]

    def told(learner: Learner, *, alone: bool) -> Learner:
        answer = learner.answer
        return replace(learner, answer=lambda inputs, f: answer(more(inputs, alone=alone), f))

    return [*(told(learner, alone=False) for learner in beside), told(alone, alone=True)]


class _AskedOnce:
    """The outputs of sources on rows, float32 [m, h]; kept for the last rows, which every fold and learner asks for."""

    def __init__(self, hints: Sequence[Callable[[Inputs], FloatArray]]) -> None:
        self._hints = hints
        self._last: tuple[Inputs, FloatArray] | None = None

    def __call__(self, inputs: Inputs) -> FloatArray:
        if self._last is None or self._last[0] is not inputs:
            self._last = inputs, np.concatenate([hint(inputs) for hint in self._hints], axis=1)
        return self._last[1]


def pooled_learner(
    name: str, data: Data, rows: Inputs, target: NDArray[np.generic], seed: int, deadline: float | None
) -> tuple[Learner, Part]:
    """Return trees grown on target and source rows, and those of the deployed fold.

    A further feature says which of the two a row is, so that trees may keep them apart.

    Args:
        name: unique.
        data: rows and folds of the target.
        rows: m encoded rows of sources.
        target: theirs [m], as the networks of the target learn it.
        seed: of all that is drawn.
        deadline: reading of `time.monotonic` after which no round begins, or None.
    """
    n, m = len(data.inputs), len(rows)
    inputs = _marked(data.inputs, 1.0).joined(_marked(rows, 0.0))
    own = np.ones(n, np.float32) if data.row_weights is None else data.row_weights
    folds = [replace(fold, train=np.concatenate([fold.train, np.arange(n, n + m)])) for fold in data.folds]
    both = replace(
        data,
        inputs=inputs,
        target=np.concatenate([data.target, np.asarray(target, data.target.dtype)]),
        folds=tuple(folds),
        row_weights=np.concatenate([own, np.ones(m, np.float32)]),
    )
    grown = grow_folds(both, child_seed(seed, "pooled"), deadline, _QUICK_RATE)
    learner = make_learner(name, data, lambda own, f: teacher_outputs(grown[f], _marked(own, 1.0)), uses_source=True)
    return learner, fixed_feature(grown[-1].trees, data.inputs.numeric.shape[1], 1.0)


def _marked(inputs: Inputs, mark: float) -> Inputs:
    """Return rows with one more numeric feature, the same for all."""
    column = np.full((len(inputs), 1), mark, np.float32)
    return Inputs(np.concatenate([inputs.numeric, column], axis=1), inputs.codes)
