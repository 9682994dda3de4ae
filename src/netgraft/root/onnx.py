"""One ONNX graph per model, from raw columns to the prediction and calibrated probabilities.

Every column is one input [N, 1] of its own name: float32 (NaN missing) for numbers, booleans and codes; string (empty
missing) for categories; int64 seconds since 1970 for date-times. Outputs are ``prediction`` (float32 [N, 1] for
regression, the label [N] for classification) and, for classification, ``probabilities`` (float32 [N, c]). An output
whose name a column has already gets underscores at its end. The graph computes in float32.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from netgraft.errors import TableError
from netgraft.root.onnx_graph import IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET, EncodedInputs, Graph, input_names
from netgraft.root.onnx_parts import network_outputs, trees_outputs
from netgraft.runtime import Model, Network
from netgraft.runtime.model import Part, TablePart, table_part


def to_onnx(model: Model) -> onnx.ModelProto:
    """Return the model as one ONNX graph that computes the same as `Model.predict`.

    Raises:
        ModelError: a column has no name.
    """
    graph = Graph(tuple(column.name for column in model.encoding.columns))
    inputs = EncodedInputs(graph, model.encoding)
    made = _classification(graph, inputs, model) if model.output.classes else _regression(graph, inputs, model)
    names = output_names(model)
    for (value, _, _), name in zip(made, names, strict=True):
        graph.rename(value, name)
    outputs = [
        helper.make_tensor_value_info(name, kind, shape) for name, (_, kind, shape) in zip(names, made, strict=True)
    ]
    built = helper.make_graph(graph.nodes, "netgraft", inputs.inputs(), outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
    proto = helper.make_model(built, opset_imports=opsets, ir_version=IR_VERSION, producer_name="netgraft")
    helper.set_model_props(proto, _properties(model))
    return proto


def onnx_inputs(model: Model, raw: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return what a session of the exported model takes, from raw columns; each array [n, 1].

    Raises:
        TableError: a column is missing.
    """
    feeds = {}
    types: dict[str, Any] = {"categorical": object, "datetime": np.int64}
    names = input_names(model.encoding)
    for column in model.encoding.columns:
        if column.name not in raw:
            raise TableError(f"the table must have the column {column.name!r}, which the model was trained on")
        cells = np.asarray(raw[column.name], types.get(column.kind, np.float32))
        feeds[names[column.name]] = cells.reshape(-1, 1)
    return feeds


def output_names(model: Model) -> list[str]:
    """Return the names of the graph's outputs: the prediction and, for classification, the probabilities."""
    taken = set(input_names(model.encoding).values())
    names = []
    for name in ("prediction", "probabilities")[: 2 if model.output.classes else 1]:
        while name in taken:
            name += "_"  # noqa: PLW2901
        names.append(name)
    return names


def _properties(model: Model) -> dict[str, str]:
    """Return the texts stored beside the graph."""
    texts = {"target": str(model.about.get("target", "")), "kind": model.output.kind}
    return texts | {"classes": json.dumps(list(model.output.classes), ensure_ascii=False)}


def _outputs(graph: Graph, inputs: EncodedInputs, part: TablePart, gain: float, shift: float) -> str:
    """Return ``gain * outputs + shift`` of a part: [N, c], or [k, N, c] of several members."""
    if isinstance(part, Network):
        return network_outputs(graph, inputs, part, gain, shift)
    return trees_outputs(graph, inputs, part, gain, shift)


def _members(part: Part) -> int:
    return part.architecture.members if isinstance(part, Network) else 1


def _regression(graph: Graph, inputs: EncodedInputs, model: Model) -> list[tuple[str, int, list[str | int]]]:
    """Return the prediction: value, type, shape."""
    output = model.output
    # half of the logarithm is what `_expm1` takes
    unit = 0.5 if output.log1p else 1.0
    parts = []
    for i, (part, weight) in enumerate(zip(model.parts, model.mixture, strict=True)):
        shift = unit * output.mean if i == 0 else 0.0
        value = _outputs(graph, inputs, table_part(part), unit * output.scale * float(weight), shift)
        if _members(part) > 1:
            value = graph.add("ReduceMean", value, axes=[0], keepdims=0)
        parts.append(value)
    total = graph.add("Sum", *parts) if len(parts) > 1 else parts[0]
    if output.log1p:
        total = _expm1(graph, total)
    if np.isfinite(output.low) or np.isfinite(output.high):
        total = graph.add("Clip", total, graph.constant(output.low), graph.constant(output.high))
    return [(total, TensorProto.FLOAT, ["N", 1])]


def _expm1(graph: Graph, half: str) -> str:
    """Return ``exp(x) - 1`` of halves of x as ``2 exp(x / 2) sinh(x / 2)``, exact for small x too."""
    # below -20 in halves the result is -1 in float32, and the product of a vanishing and a huge number must not be made
    kept = graph.add("Max", half, graph.constant(-20))
    product = graph.add("Mul", graph.add("Exp", kept), graph.add("Sinh", kept))
    return graph.add("Add", product, product)


def _classification(graph: Graph, inputs: EncodedInputs, model: Model) -> list[tuple[str, int, list[str | int]]]:
    """Return the label and the probabilities: value, type, shape of each."""
    parts = []
    for part, weight in zip(model.parts, model.mixture, strict=True):
        value = graph.add(
            "Softmax", _outputs(graph, inputs, table_part(part), 1 / model.output.temperature, 0.0), axis=-1
        )
        if _members(part) > 1:
            value = graph.add("ReduceMean", value, axes=[0], keepdims=0)
        parts.append(graph.add("Mul", value, graph.constant(weight)) if weight != 1 else value)
    total = graph.add("Sum", *parts) if len(parts) > 1 else parts[0]
    labels, kind = _labels(model.output.classes)
    label = graph.add("Gather", graph.constant(*labels), graph.add("ArgMax", total, axis=1, keepdims=0))
    return [(label, kind, ["N"]), (total, TensorProto.FLOAT, ["N", len(model.output.classes)])]


def _labels(classes: tuple[Any, ...]) -> tuple[tuple[Any, Any], int]:
    """Return the labels with their NumPy type, and their ONNX type."""
    kinds = {type(label) for label in classes}
    if kinds == {bool}:
        return (classes, np.bool_), TensorProto.BOOL
    if kinds == {int}:
        return (classes, np.int64), TensorProto.INT64
    if kinds <= {int, float}:
        return (classes, np.float32), TensorProto.FLOAT
    return ([str(label) for label in classes], object), TensorProto.STRING
