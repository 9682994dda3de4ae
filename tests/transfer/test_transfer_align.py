"""The laws of carrying a root over to other columns."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from moved_edges import moved_edges

from netgraft.errors import TransferError
from netgraft.lifecycle.prepare import prepare
from netgraft.root import Architecture, Cut, NestedRecipe, NestedRoot, NestedTraining, cut_architecture
from netgraft.tables import Task
from netgraft.transfer.align import (
    NEW,
    align,
    aligned_basis,
    filled,
)
from netgraft.transfer.carry import carried_architecture, carried_root
from netgraft.transfer.head import affine_head, class_head

WIDTHS = (8, 8)


def table(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = {f"x{i}": rng.normal(i, 1 + i, rows) for i in range(4)}
    frame["site"] = rng.choice(["a", "b", "c"], rows)
    frame["mode"] = rng.choice(["on", "off", "sleep"], rows)
    frame["y"] = frame["x0"] + 2 * (frame["site"] == "a") + 0.1 * frame["x1"] * (frame["mode"] == "on")
    return pl.DataFrame(frame)


@pytest.fixture(scope="module")
def source():
    prepared = prepare(Task.read(table(), target="y"), seed=0, teacher_s=None)
    data, basis = prepared.data, prepared.bases["quantile"]
    a = Architecture(data.inputs.numeric.shape[1], data.slots, 1, basis="quantile", bins=32, token=2, category=4,
                     widths=WIDTHS)  # fmt: skip
    (root,) = NestedTraining(NestedRecipe(a, (2, 4, 8), batch=64), data, basis, seed=0).train(60)
    return prepared, root


WHOLE = Cut(2, WIDTHS)


def carried(source, task, cut=WHOLE, head=None):
    prepared, root = source
    alignment = align(prepared.encoding, task.encoding)
    own = prepare(task, seed=1, teacher_s=None)
    basis = moved_edges(root.basis, own.bases["quantile"], alignment)
    head = head or affine_head(1.0, 0.0)
    made = carried_root(root, alignment, basis, cut, head, np.random.default_rng(0))
    recipe = NestedRecipe(
        carried_architecture(cut_architecture(root.recipe.architecture, cut), alignment, basis, head.matrix.shape[1]),
        (2, 4, 8),
    )
    return alignment, NestedRoot(recipe, {name: value[None] for name, value in made.items()}, basis)


CUTS = [Cut(0, ()), Cut(1, (4,)), Cut(2, (8, 2)), Cut(2, WIDTHS)]


@pytest.mark.parametrize("cut", CUTS)
def test_same_columns_in_another_order_compute_the_same(source, cut):
    prepared, root = source
    frame = table(200, seed=1)
    task = Task.read(frame.select(["mode", "x2", "y", "x0", "site", "x3", "x1"]), target="y")
    alignment, moved = carried(source, task)
    assert not alignment.new
    assert not alignment.missing
    theirs = root(prepared.encoding.apply(task.rows.raw), cut)
    ours = moved(alignment.encoding.apply(task.rows.raw), cut)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("cut", CUTS)
def test_a_column_that_is_lacking_counts_as_missing_and_a_new_one_as_nothing(source, cut):
    prepared, root = source
    frame = table(200, seed=2)
    rng = np.random.default_rng(3)
    frame = frame.drop("x1", "mode").with_columns(
        new=pl.Series(rng.normal(0, 1, 200)), colour=pl.Series(rng.choice(["red", "blue"], 200))
    )
    task = Task.read(frame, target="y")
    alignment, moved = carried(source, task)
    assert (set(alignment.new), set(alignment.missing)) == ({"new", "colour"}, {"x1", "mode"})
    raw = filled(prepared.encoding, task.rows.raw, len(task.rows))
    np.testing.assert_allclose(
        moved(alignment.encoding.apply(task.rows.raw), cut), root(prepared.encoding.apply(raw), cut), atol=2e-5
    )


def test_a_new_category_starts_as_an_unknown_one(source):
    prepared, root = source
    frame = table(200, seed=4).with_columns(site=pl.col("site").replace({"c": "d"}))
    task = Task.read(frame, target="y")
    alignment, moved = carried(source, task)
    assert alignment.encoding.code_columns[0].vocabulary[-1] == "d"
    np.testing.assert_allclose(
        moved(alignment.encoding.apply(task.rows.raw), Cut(2, WIDTHS)),
        root(prepared.encoding.apply(task.rows.raw), Cut(2, WIDTHS)),
        atol=2e-5,
    )


def test_a_smaller_cut_and_another_head(source):
    prepared, root = source
    task = Task.read(table(200, seed=5), target="y")
    alignment, moved = carried(source, task, Cut(1, (4,)), affine_head(2.0, -3.0))
    theirs = root(prepared.encoding.apply(task.rows.raw), Cut(1, (4,)))
    ours = moved(alignment.encoding.apply(task.rows.raw), Cut(1, (4,)))
    np.testing.assert_allclose(ours, 2 * theirs - 3, atol=5e-5)


def test_values_beyond_the_source_range_are_not_clipped(source):
    prepared, _ = source
    frame = table(200, seed=6).with_columns(x0=pl.col("x0") + 100)
    alignment = align(prepared.encoding, Task.read(frame, target="y").encoding)
    place = alignment.encoding.numeric_features.index("x0")
    assert alignment.encoding.high[place] > 90


def test_classes_keep_their_outputs():
    head = class_head(("a", "b", "c"), ("c", "d", "a"))
    np.testing.assert_array_equal(np.array([[1.0, 2.0, 3.0]]) @ head.matrix + head.bias, [[3.0, 0.0, 1.0]])


def test_columns_of_other_kinds_do_not_match_and_none_is_an_error(source):
    prepared, _ = source
    frame = table(60, seed=7).select("y", x0=pl.col("site"), other=pl.col("x2"))
    with pytest.raises(TransferError, match="share a column by name and kind"):
        align(prepared.encoding, Task.read(frame, target="y").encoding)
    alignment = align(prepared.encoding, Task.read(table(60, seed=8).drop("x0"), target="y").encoding)
    assert (alignment.numeric != NEW).all()


def test_a_source_without_categories_serves_a_table_with_some():
    prepared = prepare(Task.read(table().drop("site", "mode"), target="y"), seed=0, teacher_s=None)
    data, basis = prepared.data, prepared.bases["quantile"]
    a = Architecture(4, (), 1, basis="quantile", bins=32, token=2, category=1, widths=WIDTHS)
    (root,) = NestedTraining(NestedRecipe(a, (2, 4, 8), batch=64), data, basis, seed=0).train(20)
    task = Task.read(table(200, seed=9), target="y")
    alignment, moved = carried((prepared, root), task)
    assert set(alignment.new) == {"site", "mode"}
    np.testing.assert_allclose(
        moved(alignment.encoding.apply(task.rows.raw), WHOLE),
        root(prepared.encoding.apply(task.rows.raw), WHOLE),
        atol=2e-5,
    )


def test_bins_are_of_the_source_and_of_the_target(source):
    prepared, root = source
    task = Task.read(table(60, seed=10).with_columns(x0=pl.col("x0") * 3 + 50), target="y")
    alignment = align(prepared.encoding, task.encoding)
    own = prepare(task, seed=1, teacher_s=None).bases["quantile"]
    merged = aligned_basis(root.basis, own, alignment)
    moved = moved_edges(root.basis, own, alignment)
    for j, edges in enumerate(merged.edges):
        assert len(edges) <= 33
        assert (np.diff(edges) > 0).all()
        assert edges[0] == pytest.approx(min(own.edges[j][0], moved.edges[j][0]), abs=1e-3)
        assert edges[-1] == pytest.approx(max(own.edges[j][-1], moved.edges[j][-1]), abs=1e-3)


def test_a_root_on_merged_bins_says_nearly_the_same(source):
    prepared, root = source
    task = Task.read(table(200, seed=11), target="y")
    alignment = align(prepared.encoding, task.encoding)
    basis = aligned_basis(root.basis, prepare(task, seed=1, teacher_s=None).bases["quantile"], alignment)
    made = carried_root(root, alignment, basis, WHOLE, affine_head(1.0, 0.0), np.random.default_rng(0))
    a = carried_architecture(root.recipe.architecture, alignment, basis, 1)
    moved = NestedRoot(NestedRecipe(a, (2, 4, 8)), {name: value[None] for name, value in made.items()}, basis)
    ours = moved(alignment.encoding.apply(task.rows.raw), WHOLE)
    theirs = root(prepared.encoding.apply(task.rows.raw), WHOLE)
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.1 * theirs.std()
