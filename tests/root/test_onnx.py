"""The exported graph computes what the runtime does, for every kind of model and of cell."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import Shape, random_model, random_raw

from netgraft.errors import ModelError, TableError
from netgraft.root.onnx import onnx_inputs, output_names, to_onnx
from netgraft.root.onnx_parts import raw_thresholds
from netgraft.runtime import Column, Encoding, Model
from netgraft.runtime.network import ACTIVATIONS, BASES

KINDS = ("numeric", "boolean", "code", "categorical", "datetime")
SHAPES = st.builds(
    Shape,
    columns=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6).map(lambda kinds: (*kinds, "numeric")),
    parts=st.lists(st.sampled_from(["network", "trees"]), min_size=1, max_size=3).map(tuple),
    classes=st.sampled_from([(), (), ("no", "yes"), (False, True), (1, 2, 5), (0.5, 1.5, 2.5), ("ä", "b", "c")]),
    log1p=st.booleans(),
    basis=st.sampled_from(BASES),
    bins=st.sampled_from([2, 4, 8]),
    token=st.integers(1, 3),
    category=st.integers(1, 4),
    widths=st.lists(st.sampled_from([4, 16, 40]), max_size=3).map(tuple),
    members=st.sampled_from([1, 1, 2, 5]),
    activation=st.sampled_from(ACTIVATIONS),
    skip=st.booleans(),
)


def session(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def check_parity(model: Model, raw: dict[str, np.ndarray], tolerance: float = 1e-5) -> None:
    proto = to_onnx(model)
    onnx.checker.check_model(proto, full_check=True)
    results = session(proto).run(output_names(model), onnx_inputs(model, raw))
    expected = model.predict(raw)
    if model.output.kind == "regression":
        scale = max(model.output.scale, float(np.abs(expected.values).max(initial=0)))
        assert results[0].shape == (len(expected.values), 1)
        assert results[0].dtype == np.float32
        np.testing.assert_allclose(results[0][:, 0], expected.values, rtol=0, atol=tolerance * scale)
        return
    assert expected.probabilities is not None
    np.testing.assert_allclose(results[1], expected.probabilities, rtol=0, atol=tolerance)
    ordered = np.sort(expected.probabilities, axis=1)
    sure = ordered[:, -1] - ordered[:, -2] > 2 * tolerance
    labels = np.array(model.output.classes, dtype=object)[expected.values]
    assert (results[0].astype(object) == labels)[sure].all()


@settings(max_examples=150, deadline=None)
@given(SHAPES, st.integers(0, 2**31), st.sampled_from([1, 2, 60]))
def test_graph_predicts_what_the_runtime_does(shape: Shape, seed: int, rows: int) -> None:
    model = random_model(shape, seed)
    check_parity(model, random_raw(model.encoding, rows, seed + 1))
