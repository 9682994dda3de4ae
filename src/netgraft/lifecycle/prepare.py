"""From a task to what every candidate shares: encoded rows, folds, the output and bases, the teacher on demand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from netgraft.lifecycle.learners import grow_trees
from netgraft.lifecycle.teacher import FromSources, Teacher, grow_teacher
from netgraft.records import canonical_json, sha256_hex
from netgraft.root import (
    FINEST_BINS,
    Basis,
    Data,
    Fold,
    GrownTrees,
    fold_weights,
    quantile_edges,
    random_frequencies,
    teacher_outputs,
    tree_basis,
)
from netgraft.runtime import Encoding, Inputs, Output
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import finish, softmax
from netgraft.seeds import child_seed, generator
from netgraft.tables import METRICS, Task

_EDGE_ROWS = 100_000
# Quick trees: they choose the target's transform and the edges of tree bins before anything is trained.
_QUICK_ROWS = 10_000
_QUICK_TREES = 80
_LEAST_QUICK_ROUNDS = 10
_QUICK_RATE = 0.2


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
class Prepared:
    """What every candidate of a task shares.

    Attributes:
        task: where it comes from.
        encoding: of the input columns.
        output: what becomes of outputs; temperature and interval not yet known.
        data: rows and folds.
        bases: the finest basis of each kind.
        notes: decisions taken on the way, for the report.
        seed: of all that is drawn.
        teacher_s: seconds that the teacher may take, or None.
        sources: what earlier models contribute to the teacher, or None.
    """

    task: Task
    encoding: Encoding
    output: Output
    data: Data
    bases: dict[str, Basis]
    notes: tuple[str, ...]
    seed: int
    teacher_s: float | None
    sources: FromSources | None = None

    @property
    def validation_rows(self) -> NDArray[np.int64]:
        """Return the rows that judge, fold after fold."""
        return np.concatenate([fold.validation for fold in self.data.folds])

    @property
    def piecewise(self) -> Basis:
        """Return the bins at quantiles, by which networks of sources read numbers; without numbers it has no edges."""
        return self.bases.get("quantile", self.bases["linear"])

    @property
    def reading(self) -> str:
        """Return the SHA-256 of how columns are read and put into bins: a network is of use with its own only."""
        bins = [(kind, basis.tensors(FINEST_BINS)) for kind, basis in sorted(self.bases.items())]
        arrays = [*self.encoding.arrays().items(), *(item for _, tensors in bins for item in tensors.items())]
        told = [self.encoding.to_json(), *((name, sha256_hex(array.tobytes())) for name, array in arrays)]
        return sha256_hex(canonical_json(told).encode("utf-8", "surrogatepass"))

    def constant_error(self) -> float:
        """Return the error on the validation rows of predicting the same for each: the mean, or the frequencies."""
        data, made = self.data, []
        for fold in data.folds:
            target = data.target[fold.train]
            if data.is_classification:
                counts = np.bincount(target.astype(np.int64), minlength=data.outputs)
                constant = np.log((counts + 1) / (counts + 1).sum())
            else:
                constant = np.array([target.mean()])
            made.append(np.tile(constant, (len(fold.validation), 1)))
        mixed = np.concatenate(made)
        return data.error(softmax(mixed) if data.is_classification else mixed.astype(np.float32), self.validation_rows)

    @cached_property
    def teacher(self) -> Teacher:
        """Return the references and the soft rows; grown when first asked for, because networks can begin without."""
        return grow_teacher(self.data, self.seed, self.teacher_s, self.sources)

    @property
    def taught(self) -> bool:
        """Return whether the teacher has been grown."""
        return "teacher" in self.__dict__


def prepare(task: Task, *, seed: int, teacher_s: float | None) -> Prepared:
    """Return what every candidate of the task shares.

    Args:
        task: the table.
        seed: of all that is drawn.
        teacher_s: seconds that the teacher may take, or None.
    """
    encoding = task.encoding
    inputs = encoding.apply(task.rows.raw)
    folds = task_folds(task)
    notes = list(task.notes)
    output, data, quick = _choose_transform(task, inputs, folds, seed, notes)
    return Prepared(task, encoding, output, data, _bases(data, quick, seed), tuple(notes), seed, teacher_s)


def with_encoding(prepared: Prepared, encoding: Encoding) -> Prepared:
    """Return what is shared when the input columns are read by another encoding of the same columns."""
    task = replace(prepared.task, encoding=encoding)
    data = make_data(task, encoding.apply(task.rows.raw), prepared.data.folds, prepared.output)
    quick = [_quick_trees(data, data.folds[-1], prepared.seed)]
    return replace(prepared, task=task, encoding=encoding, data=data, bases=_bases(data, quick, prepared.seed))


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
    task: Task, inputs: Inputs, folds: tuple[Fold, ...], seed: int, notes: list[str]
) -> tuple[Output, Data, list[GrownTrees]]:
    """Return output, data and quick trees for the target as it is or its log1p, whichever trees predict better."""
    train = folds[-1].train
    wanted = {"none": [False], "log1p": [True]}.get(
        task.target_transform, [False, True] if task.heavy_tailed else [False]
    )
    tried = []
    for log1p in wanted:
        output = task_output(task, train, log1p)
        data = make_data(task, inputs, folds, output)
        quick = [_quick_trees(data, fold, seed) for fold in folds]
        tried.append((_quick_error(data, quick) if len(wanted) > 1 else 0.0, log1p, output, data, quick))
    if len(tried) > 1:
        chosen = "log1p" if tried[1][0] < tried[0][0] else "none"
        notes.append(
            f"the target is heavy-tailed; transform {chosen} was chosen on validation rows "
            f"(error of quick trees: {tried[0][0]:.4f} as it is, {tried[1][0]:.4f} with log1p)"
        )
    _, _, output, data, quick = min(tried, key=lambda t: (t[0], t[1]))
    return output, data, quick


def _quick_trees(data: Data, fold: Fold, seed: int) -> GrownTrees:
    """Return a few trees grown on some of a fold's train rows."""
    rows = fold.train
    if len(rows) > _QUICK_ROWS:
        rows = np.sort(generator(seed, "quick rows").choice(rows, _QUICK_ROWS, replace=False))
    rounds = max(_LEAST_QUICK_ROUNDS, _QUICK_TREES // data.outputs)
    none = np.zeros(0, np.int64)
    return grow_trees(data, rows, none, child_seed(seed, "quick trees"), rounds=rounds, learning_rate=_QUICK_RATE)


def _quick_error(data: Data, quick: list[GrownTrees]) -> float:
    """Return the error of each fold's quick trees on its validation rows, all folds together."""
    judges = [(trees, fold.validation) for trees, fold in zip(quick, data.folds, strict=True) if len(fold.validation)]
    outputs = np.concatenate([teacher_outputs(trees, data.inputs.take(rows)) for trees, rows in judges])
    mixed = softmax(outputs) if data.is_classification else outputs
    return data.error(mixed, np.concatenate([rows for _, rows in judges]))


def _bases(data: Data, quick: list[GrownTrees], seed: int) -> dict[str, Basis]:
    """Return the finest basis of each kind from the train rows of the deployed fold."""
    rows = data.folds[-1].train
    if len(rows) > _EDGE_ROWS:
        rows = generator(seed, "edges").choice(rows, _EDGE_ROWS, replace=False)
    numeric = data.inputs.numeric[np.sort(rows)]
    if numeric.shape[1] == 0:
        return {"linear": Basis("linear")}
    quantile = Basis("quantile", quantile_edges(numeric))
    # thresholds of trees know the target of the rows they grew on, which repeated splits validate on
    tree = tree_basis(numeric, quick[-1]) if len(data.folds) == 1 else replace(quantile, kind="tree")
    periodic = Basis("periodic", frequencies=random_frequencies(numeric.shape[1], generator(seed, "frequencies")))
    return {"linear": Basis("linear"), "quantile": quantile, "tree": tree, "periodic": periodic}
