"""The parts of a model as ONNX nodes: networks and boosted trees, from encoded inputs to outputs.

What is linear and comes in a row is multiplied out in float64 beforehand: the scale of the inputs, the projection of a
basis, adapters and the first layer become one matrix unless that costs many more operations. Members run as the leading
axis [k, N, units], where one product serves them all without a transpose. Basis functions and thresholds are computed
bit for bit as the runtime does, because narrow bins and splits magnify the last bit.

A gain and a shift of the outputs (scale and mean of the target, temperature, mixture) are folded into the last matrices
or the leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.root.onnx_graph import CLIPPED, STANDARD, UNCLIPPED, EncodedInputs, Graph, transform
from netgraft.runtime import Encoding, Network, Trees
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.network import piecewise_bins

DoubleArray = NDArray[np.float64]
#: How numeric features become tokens: the projection multiplied into what follows, as one matrix with zeros between
#: features, or as one small product per feature.
FOLDED, BLOCK, EACH = "folded", "block", "each"
#: Multiply-adds for one row that take as long as a node, and as one small product of many (measured in ONNX Runtime).
_NODE_OPERATIONS = 4_096
_PRODUCT_OPERATIONS = 2_048


@dataclass(frozen=True)
class _First:
    """What the first layer and the linear path read.

    Attributes:
        value: [N, t].
        fold: float64 [t, D], from the value to the tokens; None where the value is the tokens.
    """

    value: str
    fold: DoubleArray | None

    def into(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the matrix from the value, given the one from the tokens; [.., t, outputs]."""
        return weight if self.fold is None else self.fold @ weight


def network_outputs(graph: Graph, inputs: EncodedInputs, part: Network, gain: float, shift: float) -> str:
    """Return ``gain * outputs + shift`` of a network: [N, c] for one member, else [k, N, c]."""
    a = part.architecture
    first = _first(graph, inputs, part)
    bias = gain * _double(part, "head_bias") + shift  # [k, c]
    one = a.members == 1
    straight = ""
    if a.skip:
        matrix = graph.constant(gain * first.into(_double(part, "skip")))
        straight = graph.add("Gemm", first.value, matrix, *([graph.constant(bias[0])] if one else []))
    if one and not a.depth:
        return straight
    if one:
        head = graph.constant(gain * _double(part, "head")[0])
        return graph.add("Gemm", _hidden(graph, first, part), head, straight or graph.constant(bias[0]))
    outputs = graph.constant(bias[:, None, :])  # [k, 1, c]
    if a.depth:
        product = graph.add("MatMul", _members(graph, first, part), graph.constant(gain * _double(part, "head")))
        outputs = graph.add("Add", product, outputs)
    return graph.add("Add", outputs, straight) if straight else outputs


def _double(part: Network, name: str) -> DoubleArray:
    return np.asarray(part.tensors[name], np.float64)


def _hidden(graph: Graph, first: _First, part: Network) -> str:
    """Return the last hidden layer of one member; [N, width]."""
    value = first.value
    for layer in range(1, part.architecture.depth + 1):
        weight = _double(part, f"weight_{layer}")
        matrix = graph.constant(first.into(weight) if layer == 1 else weight)
        value = graph.add("Gemm", value, matrix, graph.constant(part.tensors[f"bias_{layer}"]))
        value = _activation(graph, part.architecture.activation, value)
    return value


def _members(graph: Graph, first: _First, part: Network) -> str:
    """Return the last hidden layer of all members; [k, N, width]."""
    value = first.value
    for layer in range(1, part.architecture.depth + 1):
        weight, adapter = _double(part, f"weight_{layer}"), _double(part, f"adapter_{layer}")
        if layer == 1 and first.fold is not None:
            own = adapter[:, :, None] * weight  # [k, D, width]
            value = graph.add("MatMul", value, graph.constant(first.into(own)))
        else:
            value = graph.add("Mul", value, graph.constant(adapter[:, None, :]))
            value = graph.add("MatMul", value, graph.constant(weight))
        value = graph.add("Add", value, graph.constant(part.tensors[f"bias_{layer}"]))
        value = _activation(graph, part.architecture.activation, value)
    return value


