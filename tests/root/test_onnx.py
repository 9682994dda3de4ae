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
from netgraft.root import onnx_parts
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


@pytest.mark.parametrize("way", [onnx_parts.FOLDED, onnx_parts.BLOCK, onnx_parts.EACH])
@pytest.mark.parametrize("members", [1, 3])
def test_every_way_of_projecting_gives_the_same(way: str, members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_parts, "projection_way", lambda _: way)
    for seed in range(5):
        model = random_model(Shape(columns=(*KINDS, "numeric"), members=members, widths=(8, 8)), seed)
        check_parity(model, random_raw(model.encoding, 40, seed))


def test_wide_networks_are_not_multiplied_out() -> None:
    wide = random_model(Shape(columns=("numeric",) * 30, bins=16, token=2, widths=(256,)), 0)
    narrow = random_model(Shape(columns=("numeric",) * 5, bins=4, token=2, widths=(8,)), 0)
    ways = [onnx_parts.projection_way(model.parts[0]) for model in (wide, narrow)]  # type: ignore[arg-type]
    assert ways == [onnx_parts.BLOCK, onnx_parts.FOLDED]
    check_parity(wide, random_raw(wide.encoding, 40, 0))


def test_empty_table_gives_no_predictions() -> None:
    model = random_model(Shape(), 1)
    assert session(to_onnx(model)).run(None, onnx_inputs(model, random_raw(model.encoding, 0, 0)))[0].shape == (0, 1)


def test_date_times_before_1970_and_at_the_edges_of_days() -> None:
    model = random_model(Shape(columns=("datetime", "datetime"), bins=4), 3)
    seconds = np.array([0, -1, 86_399, 86_400, 345_600, -259_200, 31_556_951, 31_556_952, 2_000_000_000], np.int64)
    check_parity(model, dict.fromkeys(("datetime 0", "datetime 1"), seconds))


def test_columns_may_have_the_names_of_outputs_and_values() -> None:
    drawn = random_model(Shape(columns=("numeric", "numeric", "numeric"), classes=("a", "b")), 0)
    names = ("prediction", "probabilities", "ng0")
    columns = tuple(
        Column(name, "numeric", indicator=c.indicator) for name, c in zip(names, drawn.encoding.columns, strict=True)
    )
    encoding = drawn.encoding
    model = Model(
        Encoding(columns, encoding.center, encoding.scale, encoding.low, encoding.high),
        drawn.parts,
        drawn.mixture,
        drawn.output,
    )
    assert output_names(model) == ["prediction_", "probabilities_"]
    check_parity(model, random_raw(model.encoding, 5, 0))


def test_graph_says_what_it_is() -> None:
    proto = to_onnx(random_model(Shape(classes=("ä", "b")), 0))
    properties = {entry.key: entry.value for entry in proto.metadata_props}
    assert proto.producer_name == "netgraft"
    assert (properties["target"], properties["kind"], json.loads(properties["classes"])) == (
        "y",
        "classification",
        ["ä", "b"],
    )
    types = [entry.type.tensor_type.elem_type for entry in proto.graph.input]
    float_, text, time = onnx.TensorProto.FLOAT, onnx.TensorProto.STRING, onnx.TensorProto.INT64
    assert types == [float_, float_, float_, text, time]
    assert [entry.name for entry in proto.graph.output] == ["prediction", "probabilities"]


@pytest.mark.parametrize(
    ("classes", "dtype"), [((False, True), np.bool_), ((3, 7), np.int64), ((0.5, 2.0), np.float32), (("a", 1), object)]
)
def test_labels_keep_their_type(classes: tuple[object, ...], dtype: type) -> None:
    model = random_model(Shape(columns=("numeric",), classes=classes), 0)
    labels = session(to_onnx(model)).run(["prediction"], onnx_inputs(model, random_raw(model.encoding, 4, 0)))[0]
    assert labels.shape == (4,)
    assert labels.dtype == dtype
    assert set(labels.tolist()) <= {str(c) if dtype is object else c for c in classes}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31), st.floats(-1e6, 1e6, width=32), st.floats(width=32, allow_nan=False))
def test_raw_threshold_decides_as_the_standardised_one(seed: int, threshold: float, x: float) -> None:
    rng = np.random.default_rng(seed)
    center, scale = (rng.normal(size=1) * 10.0 ** rng.integers(-3, 6) for _ in range(2))
    arrays = (center, abs(scale) + 1e-3, center - 5 * abs(scale), center + 5 * abs(scale))
    encoding = Encoding((Column("x", "numeric"),), *(a.astype(np.float32) for a in arrays))
    feature, limit = np.zeros(1, np.int64), np.array([threshold], np.float32)
    for t in (limit, encoding.apply({"x": np.array([x], np.float32)}).numeric[0]):
        raw = raw_thresholds(encoding, feature, t)
        near = np.nextafter(raw, np.float32([[-np.inf], [np.inf], [0]])).ravel()
        for value in (np.float32(x), *near, *raw):
            if np.isfinite(value):
                standard = encoding.apply({"x": np.array([value], np.float32)}).numeric[0, 0]
                assert (standard <= t[0]) == (value <= raw[0])


def test_missing_column_is_named() -> None:
    model = random_model(Shape(columns=("numeric", "numeric")), 0)
    with pytest.raises(TableError, match="must have the column 'numeric 1', which the model was trained on"):
        onnx_inputs(model, {"numeric 0": np.zeros(1, np.float32)})


def test_column_without_a_name_is_refused() -> None:
    model = random_model(Shape(columns=("numeric",)), 0)
    encoding = Encoding(
        (Column("", "numeric", indicator=model.encoding.columns[0].indicator),), *model.encoding.arrays().values()
    )
    with pytest.raises(ModelError, match="columns must have names, got ''"):
        to_onnx(Model(encoding, model.parts, model.mixture, model.output))
