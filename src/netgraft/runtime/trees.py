"""Boosted trees as flat arrays: small to store, exact in float32, run without the library that grew them.

Arrays by name (t trees, N nodes in all; the children of a node stand side by side):

=============  =====================================================================================
``root``       int32 [t] a tree's root node; tree i adds to output ``i % c``
``feature``    int16 [N] feature tested at a node, -1 at a leaf
``value``      float32 [N] threshold (go left when ``x <= value``), or a leaf's output
``left``       int32 [N] left child; the right child is the next node; 0 at a leaf
``order``      float32 [sum of slots] what each category code is read as, so that trees can split on it
=============  =====================================================================================

A tree's features are the d numeric features of the encoding, then the q code columns read through ``order``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import ModelError
from netgraft.runtime.encoding import FloatArray, Inputs

_BLOCK = 65_536  # rows times trees walked at once: what fits the cache
_KINDS = {"root": "i", "feature": "i", "value": "f", "left": "i", "order": "f"}  # array to kind of NumPy type


def tree_features(order: NDArray[Any], slots: tuple[int, ...], inputs: Inputs) -> FloatArray:
    """Return the features that trees test: numeric, then codes read through ``order``; float32 [n, d + q]."""
    if not slots:
        return inputs.numeric
    offset = np.concatenate([[0], np.cumsum(slots[:-1])]).astype(np.int64)
    return np.concatenate([inputs.numeric, np.asarray(order, np.float32)[inputs.codes + offset]], axis=1)


def forward(tensors: Mapping[str, NDArray[Any]], slots: tuple[int, ...], outputs: int, inputs: Inputs) -> FloatArray:
    """Return the summed outputs of all trees; float32 [n, c]."""
    features = tree_features(tensors["order"], slots, inputs)
    total = np.zeros((len(features), outputs), np.float64)
    rows = max(1, _BLOCK // max(1, len(tensors["root"])))
    for start in range(0, len(features), rows):
        total[start : start + rows] = _walk(tensors, features[start : start + rows], outputs)
    return total.astype(np.float32)


def _walk(tensors: Mapping[str, NDArray[Any]], features: FloatArray, outputs: int) -> NDArray[np.float64]:
    """Return the summed leaves of some rows; float64 [n, c]."""
    feature, value, left = (tensors[name] for name in ("feature", "value", "left"))
    node = np.broadcast_to(tensors["root"].astype(np.int64), (len(features), len(tensors["root"]))).copy()  # [n, t]
    for _ in range(len(feature)):
        tested = feature[node]
        inner = tested >= 0
        if not inner.any():
            break
        x = np.take_along_axis(features, np.maximum(tested, 0).astype(np.int64), axis=1)
        node = np.where(inner, left[node] + (x > value[node]), node)
    leaves = value[node].astype(np.float64)
    return leaves.reshape(len(features), -1, outputs).sum(axis=1)


def check_arrays(tensors: Mapping[str, NDArray[Any]], features: int, slots: tuple[int, ...], outputs: int) -> None:
    """Check that the arrays form trees that end, so that a damaged file cannot hang or read out of bounds.

    Args:
        tensors: the arrays by name.
        features: numeric features d.
        slots: slots of each code column.
        outputs: outputs c.

    Raises:
        ModelError: an array is missing or of another type or length, an index is out of range, or a child does not come
            after its parent.
    """
    for name, kind in _KINDS.items():
        if name not in tensors:
            raise ModelError(f"trees must have the array {name!r}")
        if tensors[name].ndim != 1 or tensors[name].dtype.kind != kind:
            raise ModelError(f"trees must have the array {name!r} in one dimension of the right type")
    root, feature, left, order = (tensors[name] for name in ("root", "feature", "left", "order"))
    nodes, features = len(feature), features + len(slots)
    if len(root) % outputs or len(left) != nodes or len(tensors["value"]) != nodes:
        raise ModelError(f"trees must have arrays of {nodes} nodes and a multiple of {outputs} trees, got {len(root)}")
    if len(order) != sum(slots):
        raise ModelError(f"trees must have an order of {sum(slots)} codes, got {len(order)}")
    inner = feature >= 0
    if (feature >= features).any() or (left[inner] <= np.flatnonzero(inner)).any() or (left[inner] + 1 >= nodes).any():
        raise ModelError(f"a tree's nodes must point to later nodes and features below {features}")
    if len(root) and (root.min() < 0 or root.max() >= nodes):
        raise ModelError(f"a tree's root must be from 0 to {nodes - 1}, got {int(root.min())} to {int(root.max())}")
