from __future__ import annotations

import numpy as np
import onnx
import pytest

from netgraft.devices import open_session
from netgraft.devices.graphs import onnx_model, raw_row
from netgraft.devices.measure import DESIGN
from netgraft.devices.sketch import Sketch, random_sketches, sketch_layers
from netgraft.seeds import generator


@pytest.mark.parametrize("sketch", [*DESIGN, *random_sketches(12, 5)], ids=str)
def test_every_sketch_is_a_model_that_runs(sketch: Sketch):
    model = onnx_model(sketch, generator(0, "weights"))
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    *labels, scores = open_session(model).run(None, raw_row(sketch, generator(0, "row")))
    assert scores.shape == (1, sketch.outputs)
    assert np.isfinite(scores).all()
    assert len(labels) == sketch.classify


def test_several_rows_at_once():
    sketch = Sketch(3, strings=2, bins=4, widths=(8,), members=3, skip=True, outputs=2, classify=True)
    row = raw_row(sketch, generator(0, "row"))
    rows = {name: np.repeat(value, 5, axis=0) for name, value in row.items()}
    labels, probabilities = open_session(onnx_model(sketch, generator(0, "weights"))).run(None, rows)
    assert labels.shape == (5,)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)


def test_layers_count_the_weights_that_the_graph_stores():
    sketch = Sketch(6, strings=2, embedding=3, widths=(16, 8), outputs=2, members=3, skip=True)
    stored = onnx.load_from_string(onnx_model(sketch, generator(0, "weights"))).graph.initializer
    graph = sum(int(np.prod(c.dims)) for c in stored if c.data_type == onnx.TensorProto.FLOAT)
    # low, high, center; 0 where missing; the range of the target; the bias of the linear path, part of the head's
    encoding = 3 * 6 + 1 + 2 + 2
    assert sum(layer.weights for layer in sketch_layers(sketch)) == graph - encoding


def test_random_sketches_depend_on_the_seed_alone():
    assert random_sketches(5, 3) == random_sketches(5, 3)
    assert random_sketches(5, 3) != random_sketches(5, 4)
