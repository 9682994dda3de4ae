"""From a task to what every candidate shares: encoded rows, folds, the output, bases, references and soft rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from netgraft.root import (
    Basis,
    Data,
    Fold,
    GrownTrees,
    SoftRows,
    fit_linear,
    fit_trees,
    fold_weights,
    quantile_edges,
    random_frequencies,
    resample_columns,
    teacher_outputs,
    tree_basis,
)
from netgraft.runtime import Encoding, Inputs, Network, Output, Trees
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import Part, finish, softmax
from netgraft.seeds import child_seed, generator
from netgraft.tables import METRICS, Task

_SOFT_COPIES = 9
_SOFT_ROWS = 120_000
_LEAST_SOFT_SHARE = 0.5
# A teacher walks this many (row, tree) pairs at most, and about one in so many seconds.
_SOFT_WALKS = 1e8
_WALK_S = 7e-8
_RESAMPLED_SHARE = 0.3
_EDGE_ROWS = 100_000


@dataclass(frozen=True)
class ErrorOf:
    """The error of mixed outputs on some rows, by the task's metric.

    Attributes:
        metric: name in `netgraft.tables.METRICS`.
        output: turns mixed outputs into predictions.
        y: [n] target in its own unit, or class indices.
        weights: [n] row weights or None.
    """

    metric: str
    output: Output
    y: NDArray[np.generic]
    weights: FloatArray | None

    def __call__(self, mixed: FloatArray, rows: NDArray[np.int64]) -> float:
        """Return the error of mixed outputs [len(rows), c]."""
        prediction = finish(self.output, mixed)
        weights = None if self.weights is None else self.weights[rows]
        return METRICS[self.metric].error(self.y[rows], prediction.values, prediction.probabilities, weights)


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
class Prepared:
    """What every candidate of a task shares.

    Attributes:
        task: where it comes from.
        encoding: of the input columns.
        output: what becomes of outputs; temperature and interval not yet known.
        data: rows, folds and, if a teacher was asked for, soft rows.
        bases: the finest basis of each kind.
        references: trees and linear.
        notes: decisions taken on the way, for the report.
    """

    task: Task
    encoding: Encoding
    output: Output
    data: Data
    bases: dict[str, Basis]
    references: tuple[Reference, ...]
    notes: tuple[str, ...]

    @property
    def validation_rows(self) -> NDArray[np.int64]:
        """Return the rows that judge, fold after fold."""
        return np.concatenate([fold.validation for fold in self.data.folds])


def prepare(task: Task, *, seed: int, seconds: float | None) -> Prepared:
    """Return what every candidate of the task shares.

    Args:
        task: the table.
        seed: of all that is drawn.
        seconds: what the references may take, or None.
    """
    encoding = task.encoding
    inputs = encoding.apply(task.rows.raw)
    folds = task_folds(task)
    allowed = (lambda share: None) if seconds is None else (lambda share: time.monotonic() + share * seconds)
    notes = list(task.notes)
    output, data, grown = _choose_transform(task, inputs, folds, seed, allowed, notes)
    trees = _trees_reference(data, grown, output)
    trees = replace(trees, part=_regrown(data, grown, seed, allowed(0.4)))
    linear = _linear_reference(task, data, output, seed)
    bases = _bases(data, grown, seed)
    soft = _soft_rows(data, grown, seed, None if seconds is None else 0.4 * seconds)
    return Prepared(task, encoding, output, replace(data, soft=soft), bases, (trees, linear), tuple(notes))


def task_folds(task: Task) -> tuple[Fold, ...]:
    """Return the task's splits as folds; repeated splits get a last fold that trains on all rows."""
    folds = [Fold(split.train, split.validation) for split in task.splits]
    if len(folds) > 1:
        folds.append(Fold(np.arange(len(task.rows)), np.zeros(0, np.int64)))
    return tuple(folds)


def task_output(task: Task, train: NDArray[np.int64], log1p: bool) -> Output:
    """Return the output of a task from its train rows; temperature and interval are set after training."""
    if task.kind == "classification":
        return Output("classification", tuple(task.classes))
    y = np.asarray(task.rows.y, np.float64)[train]
    transformed = np.log1p(y) if log1p else y
    scale = float(transformed.std())
    return Output(
        "regression", (), log1p, float(transformed.mean()), scale if scale > 0 else 1.0, float(y.min()), float(y.max())
    )


