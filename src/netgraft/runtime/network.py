"""An extracted network in NumPy alone: its architecture, its tensors, its arithmetic.

Tensors by name (float32; d numeric features, q code columns, c outputs, k members, D = inputs of the first layer):

==================  =====================================================================================
``edges``           [sum of (bins + 1)] bin edges of the piecewise-linear basis, feature after feature
``bins``            int32 [d] bins per feature
``frequencies``     [d, bins / 2] of the periodic basis, in cycles per standardised unit
``projection``      [sum of bins, token] from a feature's basis to its token
``categories``      [sum of slots, category] one row per category, the unknown slot first in each column
``weight_1`` ...    [inputs, width] of each hidden layer
``bias_1`` ...      [width]
``adapter_1`` ...   [k, inputs] what each member multiplies the layer's input with; absent for one member
``head``            [k, width, c]; absent at depth 0
``head_bias``       [k, c]
``skip``            [D, c] the linear path from the tokens to the outputs; absent without skip
==================  =====================================================================================

The piecewise-linear basis is that of Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular Deep
Learning", section 3.2, eq. (1), with both ends clipped because the encoding clips its features. Members share the
hidden weights in the manner of Gorishniy et al. 2024, "TabM", with the input adapters only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import ModelError
from netgraft.runtime.encoding import FloatArray, Inputs

BASES = ("linear", "quantile", "tree", "periodic")
ACTIVATIONS = ("relu", "silu", "tanh")
_FEW_ROWS = 64
_CALLS_PER_GROUP = 6  # products of single features that take as long as one of a group
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Architecture:
    """The shape of one network.

    Attributes:
        numeric: numeric features d.
        slots: slots of each code column, the unknown slot included.
        outputs: outputs c (1 for regression, classes for classification).
        basis: what a numeric feature becomes before it is projected: itself (``linear``), piecewise-linear bins with
            edges at quantiles or at the thresholds of trees, or sines and cosines (``periodic``).
        bins: largest number of basis functions per feature; 1 for ``linear``.
        token: numbers a numeric feature is projected to; 1 for ``linear``, which has no projection.
        category: numbers per code column.
        widths: units of the hidden layers; their number is the depth.
        members: ensemble members k that share the hidden weights.
        activation: ``relu``, ``silu`` or ``tanh``.
        skip: whether a linear path runs from the tokens to the outputs; always there at depth 0.
    """

    numeric: int
    slots: tuple[int, ...]
    outputs: int
    basis: str = "quantile"
    bins: int = 8
    token: int = 2
    category: int = 4
    widths: tuple[int, ...] = (32,)
    members: int = 1
    activation: str = "relu"
    skip: bool = True

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            ModelError: a basis or activation is unknown, or depth 0 lacks the linear path.
        """
        if self.basis not in BASES:
            raise ModelError(f"a basis must be one of {', '.join(BASES)}, got {self.basis!r}")
        if self.activation not in ACTIVATIONS:
            raise ModelError(f"an activation must be one of {', '.join(ACTIVATIONS)}, got {self.activation!r}")
        if not self.widths and not self.skip:
            raise ModelError("a network of depth 0 must have the linear path, got skip=False")

    @property
    def depth(self) -> int:
        """Return the number of hidden layers."""
        return len(self.widths)

    @property
    def tokens(self) -> int:
        """Return the inputs D of the first layer."""
        return self.numeric * self.token + len(self.slots) * self.category

    def to_json(self) -> dict[str, Any]:
        """Return the architecture as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Architecture:
        """Return the architecture stored by `to_json`.

        Raises:
            ModelError: a field is missing or unknown.
        """
        try:
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
            return Architecture(**fields)
        except TypeError as error:
            raise ModelError(f"an architecture must have the fields of format 1, got {sorted(value)}") from error


def activate(name: str, x: FloatArray) -> FloatArray:
    """Return the activation of x, elementwise, in float32."""
    if name == "relu":
        return np.maximum(x, np.float32(0))
    if name == "tanh":
        return np.tanh(x)
    with np.errstate(over="ignore"):  # exp overflows to infinity, and x over infinity is the 0 it should be
        return (x / (np.float32(1) + np.exp(-x))).astype(np.float32)


def basis_values(architecture: Architecture, tensors: Tensors, numeric: FloatArray) -> FloatArray:
    """Return the basis functions of every feature side by side; float32 [n, sum of bins]."""
    if architecture.basis == "periodic":
        # [n, d, bins / 2]
        angle = np.float32(2 * np.pi) * numeric[:, :, None] * tensors["frequencies"][None]
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=2).reshape(len(numeric), -1)
    lower, inverse, feature = piecewise_bins(tensors["edges"], tensors["bins"])
    values = numeric[:, feature]
    values -= lower
    values *= inverse
    return np.clip(values, np.float32(0), np.float32(1), out=values)


def piecewise_bins(edges: NDArray[Any], bins: NDArray[Any]) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Return for every bin of every feature its lower edge, one over its width, and its feature; each [sum of bins]."""
    feature = np.repeat(np.arange(len(bins)), bins)
    start = np.arange(len(feature)) + feature  # each earlier feature has one edge more than it has bins
    lower = np.asarray(edges, np.float32)[start]
    inverse = np.float32(1) / (np.asarray(edges, np.float32)[start + 1] - lower)
    return lower, inverse.astype(np.float32), feature


