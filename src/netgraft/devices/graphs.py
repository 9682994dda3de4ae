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
    numbers = _numeric_features(graph, sketch)
    last = _tree_scores(graph, sketch, numbers) if sketch.trees else _network(graph, sketch, numbers)
    helper = graph.helper
    if sketch.classify:
        last, label = _probabilities(graph, sketch, last)
        results = [helper.make_tensor_value_info(label, TensorProto.STRING, ["n"])]
    else:
        last, results = _rescaled(graph, sketch, last), []
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
    """Add temperature, softmax, the mean over members and the likeliest label: [n, c] and [n]."""
    temperature = graph.constant(np.asarray(0.7, np.float32))
    probabilities = _mean(graph, sketch, graph.add("Softmax", graph.add("Mul", scores, temperature), axis=-1))
    labels = graph.constant(np.array([f"class-{j}" for j in range(sketch.outputs)], dtype=object))
    return probabilities, graph.add("Gather", labels, graph.add("ArgMax", probabilities, axis=1, keepdims=0))


def _rescaled(graph: _Graph, sketch: Sketch, scores: str) -> str:
    """Add the mean over members and the way back to the target's unit and range: [n, outputs]."""
    scale, center, low, high = (graph.constant(np.asarray(v, np.float32)) for v in (2, 1, -9, 9))
    wide = graph.add("Add", graph.add("Mul", _mean(graph, sketch, scores), scale), center)
    return graph.add("Clip", wide, low, high)


def _mean(graph: _Graph, sketch: Sketch, values: str) -> str:
    """Add the mean over members: [n, k, outputs] -> [n, outputs]."""
    if sketch.members == 1 or sketch.trees:
        return values
    return graph.add("ReduceMean", values, axes=[1], keepdims=0)


