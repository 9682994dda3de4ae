"""A source's networks carried over to the columns of a target and to the bins that the target has: one, or a root.

The numbers of a piecewise-linear embedding are differences of a function of one feature between the edges of its bins
(Gorishniy et al. 2022, section 3.2), so a network moves to other bins by reading that function at their edges: exactly
where the edges are the same, else by interpolation. What the function is at the lowest edge, and what the source
computes from columns that the target lacks, goes into biases. A new column starts neutral: nothing reads its tokens
yet.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netgraft.root import FINEST_BINS, Basis, Cut, NestedRoot, extract
from netgraft.root.stack import fresh
from netgraft.runtime import Inputs, Network
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.network import Architecture, tokens
from netgraft.transfer.align import NEW, Alignment, token_places
from netgraft.transfer.head import Head


def carried_architecture(network: Architecture, alignment: Alignment, basis: Basis, outputs: int) -> Architecture:
    """Return the architecture of a source's network over the target's columns.

    Args:
        network: the source's.
        alignment: of the columns.
        basis: piecewise-linear, of the target.
        outputs: of the target.
    """
    moved = replace(network, numeric=len(alignment.numeric), slots=alignment.encoding.cardinalities, outputs=outputs)
    if not moved.slots:
        moved = replace(moved, category=1)
    if network.basis == "linear" or not basis.edges:
        return replace(moved, basis="linear", bins=1, token=1)
    return replace(moved, basis=basis.kind, bins=FINEST_BINS if network.basis == "periodic" else network.bins)


def carried_root(
    root: NestedRoot, alignment: Alignment, basis: Basis, cut: Cut, head: Head, seed: np.random.Generator
) -> dict[str, FloatArray]:
    """Return the parameters of a cut of a source's deployed root over the target's columns, by name.

    Args:
        root: the source's, of one member.
        alignment: of its encoding and the target's.
        basis: finest, piecewise-linear, of the target.
        cut: how much of the root.
        head: of the target.
        seed: for the embeddings of new columns.
    """
    made: dict[str, FloatArray] = {}
    for depth in range(cut.depth, -1, -1):
        whole = carried(extract(root, Cut(depth, cut.widths[:depth])), alignment, basis, head, seed)
        ends = {f"{name}@{depth}": whole.pop(name) for name in ("head", "head_bias") if name in whole}
        made |= ends | {f"skip@{depth}": whole.pop("skip")} | (whole if depth == cut.depth else {})
    return made


def carried(
    network: Network, alignment: Alignment, basis: Basis, head: Head, seed: np.random.Generator
) -> dict[str, FloatArray]:
    """Return the parameters of a source's network over the target's columns, by name.

    With the same columns, bins and outputs it computes what the source computes.

    Args:
        network: the source's.
        alignment: of its encoding and the target's.
        basis: finest, piecewise-linear, of the target.
        head: of the target.
        seed: for the embeddings of new columns.
    """
    theirs, given = network.architecture, network.tensors
    ours = carried_architecture(theirs, alignment, basis, head.matrix.shape[1])
    places = token_places(alignment, theirs)
    read, offset, absent = _read_at_edges(network, alignment, basis, ours)
    made = {n: v for n, v in fresh(ours, basis, seed).items() if n in ("projection", "categories")}
    if "projection" in made:
        old = alignment.numeric != NEW
        made["projection"][old] = np.diff(read[:, old], axis=0).transpose(1, 0, 2)  # [d, bins, token]
    if "categories" in made and "categories" in given:
        rows = np.concatenate(alignment.slots)
        made["categories"][rows != NEW] = given["categories"][rows[rows != NEW]]
    slope = np.ones(ours.tokens, np.float32)
    if ours.basis == "linear" and ours.numeric:
        slope[: ours.numeric] = 1 / alignment.slope

    def inputs(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return weights of the target's tokens, and what the constant part of all tokens adds."""
        rows = np.where((places != NEW)[:, None], weights[np.maximum(places, 0)], 0)
        return rows * slope[:, None], offset @ rows + absent @ weights

    for layer in range(1, ours.depth + 1):
        weight, bias = given[f"weight_{layer}"], given[f"bias_{layer}"]
        adapter = given.get(f"adapter_{layer}")
        if layer > 1:
            made |= {f"weight_{layer}": weight, f"bias_{layer}": bias}
        elif adapter is None:
            made["weight_1"], constant = inputs(weight)
            made["bias_1"] = bias + constant
        else:  # members share the bias, so the constant part can be kept on average only
            made["weight_1"], _ = inputs(weight)
            mean = adapter.mean(axis=0)[:, None]
            made["bias_1"] = bias + inputs(mean * weight)[1]
        if adapter is not None:
            moved = np.where(places != NEW, adapter[:, np.maximum(places, 0)], 1) if layer == 1 else adapter
            made[f"adapter_{layer}"] = moved
    if ours.depth:
        made["head"] = given["head"] @ head.matrix
    made["head_bias"] = given["head_bias"] @ head.matrix + head.bias
    if ours.skip:
        skip, constant = inputs(given["skip"] @ head.matrix)
        made["skip"] = skip
        made["head_bias"] = made["head_bias"] + constant
    return {name: np.ascontiguousarray(value, np.float32) for name, value in made.items()}


def _read_at_edges(
    network: Network, alignment: Alignment, basis: Basis, ours: Architecture
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the source's tokens at the edges of the target's bins, and their constant parts.

    Returns:
        float32 [bins + 1, d, token], zero for new features; float32 [D of the target] at the lowest edge, zero for
        category tokens; float32 [D of the source] the tokens of columns that the target lacks, others zero.
    """
    theirs, known = network.architecture, alignment.numeric != NEW
    places = alignment.numeric[known]
    at = np.tile(alignment.absent, (ours.bins + 1, 1))  # [bins + 1, source's d]
    if ours.basis == "linear":
        at[:, places] = (-alignment.shift / alignment.slope)[known]
    else:
        for j in np.flatnonzero(known).tolist():
            edges = basis.edges[j][basis.chosen(j, ours.bins)].astype(np.float64)
            edges = np.pad(edges, (0, ours.bins + 1 - len(edges)), mode="edge")
            at[:, alignment.numeric[j]] = (edges - alignment.shift[j]) / alignment.slope[j]
    unknown = np.zeros((len(at), len(theirs.slots)), np.int64)
    all_tokens = tokens(theirs, network.tensors, Inputs(np.asarray(at, np.float32), unknown))  # [bins + 1, source's D]
    numeric = all_tokens[:, : theirs.numeric * theirs.token].reshape(len(at), theirs.numeric, theirs.token)
    read = np.zeros((len(at), ours.numeric, ours.token), np.float32)
    if len(places):
        read[:, known] = numeric[:, places]
    offset = np.concatenate([read[0].ravel(), np.zeros(len(ours.slots) * ours.category, np.float32)])
    absent = all_tokens[0].copy()
    kept = token_places(alignment, theirs)
    absent[kept[kept != NEW]] = 0
    return read, offset, absent