def tokens(architecture: Architecture, tensors: Tensors, inputs: Inputs) -> FloatArray:
    """Return the inputs of the first layer: a token per numeric feature, then one per code column; float32 [n, D]."""
    n = len(inputs)
    if architecture.basis == "linear" or architecture.numeric == 0:
        numeric = inputs.numeric
    else:
        basis = basis_values(architecture, tensors, inputs.numeric)
        numeric = projected(basis, tensors["bins"], tensors["projection"])
    if not architecture.slots:
        return numeric
    offset = np.concatenate([[0], np.cumsum(architecture.slots[:-1])]).astype(np.int64)
    named = tensors["categories"][inputs.codes + offset]  # [n, q, category]
    return np.concatenate([numeric, named.reshape(n, -1)], axis=1)


def projected(basis: FloatArray, bins: NDArray[Any], projection: NDArray[Any]) -> FloatArray:
    """Return the tokens of all features: each feature's basis times its rows of the projection; float32 [n, d token].

    One product per feature reads its basis in place. For few rows, where the calls would take most of the time,
    features with equally many bins share one product of copies, if that makes far fewer calls.
    """
    counts = np.asarray(bins, np.int64)
    start = np.cumsum(counts) - counts
    result = np.empty((len(basis), len(counts), projection.shape[1]), np.float32)
    if len(basis) > _FEW_ROWS or _CALLS_PER_GROUP * len(set(counts.tolist())) > len(counts):
        for j, (first, end) in enumerate(zip(start.tolist(), (start + counts).tolist(), strict=True)):
            np.matmul(basis[:, first:end], projection[first:end], out=result[:, j])
        return result.reshape(len(basis), -1)
    for count in np.unique(counts):
        chosen = np.flatnonzero(counts == count)
        rows = start[chosen, None] + np.arange(count)  # [f, bins]
        # [f, n, bins] @ [f, bins, token] -> [n, f, token]
        result[:, chosen] = (basis[:, rows].transpose(1, 0, 2) @ projection[rows]).transpose(1, 0, 2)
    return result.reshape(len(basis), -1)


def forward(architecture: Architecture, tensors: Tensors, inputs: Inputs) -> FloatArray:
    """Return the outputs of every member; float32 [n, k, c]."""
    first = tokens(architecture, tensors, inputs)
    hidden = first[None]  # [k, n, D], or [1, n, D] before the first adapter
    for layer in range(1, architecture.depth + 1):
        if architecture.members > 1:
            hidden = hidden * tensors[f"adapter_{layer}"][:, None, :]
        hidden = hidden @ tensors[f"weight_{layer}"]
        hidden += tensors[f"bias_{layer}"]
        hidden = activate(architecture.activation, hidden)
    outputs = np.broadcast_to(
        tensors["head_bias"][:, None, :], (architecture.members, len(first), architecture.outputs)
    )
    if architecture.depth:
        outputs = outputs + hidden @ tensors["head"]
    if architecture.skip:
        outputs = outputs + first @ tensors["skip"]
    return np.ascontiguousarray(outputs.transpose(1, 0, 2), np.float32)


def tensor_shapes(architecture: Architecture, bins: NDArray[Any] | None = None) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of the network by name.

    Args:
        architecture: the network.
        bins: int [d] bins per feature; each feature has ``architecture.bins`` of them if not given.
    """
    a = architecture
    counts = np.full(a.numeric, a.bins) if bins is None else np.asarray(bins)
    total = int(counts.sum())
    shapes: dict[str, tuple[int, ...]] = {}
    if a.basis != "linear" and a.numeric:
        if a.basis == "periodic":
            shapes["frequencies"] = (a.numeric, a.bins // 2)
        else:
            shapes["edges"] = (total + a.numeric,)
        shapes["bins"] = (a.numeric,)
        shapes["projection"] = (total, a.token)
    if a.slots:
        shapes["categories"] = (sum(a.slots), a.category)
    for layer, (inputs, width) in enumerate(zip((a.tokens, *a.widths[:-1]), a.widths, strict=False), start=1):
        shapes[f"weight_{layer}"] = (inputs, width)
        shapes[f"bias_{layer}"] = (width,)
        if a.members > 1:
            shapes[f"adapter_{layer}"] = (a.members, inputs)
    if a.depth:
        shapes["head"] = (a.members, a.widths[-1], a.outputs)
    shapes["head_bias"] = (a.members, a.outputs)
    if a.skip:
        shapes["skip"] = (a.tokens, a.outputs)
    return shapes


def check_tensors(architecture: Architecture, tensors: Tensors) -> None:
    """Check that the tensors are those of the architecture.

    Raises:
        ModelError: a tensor is missing or has another shape.
    """
    bins = tensors.get("bins")
    if bins is not None and (bins.shape != (architecture.numeric,) or bins.dtype.kind != "i" or (bins < 1).any()):
        raise ModelError(f"a network must have 1 bin or more for each of its {architecture.numeric} numeric features")
    for name, shape in tensor_shapes(architecture, bins).items():
        if name not in tensors:
            raise ModelError(f"a network must have the tensor {name!r}")
        if tuple(tensors[name].shape) != shape:
            raise ModelError(f"tensor {name!r} must have shape {shape}, got {tuple(tensors[name].shape)}")