def _numeric_features(graph: _Graph, sketch: Sketch) -> str:
    """Add the standardised features [n, d]: clip, standardise, 0 where missing."""
    from onnx import TensorProto

    columns = [graph.feed(f"x{j}", TensorProto.FLOAT) for j in range(sketch.numeric)]
    for j in range(sketch.datetimes):
        columns += _datetime_parts(graph, graph.feed(f"t{j}", TensorProto.INT64), sketch.parts)
    if not columns:
        return ""
    d = sketch.features
    raw = graph.add("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
    low, high = graph.constant(np.full(d, -3, np.float32)), graph.constant(np.full(d, 3, np.float32))
    clipped = graph.add("Min", graph.add("Max", raw, low), high)
    standard = graph.add("Div", graph.add("Sub", clipped, graph.normal(d)), graph.constant(np.full(d, 2, np.float32)))
    zero = graph.constant(np.zeros(1, np.float32))
    return graph.add("Where", graph.add("IsNaN", raw), zero, standard)


def _datetime_parts(graph: _Graph, seconds: str, parts: int) -> list[str]:
    from onnx import TensorProto

    made = [graph.add("Cast", seconds, to=TensorProto.FLOAT)]
    for j in range(parts - 1):
        # sine and cosine of one period share the phase, as the parts of a real date-time do
        if j % 2 == 0:
            period = _DAY_S * (1 + j)
            rest = graph.add("Mod", seconds, graph.constant(np.asarray(period, np.int64)))
            factor = graph.constant(np.asarray(2 * math.pi / period, np.float32))
            phase = graph.add("Mul", graph.add("Cast", rest, to=TensorProto.FLOAT), factor)
        made.append(graph.add("Cos" if j % 2 else "Sin", phase))
    return made


def _network(graph: _Graph, sketch: Sketch, numbers: str) -> str:
    encoded = [_basis(graph, sketch, numbers)] if sketch.bins and numbers else [numbers] if numbers else []
    encoded += [_lookup(graph, sketch)] if sketch.strings else []
    values = graph.add("Concat", *encoded, axis=1) if len(encoded) > 1 else encoded[0]
    straight = graph.add("MatMul", values, graph.normal(sketch.encoded, sketch.outputs)) if sketch.skip else ""
    members, before = sketch.members, sketch.encoded
    if members > 1:
        values = graph.add("Unsqueeze", values, graph.ints(1))
    for width in sketch.widths:
        values = _activation(graph, sketch.activation, _hidden(graph, values, before, width, members))
        before = width
    values = _heads(graph, values, before, sketch.outputs, members)
    if not straight:
        return values
    return graph.add("Add", values, graph.add("Unsqueeze", straight, graph.ints(1)) if members > 1 else straight)


def _basis(graph: _Graph, sketch: Sketch, numbers: str) -> str:
    """Add the basis of each feature (Gorishniy et al. 2022, eq. 1 and 2) and its projection: [n, d token]."""
    d, bins, token = sketch.features, sketch.bins, sketch.token
    # [n, d] -> [n, d, 1] -> [n, d, T]
    wide = graph.add("Unsqueeze", numbers, graph.ints(2))
    if sketch.periodic:
        angle = graph.add("Mul", wide, graph.normal(d, bins // 2))
        filled = graph.add("Concat", graph.add("Sin", angle), graph.add("Cos", angle), axis=2)
    else:
        scaled = graph.add("Mul", graph.add("Sub", wide, graph.normal(d, bins)), graph.normal(d, bins))
        zero, one = (graph.constant(np.asarray(v, np.float32)) for v in (0, 1))
        filled = graph.add("Clip", scaled, zero, one)
    # [n, d, 1, T] @ [d, T, token] -> [n, d, 1, token] -> [n, d token]
    product = graph.add("MatMul", graph.add("Unsqueeze", filled, graph.ints(2)), graph.normal(d, bins, token))
    return graph.add("Reshape", product, graph.ints(-1, d * token))


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
    places = graph.add("Concat", *codes, axis=1) if q > 1 else codes[0]
    # [n, q, e] -> [n, q e]
    named = graph.add("Gather", graph.normal(q * slots, sketch.embedding), places, axis=0)
    return graph.add("Reshape", named, graph.ints(-1, q * sketch.embedding))


def _hidden(graph: _Graph, values: str, inputs: int, outputs: int, members: int) -> str:
    if members == 1:
        return graph.add("Gemm", values, graph.normal(inputs, outputs), graph.normal(outputs))
    adapted = graph.add("Mul", values, graph.normal(members, inputs))
    return graph.add("Add", graph.add("MatMul", adapted, graph.normal(inputs, outputs)), graph.normal(outputs))


def _activation(graph: _Graph, name: str, values: str) -> str:
    if name == "silu":
        return graph.add("Mul", values, graph.add("Sigmoid", values))
    return graph.add({"relu": "Relu", "tanh": "Tanh"}[name], values)


def _heads(graph: _Graph, values: str, inputs: int, outputs: int, members: int) -> str:
    """Add each member's own head: [n, k, outputs], or [n, outputs] for one member."""
    if members == 1:
        return graph.add("Gemm", values, graph.normal(inputs, outputs), graph.normal(outputs))
    # [n, k, 1, width] @ [k, width, outputs] -> [n, k, 1, outputs] -> [n, k, outputs]
    product = graph.add("MatMul", graph.add("Unsqueeze", values, graph.ints(2)), graph.normal(members, inputs, outputs))
    return graph.add("Add", graph.add("Squeeze", product, graph.ints(2)), graph.normal(members, outputs))


def _tree_scores(graph: _Graph, sketch: Sketch, numbers: str) -> str:
    """Add complete trees of the sketch's depth with random splits over numbers and codes."""
    slots = [float(j) for j in range(1, sketch.slots + 1)]
    columns = [numbers] if numbers else []
    columns += [_codes(graph, sketch, j, values_floats=slots) for j in range(sketch.strings)]
    read = graph.add("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
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
