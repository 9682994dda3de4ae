"""Models of random weights in the form in which the product exports them: one ONNX graph, raw columns to prediction.

A sketch names the sizes of a model, and `sketch_layers` describes the same model as layers, so a measured time belongs
to known layers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.devices.sketch import Sketch

OPSET = 17
ML_OPSET = 3
IR_VERSION = 9
_DAY_S = 86_400


class _Graph:
    """Nodes and constants of an ONNX graph while it is built; values are named in order."""

    def __init__(self, rng: np.random.Generator) -> None:
        from onnx import helper, numpy_helper

        self.rng, self.helper, self.numpy_helper = rng, helper, numpy_helper
        self.inputs: list[Any] = []
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def feed(self, name: str, kind: int) -> str:
        self.inputs.append(self.helper.make_tensor_value_info(name, kind, ["n", 1]))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.numpy_helper.from_array(value, name))
        return name

    def normal(self, *shape: int) -> str:
        return self.constant(self.rng.normal(0, 0.3, shape).astype(np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.asarray(values, np.int64))

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(op, list(inputs), [name], **attributes))
        return name


def onnx_model(sketch: Sketch, rng: np.random.Generator) -> bytes:
    """Return the serialised ONNX model a sketch names, with random weights."""
    from onnx import TensorProto

    graph = _Graph(rng)
    last = _tree_scores(graph, sketch) if sketch.trees else _network(graph, sketch)
    helper = graph.helper
    if sketch.classify:
        last, label = _probabilities(graph, sketch, last)
        results = [helper.make_tensor_value_info(label, TensorProto.STRING, ["n"])]
    else:
        low, high = (graph.constant(np.asarray(value, np.float32)) for value in (-9, 9))
        last, results = graph.add("Clip", _mean(graph, sketch, last), low, high), []
    results.append(helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", sketch.outputs]))
    built = helper.make_graph(graph.nodes, "sketch", graph.inputs, results, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    return bytes(helper.make_model(built, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString())


def raw_row(sketch: Sketch, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Return one row of raw columns that the sketch's graph reads; each [1, 1]."""
    row: dict[str, NDArray[Any]] = {}
    for j in range(sketch.numeric):
        row[f"x{j}"] = rng.normal(size=(1, 1)).astype(np.float32)
    for j in range(sketch.datetimes):
        row[f"t{j}"] = rng.integers(0, 2_000_000_000, (1, 1))
    for j in range(sketch.strings):
        row[f"s{j}"] = np.array([[f"category-{rng.integers(sketch.slots)}"]], dtype=object)
    return row


def _probabilities(graph: _Graph, sketch: Sketch, scores: str) -> tuple[str, str]:
    """Add the softmax, the mean over members and the likeliest label: [n, c] and [n]."""
    probabilities = _mean(graph, sketch, graph.add("Softmax", scores, axis=-1))
    labels = graph.constant(np.array([f"class-{j}" for j in range(sketch.outputs)], dtype=object))
    return probabilities, graph.add("Gather", labels, graph.add("ArgMax", probabilities, axis=1, keepdims=0))


def _mean(graph: _Graph, sketch: Sketch, values: str) -> str:
    """Add the mean over members: [k, n, outputs] -> [n, outputs]."""
    if sketch.members == 1 or sketch.trees:
        return values
    return graph.add("ReduceMean", values, axes=[0], keepdims=0)


def _raw_features(graph: _Graph, sketch: Sketch) -> str:
    """Add the numbers and the parts of date-times side by side, NaN where missing: [n, d], or nothing."""
    from onnx import TensorProto

    columns = [graph.feed(f"x{j}", TensorProto.FLOAT) for j in range(sketch.numeric)]
    times = [graph.feed(f"t{j}", TensorProto.INT64) for j in range(sketch.datetimes)]
    if times:
        columns.append(_datetime_parts(graph, _side_by_side(graph, times), sketch))
    return _side_by_side(graph, columns) if columns else ""