def _activation(graph: Graph, name: str, value: str) -> str:
    if name == "silu":
        return graph.add("Mul", value, graph.add("Sigmoid", value))
    return graph.add({"relu": "Relu", "tanh": "Tanh"}[name], value)


def _first(graph: Graph, inputs: EncodedInputs, part: Network) -> _First:
    """Return what the first layer reads: the basis of the numeric features, then the categories' rows."""
    a, way = part.architecture, projection_way(part)
    blocks, projection = [], np.zeros((0, 0))
    if a.numeric:
        value, projection = _basis(graph, inputs, part, way)
        blocks.append(value)
    if a.slots:
        blocks.append(_categories(graph, inputs, part))
    value = graph.concat(blocks)
    if way != FOLDED:
        return _First(value, None)
    named = len(a.slots) * a.category
    fold = np.zeros((len(projection) + named, a.tokens))
    fold[: len(projection), : a.tokens - named] = projection
    fold[len(projection) :, a.tokens - named :] = np.eye(named)
    return _First(value, fold)


def projection_way(part: Network) -> str:
    """Return the quickest way from the numeric features to what follows the tokens, by multiply-adds and nodes."""
    a = part.architecture
    if a.basis == "linear" or not a.numeric:
        own = a.members * a.tokens * a.widths[0] if a.depth and a.members > 1 else 0
        return FOLDED if own <= 4 * _NODE_OPERATIONS else BLOCK
    total, numeric = len(part.tensors["projection"]), a.numeric * a.token
    columns = a.members * (a.widths[0] if a.depth else 0) + (a.outputs if a.skip else 0)
    named = len(a.slots) * a.category
    after = a.tokens * columns + (_NODE_OPERATIONS if a.members > 1 else 0)
    cost = {
        FOLDED: (total + named) * columns,
        BLOCK: total * numeric + after + _NODE_OPERATIONS,
        EACH: total * a.token + a.numeric * _PRODUCT_OPERATIONS + after + 3 * _NODE_OPERATIONS,
    }
    if a.basis == "periodic":
        del cost[EACH]
    return min(cost, key=lambda way: cost[way])


def _categories(graph: Graph, inputs: EncodedInputs, part: Network) -> str:
    """Return the rows of the category table side by side; [N, q e]."""
    a = part.architecture
    rows = graph.add("Gather", graph.constant(part.tensors["categories"]), inputs.codes(), axis=0)  # [N, q, e]
    return graph.add("Reshape", rows, graph.constant([-1, len(a.slots) * a.category], np.int64))


def _basis(graph: Graph, inputs: EncodedInputs, part: Network, way: str) -> tuple[str, DoubleArray]:
    """Return what the numeric features become, and the matrix that is yet to be multiplied in where it is folded.

    Returns:
        The value [N, t] and float64 [t, numeric tokens]; the tokens and nothing of use where it is not folded.
    """
    a = part.architecture
    if a.basis == "linear":
        return _linear(graph, inputs, way)
    if way == EACH:
        return _projected_each(graph, inputs, part), np.zeros((0, 0))
    projection = _block_projection(part)
    if a.basis == "periodic":
        half = part.tensors["frequencies"].shape[1]
        row = np.arange(a.numeric)[:, None] * 2 * half + np.arange(half)  # [d, half]: the sines of each feature
        value, projection = _waves(graph, inputs, part), projection[np.concatenate([row.ravel(), row.ravel() + half])]
    else:
        lower, inverse, feature = piecewise_bins(part.tensors["edges"], part.tensors["bins"])
        value = _bins(graph, inputs, lower, inverse, feature)
    return (value if way == FOLDED else graph.add("MatMul", value, graph.constant(projection))), projection


def _linear(graph: Graph, inputs: EncodedInputs, way: str) -> tuple[str, DoubleArray]:
    """Return the numeric features as they are; their scale is folded, or their own order restored."""
    order = inputs.order
    if way == FOLDED:
        scale = inputs.encoding.scale[order].astype(np.float64)
        return inputs.numeric(CLIPPED), np.eye(len(order))[order] / scale[:, None]
    return graph.columns(inputs.numeric(STANDARD), np.argsort(order).tolist(), len(order)), np.zeros((0, 0))


