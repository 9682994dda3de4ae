"""The root that is shipped: every depth, shell and number of planes of it works, and its weights cost few bits.

It is grown on the rows of an entry, with trees as a teacher, in shells (a smaller cut is computed inside a larger one)
and on the grid of planes, with a pull towards weights that cost fewer bits. A further version starts from the one
before, on the same grid, so that the difference to ship is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from netgraft.lifecycle.prepare import make_data
from netgraft.lifecycle.teacher import grow_teacher
from netgraft.root import (
    Basis,
    Bits,
    Data,
    Fold,
    NestedRecipe,
    NestedRoot,
    NestedTraining,
    Start,
    fold_weights,
    quantile_edges,
)
from netgraft.runtime import Architecture, Encoding, Output
from netgraft.runtime.encoding import FloatArray
from netgraft.seeds import child_seed
from netgraft.tables import Task

_BINS, _TOKEN, _CATEGORY = 16, 2, 4
_FEW_ROWS = 5_000
_SHELLS, _SHELLS_OF_FEW = (16, 32, 64, 128), (8, 16, 32, 64)
_DEPTH = 3
_EDGE_ROWS = 100_000
_TEACHER_SHARE, _SOFT_SHARE = 0.25, 0.5
_MOST_STEPS, _BATCH = 60_000, 256
_BASIS = "quantile"
# Of the whole time a further version needs less: it starts where the one before ended, and is held to it.
_AGAIN_SHARE, _AGAIN_RATE, _AGAIN_ANCHOR = 0.3, 2e-4, 30.0


@dataclass(frozen=True)
class DeliveryRecipe:
    """How the root that is shipped is grown.

    Attributes:
        seconds: for everything.
        steps: at most so many, however fast they are.
        wiring: ``shells`` or ``square``.
        rate: strength of the pull towards few bits; see `netgraft.root.Bits`.
        widths: units of a layer in each shell, or None to let the number of rows decide.
        depth: hidden layers.
    """

    seconds: float = 60.0
    steps: int = _MOST_STEPS
    wiring: str = "shells"
    rate: float = 5e-6
    widths: tuple[int, ...] | None = None
    depth: int = _DEPTH


@dataclass(frozen=True)
class Grown:
    """A root to ship with the rows that judge it.

    Attributes:
        root: in one fold.
        step: of the finest plane.
        data: encoded rows; the validation rows of its one fold judge.
        y: the target of every row in its own unit, or class indices.
        steps: optimiser steps that were taken.
        epochs: how often that passed over the training rows.
    """

    root: NestedRoot
    step: float
    data: Data
    y: NDArray[np.generic]
    steps: int = 0
    epochs: float = 0.0

    @property
    def judges(self) -> NDArray[np.int64]:
        """Return the rows that judge."""
        return self.data.folds[0].validation


@dataclass(frozen=True)
class Before:
    """The version before, which a further one starts from.

    Attributes:
        architecture: of its largest cut.
        widths: of a layer, per shell.
        edges: of its bins, feature after feature.
        tensors: coded and exact ones by name.
        step: of its grid.
        triangular: its wiring.
    """

    architecture: Architecture
    widths: tuple[int, ...]
    edges: tuple[FloatArray, ...]
    tensors: Mapping[str, NDArray[np.float32]]
    step: float
    triangular: bool


def grow_delivery_root(
    task: Task, encoding: Encoding, output: Output, recipe: DeliveryRecipe, *, seed: int, before: Before | None = None
) -> Grown:
    """Return the root to ship for a task.

    Args:
        task: the rows.
        encoding: how columns are read; it is shipped as it is.
        output: what becomes of outputs.
        recipe: how.
        seed: of all that is drawn.
        before: the version that this one follows, or None.
    """
    split = task.splits[0]
    fold = Fold(split.train, split.validation)
    data = make_data(replace(task, encoding=encoding), encoding.apply(task.rows.raw), (fold,), output)
    data = replace(data, weights=fold_weights(len(data.inputs), (fold,), task.rows.weights))
    share = 1.0 if before is None else _AGAIN_SHARE
    teacher = grow_teacher(data, seed, _TEACHER_SHARE * share * recipe.seconds)
    data = replace(data, soft=teacher.soft)
    basis = _basis(data, fold) if before is None else Basis(_BASIS, before.edges)
    nested = _nested_recipe(data, fold, recipe) if before is None else _same_recipe(before, fold, recipe)
    training = NestedTraining(
        nested,
        data,
        basis if data.inputs.numeric.shape[1] else Basis("linear"),
        seed=child_seed(seed, "delivery"),
        starts=(Start() if before is None else _start(before),),
        soft_share=_SOFT_SHARE if data.soft is not None else 0.0,
    )
    (root,) = training.train(recipe.steps, (1 - _TEACHER_SHARE) * share * recipe.seconds)
    assert training.grid_step is not None
    epochs = training.steps * nested.batch / len(fold.train)
    return Grown(root, float(training.grid_step[0]), data, np.asarray(task.rows.y), training.steps, epochs)


def _basis(data: Data, fold: Fold) -> Basis:
    """Return bins at quantiles of the training rows."""
    rows = fold.train[:: max(1, len(fold.train) // _EDGE_ROWS)]
    return Basis(_BASIS, quantile_edges(data.inputs.numeric[rows], _BINS))


def _nested_recipe(data: Data, fold: Fold, recipe: DeliveryRecipe) -> NestedRecipe:
    """Return how a fresh root is built and trained."""
    d, few = data.inputs.numeric.shape[1], len(fold.train) < _FEW_ROWS
    widths = recipe.widths or (_SHELLS_OF_FEW if few else _SHELLS)
    architecture = Architecture(
        d,
        data.slots,
        data.outputs,
        basis=_BASIS if d else "linear",
        bins=_BINS if d else 1,
        token=_TOKEN if d else 1,
        category=_CATEGORY,
        widths=(widths[-1],) * recipe.depth,
    )
    batch = min(_BATCH // 2 if few else _BATCH, len(fold.train))
    return NestedRecipe(
        architecture, width_choices=widths, batch=batch, wiring=recipe.wiring, bits=Bits(rate=recipe.rate)
    )


def _same_recipe(before: Before, fold: Fold, recipe: DeliveryRecipe) -> NestedRecipe:
    """Return how a further version is trained: rounded from the first step on, on the grid of the one before."""
    return NestedRecipe(
        before.architecture,
        width_choices=before.widths,
        batch=min(_BATCH, len(fold.train)),
        wiring="shells" if before.triangular else "square",
        bits=Bits(start=0.0, rate=recipe.rate, step=before.step),
    )


def _start(before: Before) -> Start:
    """Return a start where the version before ended."""
    parameters = {name: np.asarray(value, np.float32)[None] for name, value in before.tensors.items()}
    return Start(parameters, learning_rate=_AGAIN_RATE, anchor=_AGAIN_ANCHOR)
