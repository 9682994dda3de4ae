"""What a model is made of, step by step and in counts alone, so that a device's costs can be told before training.

`layers` reads a model, `architecture_layers` an architecture that nobody has trained yet; for the same network they are
equal. The bytes of all layers sum to the size of the model as stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netgraft.runtime.encoding import Column, Encoding
from netgraft.runtime.model import Model, Network, Trees, table_part
from netgraft.runtime.network import Architecture, tensor_shapes

OutputKind = Literal["regression", "classification"]
StepKind = Literal["input", "datetime", "piecewise", "embedding", "dense", "activation", "softmax", "mean", "trees"]
_NUMBER_BYTES = 4
_ENCODING_NUMBERS = 4  # center, scale, low, high
_OUTPUT_NUMBERS = {"regression": 5, "classification": 1}
#: Additions and multiplications that one value takes: rough counts for functions that are series on most devices.
_ACTIVATION_OPERATIONS = {"relu": 1, "silu": 10, "tanh": 10}
_SINE_OPERATIONS = 10


@dataclass(frozen=True)
class LayerShape:
    """One step of a model as it is run, one row at a time, in float32.

    Attributes:
        kind: ``input`` (one raw column), ``datetime`` (one raw column of date-times), ``piecewise`` (the basis of all
            numeric features and its projection), ``embedding`` (category lookups), ``dense``, ``activation``,
            ``softmax``, ``mean`` (over members) or ``trees``.
        inputs, outputs: numbers read and written by one member; for ``piecewise`` the basis functions are the inputs,
            for ``trees`` the trees.
        rows: ensemble members.
        weights: stored numbers.
        weight_bytes: bytes of the stored numbers.
        operations: additions and multiplications for one row, all members together (a multiply-add counts 2).
        depth: mean depth of a leaf for ``trees``, else 0.
        held: numbers that later layers still need while this one runs, beside its own inputs.
    """

    kind: StepKind
    inputs: int
    outputs: int
    rows: int = 1
    weights: int = 0
    weight_bytes: int = 0
    operations: int = 0
    depth: int = 0
    held: int = 0


def layers(model: Model) -> list[LayerShape]:
    """Return the steps of a model in the order in which they run."""
    made = _inputs(model.encoding.columns)
    classes = model.output.outputs
    encoded = len(model.encoding.numeric_features) + len(model.encoding.cardinalities)
    for i, part in enumerate(model.parts):
        steps = _part(table_part(part), model.output.kind, model.encoding)
        if len(model.parts) > 1:
            # the encoded row waits for the parts to come, the sum of the earlier parts for its end
            waiting = (encoded if i + 1 < len(model.parts) else 0) + (classes if i else 0)
            steps = [replace(step, held=step.held + waiting) for step in steps]
        made += steps
    mixture = len(model.parts) if len(model.parts) > 1 else 0
    return _ended(made, _OUTPUT_NUMBERS[model.output.kind] + mixture, 2 * classes * mixture)


def architecture_layers(
    architecture: Architecture,
    columns: Sequence[Column],
    output_kind: OutputKind,
    bins: NDArray[np.integer] | None = None,
) -> list[LayerShape]:
    """Return the steps of a model of one network of this architecture.

    Args:
        architecture: the network.
        columns: its raw inputs; their vocabularies are not looked at.
        output_kind: regression or classification.
        bins: int [d] bins per feature; each feature has ``architecture.bins`` of them if not given.
    """
    made = _inputs(columns) + _network(architecture, output_kind, bins)
    return _ended(made, _OUTPUT_NUMBERS[output_kind], 0)


def size_bytes(
    architecture: Architecture, encoding: Encoding, bins: NDArray[np.integer] | None, output_kind: OutputKind
) -> int:
    """Return the bytes as stored of a model of one network of this architecture: exactly its ``Model.size_bytes``."""
    numbers = sum(int(np.prod(shape)) for shape in tensor_shapes(architecture, bins).values())
    numbers += _ENCODING_NUMBERS * len(encoding.numeric_features) + _OUTPUT_NUMBERS[output_kind]
    return _NUMBER_BYTES * numbers


def _stored(kind: StepKind, inputs: int, outputs: int, weights: int, operations: int, rows: int = 1) -> LayerShape:
    """Return a layer whose numbers take four bytes each."""
    return LayerShape(kind, inputs, outputs, rows, weights, _NUMBER_BYTES * weights, operations)


def _inputs(columns: Sequence[Column]) -> list[LayerShape]:
    """Return one step per raw column."""
    return [_input(column) for column in columns]


def _input(column: Column) -> LayerShape:
    features = len(column.numeric_features)
    kind: StepKind = "datetime" if column.kind == "datetime" else "input"
    each = (
        8 if column.kind == "datetime" else 4
    )  # clip at both ends, subtract, divide; a date-time also takes a modulus
    return _stored(kind, 1, features, _ENCODING_NUMBERS * features, each * features)


def _ended(steps: list[LayerShape], numbers: int, operations: int) -> list[LayerShape]:
    """Return the steps with the numbers of the output added to the last."""
    last = steps[-1]
    weight_bytes = last.weight_bytes + _NUMBER_BYTES * numbers
    end = replace(
        last, weights=last.weights + numbers, weight_bytes=weight_bytes, operations=last.operations + operations
    )
    return [*steps[:-1], end]


def _part(part: Network | Trees, output_kind: OutputKind, encoding: Encoding) -> list[LayerShape]:
    if isinstance(part, Network):
        return _network(part.architecture, output_kind, part.tensors.get("bins"))
    return _trees(part, output_kind, len(encoding.cardinalities))


def _network(a: Architecture, output_kind: OutputKind, bins: NDArray[np.integer] | None) -> list[LayerShape]:
    """Return the steps of a network; the linear path runs first, so that its tokens need not wait for the end."""
    numbers = {name: int(np.prod(shape)) for name, shape in tensor_shapes(a, bins).items()}
    made = _tokens(a, numbers)
    straight = a.outputs if a.skip else 0
    if a.skip:
        own = numbers["skip"] + (0 if a.depth else numbers["head_bias"])
        made.append(_stored("dense", a.tokens, a.outputs, own, 2 * a.tokens * a.outputs + a.outputs))
    before = a.tokens
    for layer, width in enumerate(a.widths, start=1):
        own = sum(numbers.get(f"{name}_{layer}", 0) for name in ("weight", "bias", "adapter"))
        cost = a.members * (2 * before * width + width + (before if a.members > 1 else 0))
        activation = a.members * width * _ACTIVATION_OPERATIONS[a.activation]
        hidden = [_stored("dense", before, width, own, cost, a.members)]
        hidden.append(_stored("activation", width, width, 0, activation, a.members))
        made += [replace(step, held=straight) for step in hidden]
        before = width
    if a.depth:
        cost = a.members * (2 * before + 1) * a.outputs + (a.members * a.outputs if a.skip else 0)
        head = _stored("dense", before, a.outputs, numbers["head"] + numbers["head_bias"], cost, a.members)
        made.append(replace(head, held=straight))
    return made + _finish(a.outputs, a.members, output_kind)


def _tokens(a: Architecture, numbers: dict[str, int]) -> list[LayerShape]:
    """Return the steps from encoded features and codes to the inputs of the first layer."""
    made = []
    if "projection" in numbers:
        total = numbers["projection"] // a.token
        own = sum(numbers.get(name, 0) for name in ("edges", "frequencies", "bins", "projection"))
        each = _SINE_OPERATIONS if a.basis == "periodic" else 2
        step = _stored("piecewise", total, a.numeric * a.token, own, total * (each + 2 * a.token))
        made.append(replace(step, held=len(a.slots)))
    if a.slots:
        q = len(a.slots)
        step = _stored("embedding", q, q * a.category, numbers["categories"], 0)
        made.append(replace(step, held=a.numeric * a.token))
    return made


def _finish(outputs: int, members: int, output_kind: OutputKind) -> list[LayerShape]:
    """Return the softmax of each member and their mean."""
    made = []
    if output_kind == "classification":
        made.append(LayerShape("softmax", outputs, outputs, members, operations=12 * members * outputs))
    if members > 1:
        made.append(LayerShape("mean", outputs, outputs, members, operations=members * outputs))
    return made


def _trees(part: Trees, output_kind: OutputKind, codes: int) -> list[LayerShape]:
    """Return the steps of boosted trees."""
    made = [_stored("embedding", codes, codes, sum(part.slots), 0)] if codes else []
    root, feature = part.tensors["root"], part.tensors["feature"]
    grown = int((feature[root] >= 0).sum())
    depth = max(1, round(mean_leaf_depth(part)))
    arrays = [part.tensors[name] for name in ("root", "feature", "value", "left")]
    numbers, stored = sum(array.size for array in arrays), sum(array.nbytes for array in arrays)
    made.append(LayerShape("trees", max(1, grown), part.classes, 1, numbers, stored, grown * (depth + 1), depth))
    return made + _finish(part.classes, 1, output_kind)


def mean_leaf_depth(part: Trees) -> float:
    """Return the mean depth of the leaves of all trees that test anything; 0 when none does."""
    feature, left = part.tensors["feature"], part.tensors["left"].astype(np.int64)
    nodes = np.unique(part.tensors["root"]).astype(np.int64)
    nodes = nodes[feature[nodes] >= 0]
    depth, total, leaves = 0, 0, 0
    while len(nodes):
        inner = feature[nodes] >= 0
        total, leaves = total + depth * int((~inner).sum()), leaves + int((~inner).sum())
        nodes = np.concatenate([left[nodes[inner]], left[nodes[inner]] + 1])
        depth += 1
    return total / leaves if leaves else 0.0
