"""The steps of a model: their bytes are its size, and an untrained architecture has the same steps as its network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import Shape, random_model
from test_onnx import SHAPES

from netgraft.runtime import Architecture, Encoding, Network, Trees
from netgraft.runtime.layers import LayerShape, architecture_layers, layers, mean_leaf_depth, size_bytes


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(0, 10**6))
def test_bytes_of_the_steps_are_the_size_of_the_model(shape: Shape, seed: int) -> None:
    model = random_model(shape, seed)
    steps = layers(model)
    assert sum(step.weight_bytes for step in steps) == model.size_bytes
    assert sum(step.weights for step in steps) == model.parameters
    assert min(min(s.inputs, s.rows, s.weights, s.operations, s.depth, s.held) for s in steps) >= 0


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(0, 10**6))
def test_untrained_architecture_has_the_steps_of_its_network(shape: Shape, seed: int) -> None:
    model = random_model(replace(shape, parts=("network",)), seed)
    (part,) = model.parts
    assert isinstance(part, Network)
    bins = part.tensors.get("bins")
    assert architecture_layers(part.architecture, model.encoding.columns, model.output.kind, bins) == layers(model)
    assert size_bytes(part.architecture, model.encoding, bins, model.output.kind) == model.size_bytes


def test_steps_of_a_small_network_by_hand() -> None:
    architecture = Architecture(2, (), 1, "quantile", 4, 2, 4, (8,), 1, "relu", True)
    column = np.zeros(2, np.float32)
    encoding = Encoding(tuple(random_columns()), column, column + 1, column, column)
    assert architecture_layers(architecture, encoding.columns, "regression") == [
        LayerShape("input", 1, 1, weights=4, weight_bytes=16, operations=4),
        LayerShape("input", 1, 1, weights=4, weight_bytes=16, operations=4),
        # edges 2 (4 + 1), bins 2, projection 8 x 2
        LayerShape("piecewise", 8, 4, weights=28, weight_bytes=112, operations=48),
        LayerShape("dense", 4, 1, weights=4, weight_bytes=16, operations=9),
        LayerShape("dense", 4, 8, weights=40, weight_bytes=160, operations=72, held=1),
        LayerShape("activation", 8, 8, operations=8, held=1),
        # head 8 + 1, and the five numbers of a regression's output
        LayerShape("dense", 8, 1, weights=14, weight_bytes=56, operations=18, held=1),
    ]


def random_columns() -> list:
    from netgraft.runtime import Column

    return [Column("a", "numeric"), Column("b", "numeric")]


def test_depth_of_trees_is_the_mean_over_their_leaves() -> None:
    tensors = {
        "root": np.array([0, 1], np.int32),
        "feature": np.array([-1, 0, -1, 0, -1, -1], np.int16),
        "value": np.zeros(6, np.float32),
        "left": np.array([0, 2, 0, 4, 0, 0], np.int32),
        "order": np.zeros(0, np.float32),
    }
    assert mean_leaf_depth(Trees((), 2, tensors)) == (1 + 2 + 2) / 3
    assert mean_leaf_depth(Trees((), 2, tensors | {"root": np.zeros(2, np.int32)})) == 0