def _datetime_parts(graph: _Graph, times: str, sketch: Sketch) -> str:
    """Add the seconds, weekend, sines and cosines of all date-times, NaN where missing: [n, dates parts]."""
    from onnx import TensorProto

    dates, waves = sketch.datetimes, max(1, sketch.parts - 2)
    sines, cosines = waves - waves // 2, waves // 2
    # one phase per sine, shared with the cosine of the same period: [n, dates sines]
    periods = np.repeat(_DAY_S * np.arange(1, sines + 1), dates)
    rest = graph.add("Gather", times, graph.ints(*(list(range(dates)) * sines)), axis=1)
    rest = graph.add("Mod", graph.add("Add", rest, graph.ints(*periods)), graph.ints(*periods))
    rest = graph.add("Div", rest, graph.ints(*np.ones(len(periods), int)))
    turned = graph.add("Mul", graph.add("Cast", rest, to=TensorProto.DOUBLE), graph.constant(2 * math.pi / periods))
    angles = graph.add("Cast", turned, to=TensorProto.FLOAT)
    blocks = [graph.add("Cast", times, to=TensorProto.FLOAT), graph.add("Sin", angles)]
    if cosines:
        chosen = graph.add("Gather", angles, graph.ints(*range(dates * cosines)), axis=1)
        blocks.append(graph.add("Cos", chosen))
    if sketch.parts > 2:
        days = graph.add("Gather", rest, graph.ints(*range(dates)), axis=1)
        blocks.append(graph.add("Cast", graph.add("Greater", days, graph.ints(4)), to=TensorProto.FLOAT))
    absent = graph.add("Equal", times, graph.constant(np.asarray(np.iinfo(np.int64).min)))
    absent = graph.add("Gather", absent, graph.ints(*(list(range(dates)) * sketch.parts)), axis=1)
    return graph.add("Where", absent, graph.constant(np.asarray(np.nan, np.float32)), _side_by_side(graph, blocks))


def _side_by_side(graph: _Graph, values: list[str]) -> str:
    return graph.add("Concat", *values, axis=1) if len(values) > 1 else values[0]


def _standardised(graph: _Graph, sketch: Sketch, raw: str) -> str:
    """Add clipping, centring and 0 where missing; the scale is part of the first matrix: [n, d]."""
    d = sketch.features
    low, high = graph.constant(np.full(d, -3, np.float32)), graph.constant(np.full(d, 3, np.float32))
    centred = graph.add("Sub", graph.add("Min", graph.add("Max", raw, low), high), graph.normal(d))
    return graph.add("Where", graph.add("IsNaN", raw), graph.constant(np.asarray(0, np.float32)), centred)


def _network(graph: _Graph, sketch: Sketch) -> str:
    raw = _raw_features(graph, sketch)
    blocks = [_standardised(graph, sketch, raw)] if raw else []
    if raw and sketch.bins:
        blocks = [_basis(graph, sketch, blocks[0])]
    blocks += [_lookup(graph, sketch)] if sketch.strings else []
    values = _side_by_side(graph, blocks)
    members, before, outputs = sketch.members, sketch.encoded, sketch.outputs
    straight = graph.add("Gemm", values, graph.normal(before, outputs), graph.normal(outputs)) if sketch.skip else ""
    for width in sketch.widths:
        values = _activation(graph, sketch.activation, _hidden(graph, values, before, width, members))
        before = width
    values = _heads(graph, values, before, outputs, members)
    return graph.add("Add", values, straight) if straight else values