def _projected_each(graph: Graph, inputs: EncodedInputs, part: Network) -> str:
    """Return the tokens of the piecewise-linear basis by one product per feature, padded to the same bins; [N, d e]."""
    a, counts = part.architecture, np.asarray(part.tensors["bins"], np.int64)
    lower, inverse, _ = piecewise_bins(part.tensors["edges"], counts)
    most, start = int(counts.max()), np.cumsum(counts) - counts
    # [d, bins]: a feature's last bin stands again where it has fewer, with nothing to add
    row = start[:, None] + np.minimum(np.arange(most), counts[:, None] - 1)
    real = np.arange(most) < counts[:, None]
    feature = np.repeat(np.arange(a.numeric), most)
    value = _bins(graph, inputs, lower[row.ravel()], inverse[row.ravel()], feature)
    value = graph.add("Reshape", value, graph.constant([-1, a.numeric, 1, most], np.int64))
    projection = np.where(real[:, :, None], part.tensors["projection"][row], 0)  # [d, bins, token]
    # [N, d, 1, bins] @ [d, bins, token] -> [N, d, 1, token]
    value = graph.add("MatMul", value, graph.constant(projection))
    return graph.add("Reshape", value, graph.constant([-1, a.numeric * a.token], np.int64))


def _block_projection(part: Network) -> DoubleArray:
    """Return the projections of all features as one matrix, zero between different features; [t, numeric tokens]."""
    a = part.architecture
    feature = np.repeat(np.arange(a.numeric), part.tensors["bins"])
    matrix = np.zeros((len(feature), a.numeric, a.token))
    matrix[np.arange(len(feature)), feature] = part.tensors["projection"]
    return matrix.reshape(len(feature), -1)


def _bins(
    graph: Graph, inputs: EncodedInputs, lower: FloatArray, inverse: FloatArray, feature: NDArray[np.int64]
) -> str:
    """Return the piecewise-linear basis of these bins; [N, bins]."""
    mode = UNCLIPPED if _covers(inputs.encoding, lower, inverse, feature) else STANDARD
    place = np.argsort(inputs.order)[feature].tolist()
    value = graph.columns(inputs.numeric(mode), place, len(inputs.order))
    value = graph.add("Mul", graph.add("Sub", value, graph.constant(lower)), graph.constant(inverse))
    return graph.add("Clip", value, graph.constant(0), graph.constant(1))


def _covers(encoding: Encoding, lower: FloatArray, inverse: FloatArray, feature: NDArray[np.int64]) -> bool:
    """Return whether the bins reach over the range the encoding clips to, so that clipping the basis does both."""
    start, end = (transform(encoding, feature, bound[feature], STANDARD) for bound in (encoding.low, encoding.high))
    below, above = np.clip((start - lower) * inverse, 0, 1), np.clip((end - lower) * inverse, 0, 1)
    return bool((below <= 1e-6).all() and (above >= 1 - 1e-6).all())


def _waves(graph: Graph, inputs: EncodedInputs, part: Network) -> str:
    """Return the periodic basis: all sines, then all cosines; [N, d bins]."""
    frequencies = part.tensors["frequencies"]
    feature = np.repeat(np.arange(frequencies.shape[0]), frequencies.shape[1])
    turned = graph.add("Mul", inputs.numeric(STANDARD), graph.constant(2 * np.pi))
    value = graph.columns(turned, np.argsort(inputs.order)[feature].tolist(), len(inputs.order))
    angle = graph.add("Mul", value, graph.constant(frequencies.ravel()))
    return graph.concat([graph.add("Sin", angle), graph.add("Cos", angle)])


