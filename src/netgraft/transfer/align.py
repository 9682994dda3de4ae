"""What of an earlier root a task starts from: columns matched by name and kind, and the root's numbers carried over.

A matched column is of the source's kind and has its categories and bins, because the source has seen more rows; it
stays standardised as the target's rows are, so the bins' edges move to the target's scale, which is exact for
piecewise-linear bins. A new column starts neutral: nothing reads its tokens yet. A column that the target lacks is
taken as missing, and what the source computes from a missing value goes into its biases. Another target gets a new
head: the source's outputs times a matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from netgraft.errors import TransferError
from netgraft.root import FINEST_BINS, Architecture, Basis, Cut, NestedRoot, cut_architecture
from netgraft.root.stack import fresh
from netgraft.runtime import Column, Encoding
from netgraft.runtime.encoding import MISSING_TIME, FloatArray

IntArray = NDArray[np.int64]
_NUMBERS = ("numeric", "boolean", "code")
NEW = -1


@dataclass(frozen=True)
class Alignment:
    """How the encoded rows of a target correspond to those of a source.

    Attributes:
        encoding: the target's columns, matched ones of the source's kind and with its categories.
        numeric: int64 [d] the source's numeric feature of each of the target's, or `NEW`.
        slope, shift: float64 [d] take a matched feature from the source's scale to the target's; 1 and 0 for new ones.
        slots: per code column of the target, int64 [slots] the source's row of its category table, or `NEW`.
        code_columns: int64 [q] the source's code column of each of the target's, or `NEW`.
        absent: float32 [source's d] the source's numeric features of a row in which every cell is missing.
        shared, new, missing: names of columns that both have, that only the target has, that only the source has.
    """

    encoding: Encoding
    numeric: IntArray
    slope: NDArray[np.float64]
    shift: NDArray[np.float64]
    slots: tuple[IntArray, ...]
    code_columns: IntArray
    absent: FloatArray
    shared: tuple[str, ...]
    new: tuple[str, ...]
    missing: tuple[str, ...]


def align(source: Encoding, target: Encoding) -> Alignment:
    """Return how a target's columns correspond to a source's.

    Numbers, booleans and codes are of one kind here, categories and date-times of their own; a matched column has the
    source's kind, its vocabulary lengthened by the target's own categories.

    Raises:
        TransferError: no column is shared.
    """
    theirs = {column.name: column for column in source.columns}
    shared = tuple(c.name for c in target.columns if c.name in theirs and alike(theirs[c.name].kind, c.kind))
    if not shared:
        raise TransferError(
            "a source must share a column by name and kind with the table, got none of "
            + ", ".join(repr(column.name) for column in target.columns[:8])
        )
    columns = tuple(_merged(theirs[c.name], c) if c.name in shared else c for c in target.columns)
    numeric, arrays = _numeric_features(source, target, columns, shared)
    code_columns, slots = _category_slots(source, columns, shared)
    encoding = Encoding(columns, *arrays)
    old, scale = numeric != NEW, encoding.scale.astype(np.float64)
    center = np.append(source.center, 0.0)[numeric]  # what is new takes the number appended
    slope = np.where(old, np.append(source.scale, 1.0)[numeric] / scale, 1.0)
    shift = np.where(old, (center - encoding.center) / scale, 0.0)
    return Alignment(
        encoding,
        numeric,
        slope,
        shift,
        slots,
        code_columns,
        source.apply(filled(source, {}, 1)).numeric[0],
        shared,
        tuple(c.name for c in target.columns if c.name not in shared),
        tuple(c.name for c in source.columns if c.name not in shared),
    )


def alike(source: str, target: str) -> bool:
    """Return whether columns of two kinds hold the same kind of cells."""
    return source == target or (source in _NUMBERS and target in _NUMBERS)


def _merged(source: Column, target: Column) -> Column:
    """Return a matched column: the source's, with the target's further categories."""
    known = set(source.vocabulary)
    further = tuple(word for word in target.vocabulary if word not in known) if source.has_code else ()
    return replace(source, vocabulary=(*source.vocabulary, *further))


def _numeric_features(
    source: Encoding, target: Encoding, columns: tuple[Column, ...], shared: tuple[str, ...]
) -> tuple[IntArray, list[FloatArray]]:
    """Return the source's feature of each numeric feature, and center, scale, low, high."""
    of_source = {name: j for j, name in enumerate(source.numeric_features)}
    of_target = {name: j for j, name in enumerate(target.numeric_features)}
    places: list[int] = []
    made: list[tuple[float, ...]] = []
    for column in columns:
        for name in column.numeric_features:
            i, j = of_source.get(name, NEW) if column.name in shared else NEW, of_target.get(name)
            own = None if j is None else [float(a[j]) for a in (target.center, target.scale, target.low, target.high)]
            theirs = None if i == NEW else [float(a[i]) for a in (source.center, source.scale, source.low, source.high)]
            center, scale, low, high = own or theirs or []
            if own and theirs:  # neither the target's few rows nor the source's tell the whole range
                low, high = min(low, theirs[2]), max(high, theirs[3])
            made.append((center, scale, low, high))
            places.append(i)
    table = np.array(made, np.float32).reshape(-1, 4)
    return np.array(places, np.int64), [np.ascontiguousarray(table[:, k]) for k in range(4)]


def _category_slots(
    source: Encoding, columns: tuple[Column, ...], shared: tuple[str, ...]
) -> tuple[IntArray, tuple[IntArray, ...]]:
    """Return the source's code column of each code column, and the source's row of each slot."""
    places = {column.name: q for q, column in enumerate(source.code_columns)}
    starts = np.concatenate([[0], np.cumsum(source.cardinalities)]).astype(np.int64)
    found, slots = [], []
    for column in columns:
        if not column.has_code:
            continue
        size = len(column.vocabulary) + 1
        q = places.get(column.name, NEW) if column.name in shared else NEW
        found.append(q)
        # a category that the source never saw starts as its unknown one
        known = np.arange(size) if q != NEW else np.full(size, NEW)
        if q != NEW:
            known = starts[q] + np.where(known < source.cardinalities[q], known, 0)
        slots.append(known.astype(np.int64))
    return np.array(found, np.int64), tuple(slots)


def filled(encoding: Encoding, raw: Mapping[str, NDArray[Any]], rows: int) -> dict[str, NDArray[Any]]:
    """Return raw columns as an encoding asks for them; columns that are not there, or hold other cells, are missing."""
    made: dict[str, NDArray[Any]] = {}
    for column in encoding.columns:
        cells = raw.get(column.name)
        if column.kind == "categorical":
            usable = cells is not None and cells.dtype.kind in "OU"
            made[column.name] = cells if usable and cells is not None else np.full(rows, "", object)
        elif column.kind == "datetime":
            usable = cells is not None and cells.dtype.kind in "iu"
            made[column.name] = cells if usable and cells is not None else np.full(rows, MISSING_TIME)
        else:
            usable = cells is not None and cells.dtype.kind == "f"
            made[column.name] = cells if usable and cells is not None else np.full(rows, np.nan, np.float32)
    return made


def aligned_basis(source: Basis, target: Basis, alignment: Alignment) -> Basis:
    """Return the target's basis with the source's edges for matched features, on the target's scale.

    Args:
        source: finest, piecewise-linear, of the source's root.
        target: finest, of the same kind, for the aligned encoding.
        alignment: of the two.
    """
    if not target.edges:
        return target
    moved = [
        target.edges[j] if i == NEW else _rising(source.edges[i] * alignment.slope[j] + alignment.shift[j])
        for j, i in enumerate(alignment.numeric)
    ]
    return replace(target, edges=tuple(moved))


def _rising(edges: NDArray[np.float64]) -> FloatArray:
    """Return edges in float32, apart by at least a step of it: as many bins as there were."""
    rising = edges.astype(np.float32)
    for k in range(1, len(rising)):
        rising[k] = max(rising[k], np.nextafter(rising[k - 1], np.float32(np.inf)) + np.float32(1e-6))
    return rising


@dataclass(frozen=True)
class Head:
    """What a target makes of a source's outputs: ``outputs @ matrix + bias``.

    Attributes:
        matrix: float32 [c of the source, c of the target].
        bias: float32 [c of the target].
    """

    matrix: FloatArray
    bias: FloatArray


def class_head(source: tuple[Any, ...], target: tuple[Any, ...]) -> Head:
    """Return the head for other classes: those that both have keep their outputs, new ones start at zero."""
    matrix = np.zeros((len(source), len(target)), np.float32)
    places = {str(label): i for i, label in enumerate(source)}  # a number in one file may be a text in another
    for j, label in enumerate(target):
        if str(label) in places:
            matrix[places[str(label)], j] = 1
    return Head(matrix, np.zeros(len(target), np.float32))


def affine_head(slope: float, bias: float) -> Head:
    """Return the head that moves and scales one output."""
    return Head(np.array([[slope]], np.float32), np.array([bias], np.float32))


def grafted_architecture(root: NestedRoot, alignment: Alignment, cut: Cut, outputs: int) -> Architecture:
    """Return the architecture of a cut of a source's root over the target's columns."""
    smaller = cut_architecture(root.recipe.architecture, cut)
    if not len(alignment.numeric):
        smaller = replace(smaller, basis="linear", bins=1, token=1)
    return replace(smaller, numeric=len(alignment.numeric), slots=alignment.encoding.cardinalities, outputs=outputs)


def grafted(
    root: NestedRoot, alignment: Alignment, basis: Basis, cut: Cut, head: Head, seed: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Return the parameters of a cut of a source's deployed root over the target's columns, by name.

    With no new and no missing column and the identity as the head it computes what the source computes.

    Args:
        root: the source's, of one member.
        alignment: of its encoding and the target's.
        basis: of the target, as `aligned_basis` gives it.
        cut: how much of the root.
        head: of the target.
        seed: for the embeddings of new columns.
    """
    a = grafted_architecture(root, alignment, cut, head.matrix.shape[1])
    theirs = root.recipe.architecture
    given = {name: value[-1] for name, value in root.parameters.items()}
    made = {name: value for name, value in fresh(a, basis, seed).items() if name in ("projection", "categories")}
    old = alignment.numeric != NEW
    if "projection" in made:
        made["projection"][old] = given["projection"][alignment.numeric[old]]
    if "categories" in made and "categories" in given:
        rows = np.concatenate(alignment.slots)
        made["categories"][rows != NEW] = given["categories"][rows[rows != NEW]]
    places = _token_places(alignment, theirs)
    silent, absent = _absent_tokens(root, alignment, given)

    def carried(weights: FloatArray) -> FloatArray:
        """Return what reads tokens, rows of new tokens zero."""
        rows = weights[np.maximum(places, 0)]
        return np.where((places != NEW)[:, None], rows, 0).astype(np.float32)

    for layer, (before, width) in enumerate(pairwise((a.tokens, *cut.widths)), start=1):
        weight, bias = given[f"weight_{layer}"][:, :width], given[f"bias_{layer}"][:width]
        made[f"weight_{layer}"] = carried(weight) if layer == 1 else weight[:before].copy()
        made[f"bias_{layer}"] = bias + absent @ weight[silent] if layer == 1 else bias.copy()
    for depth in range(cut.depth + 1):
        if depth:
            made[f"head@{depth}"] = given[f"head@{depth}"][:, : cut.widths[depth - 1]] @ head.matrix
        skip = given[f"skip@{depth}"]
        made[f"head_bias@{depth}"] = (given[f"head_bias@{depth}"] + absent @ skip[silent]) @ head.matrix + head.bias
        made[f"skip@{depth}"] = carried(skip) @ head.matrix
    return {name: np.ascontiguousarray(value, np.float32) for name, value in made.items()}


def _token_places(alignment: Alignment, theirs: Architecture) -> IntArray:
    """Return the source's token of each of the target's, or `NEW`; int64 [D]."""
    within = np.arange(theirs.token)
    numeric = np.where((alignment.numeric == NEW)[:, None], NEW, alignment.numeric[:, None] * theirs.token + within)
    first, within = theirs.numeric * theirs.token, np.arange(theirs.category)
    columns = alignment.code_columns[:, None]
    named = np.where(columns == NEW, NEW, first + columns * theirs.category + within)
    return np.concatenate([numeric.ravel(), named.ravel()]).astype(np.int64)


def _absent_tokens(
    root: NestedRoot, alignment: Alignment, given: Mapping[str, FloatArray]
) -> tuple[IntArray, FloatArray]:
    """Return the source's tokens of columns that the target lacks, and their values for a missing cell."""
    a = root.recipe.architecture
    lost = np.setdiff1d(np.arange(a.numeric), alignment.numeric)
    if a.basis == "linear":
        numeric = alignment.absent[:, None]
    else:
        values = root.basis.values(torch.from_numpy(alignment.absent[None]))[:, :, 0].numpy()  # [d, finest bins]
        map_ = np.eye(FINEST_BINS, dtype=np.float32)[None] if a.bins == FINEST_BINS else root.basis.refinement(a.bins)
        fine = map_[..., : a.bins] @ given["projection"]  # [d, finest bins, token]
        numeric = np.einsum("db,dbt->dt", values, fine)
    tokens = [lost[:, None] * a.token + np.arange(a.token)]
    found = [numeric[lost]]
    if a.slots:
        starts = np.concatenate([[0], np.cumsum(a.slots)[:-1]]).astype(np.int64)
        gone = np.setdiff1d(np.arange(len(a.slots)), alignment.code_columns)
        tokens.append(a.numeric * a.token + gone[:, None] * a.category + np.arange(a.category))
        found.append(given["categories"][starts[gone]])
    places = np.concatenate([t.ravel() for t in tokens]).astype(np.int64)
    return places, np.concatenate([f.ravel() for f in found]).astype(np.float32)
