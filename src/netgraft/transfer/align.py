"""How the columns of a target and of a source correspond: by name and kind.

A matched column is of the source's kind and has its categories, because the source has seen more rows; it stays
standardised as the target's rows are. Its bins have edges of both. A column that the target lacks is taken as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import TransferError
from netgraft.root import FINEST_BINS, Architecture, Basis
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
    theirs, shared = {column.name: column for column in source.columns}, _shared(source, target)
    columns = tuple(_merged(theirs[c.name], c) if c.name in shared else c for c in target.columns)
    _, arrays = _numeric_features(source, target, columns, shared)
    return _aligned(source, Encoding(columns, *arrays), shared)


def align_with(source: Encoding, encoding: Encoding) -> Alignment:
    """Return how an encoding, as it is, corresponds to a source's: what only the source's kind would give is missing.

    Raises:
        TransferError: no column is shared.
    """
    return _aligned(source, encoding, _shared(source, encoding))


def _shared(source: Encoding, target: Encoding) -> tuple[str, ...]:
    """Return the names of the columns that two encodings share.

    Raises:
        TransferError: there is none.
    """
    theirs = {column.name: column for column in source.columns}
    shared = tuple(c.name for c in target.columns if c.name in theirs and alike(theirs[c.name].kind, c.kind))
    if not shared:
        raise TransferError(
            "a source must share a column by name and kind with the table, got none of "
            + ", ".join(repr(column.name) for column in target.columns[:8])
        )
    return shared


def _aligned(source: Encoding, encoding: Encoding, shared: tuple[str, ...]) -> Alignment:
    """Return how an encoding corresponds to a source's in the shared columns."""
    numeric, _ = _numeric_features(source, encoding, encoding.columns, shared)
    code_columns, slots = _category_slots(source, encoding.columns, shared)
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
        tuple(c.name for c in encoding.columns if c.name not in shared),
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
        q = places.get(column.name, NEW) if column.name in shared else NEW
        found.append(q)
        if q == NEW:
            slots.append(np.full(len(column.vocabulary) + 1, NEW, np.int64))
            continue
        # a category that the source never saw starts as its unknown one
        theirs, known = source.code_columns[q].codes, np.zeros(len(column.vocabulary) + 1, np.int64)
        for word, code in column.codes.items():
            known[code] = theirs.get(word, 0)
        slots.append(starts[q] + known)
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
    """Return the target's basis with edges of the source added for matched features, on the target's scale.

    The source's edges tell where values may lie that the target's few rows lack, so the outermost are kept, and half of
    the others at most, where they lie among the target's own.

    Args:
        source: finest, piecewise-linear, of the source's root.
        target: finest, of the same kind, for the aligned encoding.
        alignment: of the two.
    """
    if not target.edges:
        return target
    found = []
    for j, i in enumerate(alignment.numeric.tolist()):
        own = target.edges[j]
        if i != NEW:
            moved = source.edges[i][source.chosen(i, FINEST_BINS // 2)] * alignment.slope[j] + alignment.shift[j]
            theirs = _near(np.asarray(moved, np.float64), float(own[0]), float(own[-1]))
            kept = own[target.chosen(j, FINEST_BINS - len(theirs))]
            own = _rising(np.sort(np.concatenate([kept, theirs])))
        found.append(own)
    return replace(target, edges=tuple(found))


def _near(edges: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return the edges within bounds and, on either side of them, the two nearest and the last."""
    below, above = edges[edges < low], edges[edges > high]
    kept = [below[:1], below[-2:], edges[(edges >= low) & (edges <= high)], above[:2], above[-1:]]
    return np.unique(np.concatenate(kept))


def _rising(edges: NDArray[np.float64]) -> FloatArray:
    """Return sorted edges in float32 without those that hardly differ from the one before; at least two."""
    rising = np.asarray(edges, np.float32)
    least = 1e-6 * max(1.0, float(np.abs(rising).max()))
    kept = [float(rising[0])]
    for edge in rising[1:].tolist():
        if edge - kept[-1] > least:
            kept.append(edge)
    if len(kept) == 1:
        kept.append(kept[0] + least * 2)
    return np.array(kept, np.float32)


def token_places(alignment: Alignment, theirs: Architecture) -> IntArray:
    """Return the source's token of each of the target's, or `NEW`; int64 [D]."""
    within = np.arange(theirs.token)
    numeric = np.where((alignment.numeric == NEW)[:, None], NEW, alignment.numeric[:, None] * theirs.token + within)
    first, within = theirs.numeric * theirs.token, np.arange(theirs.category)
    columns = alignment.code_columns[:, None]
    named = np.where(columns == NEW, NEW, first + columns * theirs.category + within)
    return np.concatenate([numeric.ravel(), named.ravel()]).astype(np.int64)