def make_data(task: Task, inputs: Inputs, folds: tuple[Fold, ...], output: Output) -> Data:
    """Return the rows with the target as networks learn it."""
    y = np.asarray(task.rows.y)
    if task.kind == "classification":
        target = np.asarray(y, np.int64)
    else:
        values = np.asarray(y, np.float64)
        values = np.log1p(values) if output.log1p else values
        target = ((values - output.mean) / output.scale).astype(np.float32)
    error = ErrorOf(task.metric, output, y, task.rows.weights)
    weights = fold_weights(len(inputs), folds, task.rows.weights)
    return Data(inputs, target, output.outputs, task.encoding.cardinalities, weights, folds, error, task.rows.weights)


def _choose_transform(
    task: Task,
    inputs: Inputs,
    folds: tuple[Fold, ...],
    seed: int,
    allowed: Callable[[float], float | None],
    notes: list[str],
) -> tuple[Output, Data, list[GrownTrees]]:
    """Return output, data and trees for the target as it is or its log1p, whichever trees predict better."""
    train = folds[-1].train
    wanted = {"none": [False], "log1p": [True]}.get(
        task.target_transform, [False, True] if task.heavy_tailed else [False]
    )
    tried = []
    for log1p in wanted:
        output = task_output(task, train, log1p)
        data = make_data(task, inputs, folds, output)
        grown = _grow(data, seed, allowed(1 / len(wanted)))
        tried.append((_trees_reference(data, grown, output).error, log1p, output, data, grown))
    if len(tried) > 1:
        chosen = "log1p" if tried[1][0] < tried[0][0] else "none"
        notes.append(
            f"the target is heavy-tailed; transform {chosen} was chosen on validation rows "
            f"(error of trees: {tried[0][0]:.4f} as it is, {tried[1][0]:.4f} with log1p)"
        )
    _, _, output, data, grown = min(tried, key=lambda t: (t[0], t[1]))
    return output, data, grown


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


def _trees_reference(data: Data, grown: list[GrownTrees], output: Output) -> Reference:
    """Return the trees as a reference point."""
    outputs = [
        teacher_outputs(trees, data.inputs.take(fold.validation))
        for trees, fold in zip(grown, data.folds, strict=True)
        if len(fold.validation)
    ]
    return _reference("trees", grown[-1].trees, np.concatenate(outputs)[:, None, :], data, output)


def _linear_reference(task: Task, data: Data, output: Output, seed: int) -> Reference:
    """Return the linear model as a reference point."""
    parts: list[Network] = []
    outputs = []
    for f, fold in enumerate(data.folds):
        parts.append(
            fit_linear(
                data.inputs,
                data.target,
                kind=task.kind,
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
    return _reference("linear", parts[-1], np.concatenate(outputs), data, output)


def _reference(family: str, part: Part, outputs: FloatArray, data: Data, output: Output) -> Reference:
    """Return a reference with its error on the validation rows."""
    mixed = softmax(outputs).mean(axis=1) if data.is_classification else outputs.mean(axis=1)
    rows = np.concatenate([fold.validation for fold in data.folds])
    return Reference(family, part, outputs, data.error(mixed, rows))


def _bases(data: Data, grown: list[GrownTrees], seed: int) -> dict[str, Basis]:
    """Return the finest basis of each kind from the train rows of the deployed fold."""
    rows = data.folds[-1].train
    if len(rows) > _EDGE_ROWS:
        rows = generator(seed, "edges").choice(rows, _EDGE_ROWS, replace=False)
    numeric = data.inputs.numeric[np.sort(rows)]
    if numeric.shape[1] == 0:
        return {"linear": Basis("linear")}
    quantile = Basis("quantile", quantile_edges(numeric))
    # thresholds of trees know the target of the rows they grew on, which repeated splits validate on
    tree = tree_basis(numeric, grown[-1]) if len(data.folds) == 1 else replace(quantile, kind="tree")
    periodic = Basis("periodic", frequencies=random_frequencies(numeric.shape[1], generator(seed, "frequencies")))
    return {"linear": Basis("linear"), "quantile": quantile, "tree": tree, "periodic": periodic}


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