def _basis(graph: _Graph, sketch: Sketch, numbers: str) -> str:
    """Add the basis of each feature (Gorishniy et al. 2022, eq. 1 and 2) and its projection: [n, d token]."""
    d, bins = sketch.features, sketch.bins
    # [n, d] -> [n, d T]
    wide = graph.add("Gather", numbers, graph.ints(*np.repeat(np.arange(d), bins // (1 + sketch.periodic))), axis=1)
    if sketch.periodic:
        angle = graph.add("Mul", wide, graph.normal(d * (bins // 2)))
        filled = _side_by_side(graph, [graph.add("Sin", angle), graph.add("Cos", angle)])
    else:
        scaled = graph.add("Mul", graph.add("Sub", wide, graph.normal(d * bins)), graph.normal(d * bins))
        zero, one = (graph.constant(np.asarray(v, np.float32)) for v in (0, 1))
        filled = graph.add("Clip", scaled, zero, one)
    # one matrix, zero between different features, is faster than d small ones
    return graph.add("MatMul", filled, graph.normal(d * (bins - bins % (1 + sketch.periodic)), d * sketch.token))


def _codes(graph: _Graph, sketch: Sketch, column: int, **values: Any) -> str:
    from onnx import TensorProto

    cells = graph.feed(f"s{column}", TensorProto.STRING)
    words = [f"category-{j}" for j in range(sketch.slots)]
    return graph.add("LabelEncoder", cells, domain="ai.onnx.ml", keys_strings=words, **values)


def _lookup(graph: _Graph, sketch: Sketch) -> str:
    """Add the embeddings of all category columns, looked up in one table: [n, q e]."""
    slots, q = sketch.slots + 1, sketch.strings
    codes = [
        _codes(graph, sketch, j, values_int64s=list(range(j * slots + 1, (j + 1) * slots)), default_int64=j * slots)
        for j in range(q)
    ]
    places = _side_by_side(graph, codes)
    # [n, q, e] -> [n, q e]
    named = graph.add("Gather", graph.normal(q * slots, sketch.embedding), places, axis=0)
    return graph.add("Reshape", named, graph.ints(-1, q * sketch.embedding))


def _hidden(graph: _Graph, values: str, inputs: int, outputs: int, members: int) -> str:
    """Add a hidden layer: [n, outputs], or [k, n, outputs] for several members."""
    if members == 1:
        return graph.add("Gemm", values, graph.normal(inputs, outputs), graph.normal(outputs))
    adapted = graph.add("Mul", values, graph.normal(members, 1, inputs))
    return graph.add("Add", graph.add("MatMul", adapted, graph.normal(inputs, outputs)), graph.normal(outputs))


def _activation(graph: _Graph, name: str, values: str) -> str:
    if name == "silu":
        return graph.add("Mul", values, graph.add("Sigmoid", values))
    return graph.add({"relu": "Relu", "tanh": "Tanh"}[name], values)


def _heads(graph: _Graph, values: str, inputs: int, outputs: int, members: int) -> str:
    """Add each member's own head: [k, n, outputs], or [n, outputs] for one member."""
    if members == 1:
        return graph.add("Gemm", values, graph.normal(inputs, outputs), graph.normal(outputs))
    # [k, n, width] @ [k, width, outputs]
    product = graph.add("MatMul", values, graph.normal(members, inputs, outputs))
    return graph.add("Add", product, graph.normal(members, 1, outputs))


def _tree_scores(graph: _Graph, sketch: Sketch) -> str:
    """Add complete trees of the sketch's depth with random splits over raw numbers and codes."""
    slots = [float(j) for j in range(1, sketch.slots + 1)]
    raw = _raw_features(graph, sketch)
    columns = [raw] if raw else []
    columns += [_codes(graph, sketch, j, values_floats=slots) for j in range(sketch.strings)]
    read = _side_by_side(graph, columns)
    inner = 2**sketch.depth - 1
    nodes = 2 * inner + 1
    total = sketch.trees * nodes
    ids = np.tile(np.arange(nodes), sketch.trees)
    trees = np.repeat(np.arange(sketch.trees), nodes)
    leaf = ids >= inner
    return graph.add(
        "TreeEnsembleRegressor",
        read,
        domain="ai.onnx.ml",
        n_targets=sketch.outputs,
        nodes_treeids=trees.tolist(),
        nodes_nodeids=ids.tolist(),
        nodes_featureids=np.where(leaf, 0, graph.rng.integers(0, sketch.features + sketch.strings, total)).tolist(),
        nodes_values=np.where(leaf, 0, graph.rng.normal(size=total)).astype(float).tolist(),
        nodes_modes=["LEAF" if is_leaf else "BRANCH_LEQ" for is_leaf in leaf],
        nodes_truenodeids=np.where(leaf, 0, 2 * ids + 1).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, 2 * ids + 2).tolist(),
        target_treeids=trees[leaf].tolist(),
        target_nodeids=ids[leaf].tolist(),
        target_ids=(trees[leaf] % sketch.outputs).tolist(),
        target_weights=graph.rng.normal(size=int(leaf.sum())).tolist(),
    )
