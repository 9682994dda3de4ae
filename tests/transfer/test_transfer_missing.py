"""What a source takes as missing: cells of columns that a table lacks, never cells that it has."""

from __future__ import annotations

import numpy as np
import polars as pl
from moved_edges import moved_edges

from netgraft.lifecycle.prepare import prepare
from netgraft.root import Architecture, Cut, NestedRecipe, NestedRoot, NestedTraining
from netgraft.tables import Task
from netgraft.transfer.align import align, filled
from netgraft.transfer.carry import carried_architecture, carried_root
from netgraft.transfer.guard import Candidate, judge
from netgraft.transfer.head import affine_head
from netgraft.transfer.source import _Reading


def table(rows: int, seed: int, *, holes: bool) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (rows, 3))
    frame = pl.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "x2": x[:, 2], "y": x.sum(axis=1)})
    return frame.with_columns(x0=pl.when(pl.lit(holes) & (pl.int_range(rows) % 4 == 0)).then(None).otherwise("x0"))


def test_a_known_cell_is_not_missing_because_only_the_source_has_an_indicator() -> None:
    source = Task.read(table(300, 0, holes=True), target="y").encoding
    task = Task.read(table(60, 1, holes=False), target="y")
    assert "x0:missing" in source.numeric_features
    assert "x0:missing" not in task.encoding.numeric_features
    read = _Reading.of(source, task.encoding).read(task.encoding.apply(task.rows.raw))
    np.testing.assert_allclose(read.numeric, source.apply(task.rows.raw).numeric, atol=1e-5)


def test_a_column_that_the_table_lacks_has_every_cell_missing() -> None:
    source = Task.read(table(300, 0, holes=True), target="y").encoding
    task = Task.read(table(60, 1, holes=False).drop("x0"), target="y")
    read = _Reading.of(source, task.encoding).read(task.encoding.apply(task.rows.raw))
    raw = filled(source, task.rows.raw, len(task.rows))
    np.testing.assert_allclose(read.numeric, source.apply(raw).numeric, atol=1e-5)


def test_a_grafted_root_takes_a_lacking_column_with_an_indicator_as_missing() -> None:
    prepared = prepare(Task.read(table(300, 0, holes=True), target="y"), seed=0, teacher_s=None)
    data, basis = prepared.data, prepared.bases["quantile"]
    a = Architecture(data.inputs.numeric.shape[1], data.slots, 1, basis="quantile", bins=32, token=2, widths=(8,))
    (root,) = NestedTraining(NestedRecipe(a, (4, 8), batch=64), data, basis, seed=0).train(40)
    task = Task.read(table(60, 1, holes=False).drop("x0"), target="y")
    alignment, own = align(prepared.encoding, task.encoding), prepare(task, seed=1, teacher_s=None)
    ours, cut = moved_edges(root.basis, own.bases["quantile"], alignment), Cut(1, (8,))
    made = carried_root(root, alignment, ours, cut, affine_head(1.0, 0.0), np.random.default_rng(0))
    recipe = NestedRecipe(carried_architecture(a, alignment, ours, 1), (4, 8))
    moved = NestedRoot(recipe, {name: value[None] for name, value in made.items()}, ours)
    raw = filled(prepared.encoding, task.rows.raw, len(task.rows))
    np.testing.assert_allclose(
        moved(alignment.encoding.apply(task.rows.raw), cut), root(prepared.encoding.apply(raw), cut), atol=2e-5
    )


def test_losses_that_are_no_numbers_are_refused() -> None:
    ours = Candidate("with", 0.1, True, np.full(20, np.nan))
    cold = Candidate("without", 0.5, False, np.full(20, 1.0))
    assert judge(ours, cold).decision == "refused"