def trees_outputs(graph: Graph, inputs: EncodedInputs, part: Trees, gain: float, shift: float) -> str:
    """Return ``gain * outputs + shift`` of boosted trees; [N, c].

    Splits of numeric features are moved to the raw values, which saves the nodes that standardise: standardising is
    monotone, so every threshold has one raw threshold with the same answer for every float32.
    """
    numeric = len(inputs.order)
    tensors, (tree, node) = part.tensors, _nodes_of_trees(part)
    feature, value = tensors["feature"][node].astype(np.int64), tensors["value"][node].copy()
    leaf, standing = feature < 0, (feature >= 0) & (feature < numeric)
    value[standing] = raw_thresholds(inputs.encoding, feature[standing], value[standing])
    place = np.concatenate([np.argsort(inputs.order), np.arange(numeric, numeric + len(part.slots) + 1)])
    zero_left = standing & (tensors["value"][node] >= 0)  # a missing value is read as 0
    # a node's number within its tree; siblings stand side by side, so the right child is the next one
    starts = np.searchsorted(tree, tree)
    number = np.arange(len(node)) - starts
    key = tree * len(tensors["feature"])
    left = np.where(leaf, 0, np.searchsorted(key + node, key + tensors["left"][node]) - starts)
    modes = np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()
    read = graph.concat(inputs.raw() + inputs.orders(tensors["order"]) if part.slots else inputs.raw())
    return graph.add(
        "TreeEnsembleRegressor",
        read,
        n_targets=part.classes,
        nodes_treeids=tree.tolist(),
        nodes_nodeids=number.tolist(),
        nodes_featureids=np.where(leaf, 0, place[np.maximum(feature, 0)]).tolist(),
        nodes_values=np.where(leaf, 0, value).astype(np.float64).tolist(),
        nodes_modes=modes,
        nodes_truenodeids=left.tolist(),
        nodes_falsenodeids=np.where(leaf, 0, left + 1).tolist(),
        nodes_missing_value_tracks_true=zero_left.astype(np.int64).tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=number[leaf].tolist(),
        target_ids=(tree[leaf] % part.classes).tolist(),
        target_weights=(gain * value[leaf].astype(np.float64)).tolist(),
        base_values=[float(shift)] * part.classes,
    )


def _nodes_of_trees(part: Trees) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tree and the node of every node of every tree, tree after tree, its root first.

    Trees of a single leaf of 0, which stand in for the first of two classes, are left out unless there are no others.
    """
    feature, left = part.tensors["feature"], part.tensors["left"].astype(np.int64)
    node = part.tensors["root"].astype(np.int64)
    tree = np.arange(len(node))
    kept = (feature[node] >= 0) | (part.tensors["value"][node] != 0)
    kept[:1] |= not kept.any()
    tree, node = tree[kept], node[kept]
    trees, nodes = [tree], [node]
    while len(node):
        inner = feature[node] >= 0
        tree = np.repeat(tree[inner], 2)
        node = np.stack([left[node[inner]], left[node[inner]] + 1], axis=1).ravel()
        trees.append(tree)
        nodes.append(node)
    every, places = np.concatenate(trees), np.concatenate(nodes)
    order = np.lexsort((places, every))
    return every[order], places[order]


def raw_thresholds(encoding: Encoding, feature: NDArray[np.int64], threshold: FloatArray) -> FloatArray:
    """Return for splits ``standardised x <= threshold`` the largest raw float32 x that passes, by bisection.

    Args:
        encoding: of the numeric features.
        feature: numeric feature of each split [m].
        threshold: float32 [m].

    Returns:
        float32 [m]; infinity where every x passes, minus infinity where none does.
    """
    low = np.full(len(feature), _ordered(np.float32(-np.inf)))
    high = np.full(len(feature), _ordered(np.float32(np.inf)))
    for _ in range(33):
        middle = (low + high + 1) // 2
        with np.errstate(over="ignore", invalid="ignore"):
            passes = transform(encoding, feature, _unordered(middle), STANDARD) <= threshold
        low, high = np.where(passes, middle, low), np.where(passes, high, np.maximum(low, middle - 1))
    return _unordered(low)


def _ordered(value: FloatArray | np.float32) -> NDArray[np.int64]:
    """Return whole numbers in the order of float32 values."""
    bits = np.asarray(value, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits + 2**31), bits)


def _unordered(place: NDArray[np.int64]) -> FloatArray:
    """Return the float32 values at the places given by `_ordered`."""
    bits = np.where(place < 0, -place - 2**31, place).astype(np.int32)
    return bits.view(np.float32)
