"""The laws of carrying a finished network over to other columns and bins."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from moved_edges import moved_edges

from netgraft.lifecycle.prepare import prepare
from netgraft.root import Architecture, to_network
from netgraft.root.stack import fresh
from netgraft.runtime import Network
from netgraft.runtime.network import forward
from netgraft.tables import Task
from netgraft.transfer.align import align, align_with, filled
from netgraft.transfer.carry import carried, carried_architecture
from netgraft.transfer.head import affine_head, class_head


def table(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = {f"x{i}": rng.normal(i, 1 + i, rows) for i in range(3)}
    frame["site"] = rng.choice(["a", "b", "c"], rows)
    frame["mode"] = rng.choice(["on", "off"], rows)
    frame["y"] = frame["x0"] + 2 * (frame["site"] == "a") + 0.1 * frame["x1"] * (frame["mode"] == "on")
    return pl.DataFrame(frame)


@pytest.fixture(scope="module")
def source():
    return prepare(Task.read(table(), target="y"), seed=0, teacher_s=None)


def inside(frame):
    """Return rows within the ranges that the source saw: beyond them a linear token is no longer clipped."""
    seen = table()
    return frame.with_columns(
        pl.col(n).clip(seen[n].min(), seen[n].max()) for n in seen.columns if n[0] == "x" and n in frame.columns
    )


def network_of(source, **given):
    """Return a network over the source's columns with random numbers in every tensor."""
    data = source.data
    shape = {"basis": "quantile", "bins": 8, "token": 2, "category": 4, "widths": (8, 4), "members": 1, **given}
    a = Architecture(data.inputs.numeric.shape[1], data.slots, shape.pop("outputs", 1), **shape)
    rng = np.random.default_rng(1)
    basis = source.bases[a.basis]
    made = {name: value + rng.normal(0, 0.1, value.shape) for name, value in fresh(a, basis, rng).items()}
    if a.basis in ("quantile", "tree"):  # what lies beyond a feature's own bins is padding
        for j, count in enumerate(basis.counts(a.bins)):
            made["projection"][j, count:] = 0
    return to_network(a, basis, {name: value.astype(np.float32) for name, value in made.items()})


def moved(network, source, task, head=None, own_bins=False):
    """Return the alignment and the network carried over to a task."""
    own = prepare(task, seed=1, teacher_s=None)
    alignment = align_with(source.encoding, own.encoding) if own_bins else align(source.encoding, own.encoding)
    basis = own.bases["quantile"]
    basis = basis if own_bins else moved_edges(source.bases["quantile"], basis, alignment)
    head = head or affine_head(1.0, 0.0)
    a = carried_architecture(network.architecture, alignment, basis, head.matrix.shape[1])
    return alignment, to_network(a, basis, carried(network, alignment, basis, head, np.random.default_rng(2)))


def compared(network, source, task, **how):
    """Return the outputs of the carried network and of the source's, on the task's rows."""
    alignment, ours = moved(network, source, task, **how)
    raw = filled(source.encoding, task.rows.raw, len(task.rows))
    theirs = forward(network.architecture, network.tensors, source.encoding.apply(raw))
    encoded = alignment.encoding.apply(task.rows.raw)
    return forward(ours.architecture, ours.tensors, encoded), theirs


SHAPES = [
    {},
    {"widths": ()},
    {"basis": "linear", "bins": 1, "token": 1},
    {"bins": 32, "members": 4},
    {"widths": (16,), "skip": False, "activation": "silu"},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_same_columns_and_edges_compute_the_same(source, shape):
    task = Task.read(inside(table(200, seed=1)).select(["mode", "x2", "y", "x0", "site", "x1"]), target="y")
    ours, theirs = compared(network_of(source, **shape), source, task)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "members" not in shape])
def test_a_column_that_is_lacking_counts_as_missing_and_a_new_one_as_nothing(source, shape):
    rng = np.random.default_rng(3)
    frame = (
        table(200, seed=2)
        .drop("x1", "mode")
        .with_columns(new=pl.Series(rng.normal(0, 1, 200)), colour=pl.Series(rng.choice(["red", "blue"], 200)))
    )
    ours, theirs = compared(network_of(source, **shape), source, Task.read(inside(frame), target="y"))
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize(("basis", "bound"), [("quantile", 0.15), ("tree", 0.2), ("periodic", 0.2)])
def test_other_bins_are_read_at_their_edges(source, basis, bound):
    """With 32 bins of the target's own the network says nearly the same as with its own."""
    ours, theirs = compared(
        network_of(source, basis=basis, bins=32), source, Task.read(table(300, seed=5), target="y"), own_bins=True
    )
    gap = np.sqrt(np.mean((ours - theirs) ** 2)) / theirs.std()
    assert gap < bound


def test_words_of_the_own_vocabulary_find_the_source_slots(source):
    frame = table(200, seed=4).with_columns(site=pl.col("site").replace({"a": "z"}))
    ours, theirs = compared(network_of(source), source, Task.read(frame, target="y"), own_bins=False)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    task = Task.read(frame.filter(pl.col("site") != "b"), target="y")
    alignment, carried_over = moved(network_of(source), source, task, own_bins=True)
    place = [c.name for c in alignment.encoding.code_columns].index("site")
    vocabulary = alignment.encoding.code_columns[place].vocabulary
    theirs_of = source.encoding.code_columns[[c.name for c in source.encoding.code_columns].index("site")]
    start = int(np.concatenate([[0], np.cumsum(source.encoding.cardinalities)])[alignment.code_columns[place]])
    wanted = [0, *(theirs_of.codes.get(word, 0) for word in vocabulary)]
    np.testing.assert_array_equal(alignment.slots[place] - start, wanted)
    assert isinstance(carried_over, Network)


def test_another_head_and_other_classes(source):
    task = Task.read(table(100, seed=6), target="y")
    plain, _ = compared(network_of(source), source, task)
    turned, _ = compared(network_of(source), source, task, head=affine_head(2.0, -3.0))
    np.testing.assert_allclose(turned, 2 * plain - 3, atol=1e-3)
    three = network_of(source, outputs=3)
    both, theirs = compared(three, source, task, head=class_head(("p", "q", "r"), ("r", "s", "p")))
    np.testing.assert_allclose(both[:, :, [2, 0]], theirs[:, :, [0, 2]], atol=2e-4)
    np.testing.assert_allclose(both[:, :, 1], 0, atol=1e-6)
