"""Which rows train and which validate, without leakage.

- From 5,000 rows on: one split; a fifth of the rows, at least 2,000 and at most 20,000, validate.
- Below: several splits (four where the rows allow), whose validation rows together cover the table (with time: all but
  the first block), because a search picks noise on a few hundred validation rows.
- Classes are stratified; the only row of a class always trains.
- Groups: no group on both sides. With few groups the sizes are as near as whole groups allow, and a draw is preferred
  that leaves every class in training.
- Time: validation lies strictly after training; rows of one time stay together. Below 5,000 rows the windows expand.
- Groups and time: groups stay whole and those that begin last validate; rows of overlapping groups may then interleave.
  Where all groups overlap one another, time says nothing about groups and they are drawn as without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import TableError
from netgraft.seeds import generator

#: Below so many rows there are several splits.
SMALL = 5_000
_FOLDS, _FOLD_ROWS = 4, 5
_DRAWS = 16
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Row indices of a task's rows, sorted and disjoint; int64."""

    train: Index
    validation: Index


def validation_size(n: int) -> int:
    """Return how many of n >= 5,000 rows validate.

    >>> validation_size(5_000), validation_size(50_000), validation_size(1_000_000)
    (2000, 10000, 20000)
    """
    return min(max(2_000, n // 5), 20_000)


def make_splits(
    n: int,
    *,
    classes: Index | None = None,
    groups: Index | None = None,
    time: NDArray[Any] | None = None,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Return the splits of n rows; see the module's text.

    Args:
        n: the number of rows, at least 2.
        classes: the class of each row, int64 [n].
        groups: the group of each row, int64 [n].
        time: sortable times [n].
        seed: what the draws depend on.

    Raises:
        TableError: there is only one group or one time.
    """
    if groups is not None:
        groups = np.unique(groups, return_inverse=True)[1]
        if groups.max() == 0:
            raise TableError("the group column must have at least two groups, got one")
        begin = None if time is None else _begin(groups, time)
        if begin is None:
            return _group_splits(n, groups, classes, seed)
        time = begin
    if time is not None:
        return _time_splits(n, time)
    return _row_splits(n, classes, seed)


def _split(validates: NDArray[np.bool_]) -> Split:
    """Return the split with these validation rows."""
    return Split(np.flatnonzero(~validates), np.flatnonzero(validates))


def _row_splits(n: int, classes: Index | None, seed: int) -> tuple[Split, ...]:
    """Return splits by row."""
    order = generator(seed, "split").permutation(n)
    if n >= SMALL:
        size = validation_size(n)
        chosen = order[:size] if classes is None else _stratified(order, classes[order], size)
        validates = np.zeros(n, bool)
        validates[chosen] = True
        return (_split(validates),)
    folds = min(_FOLDS, max(2, n // _FOLD_ROWS))
    fold = np.empty(n, np.int64)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    fold[order] = np.arange(n) % folds
    if classes is not None:
        lone = np.bincount(classes)[classes] == 1
        if len(np.unique(fold[~lone])) == folds:
            fold[lone] = -1
    return tuple(_split(fold == k) for k in range(folds))


def _stratified(order: Index, classes: Index, size: int) -> Index:
    """Return about ``size`` of the rows in ``order``, the same share of each class, never all of one."""
    ranked = np.argsort(classes, kind="stable")
    count = np.bincount(classes)
    place = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    exact = count * (size / len(order))
    share = np.floor(exact).astype(np.int64)
    rest = size - int(share.sum())
    share[np.argsort(share - exact, kind="stable")[:rest]] += 1
    share = np.minimum(share, np.maximum(count - 1, 0))
    return order[ranked[place < share[classes[ranked]]]]


def _begin(groups: Index, time: NDArray[Any]) -> Index | None:
    """Return for each row the rank of its group's first time; nothing where all groups overlap or begin together."""
    order = np.lexsort((time, groups))
    first = np.flatnonzero(np.r_[True, np.diff(groups[order]) != 0])
    last = np.r_[first[1:], len(groups)] - 1
    begin, end = time[order[first]], time[order[last]]
    if begin.max() <= end.min() or begin.min() == begin.max():
        return None
    return np.unique(begin, return_inverse=True)[1][groups]


def _time_splits(n: int, time: NDArray[Any]) -> tuple[Split, ...]:
    """Return splits by time."""
    values, counts = np.unique(time, return_counts=True)
    if len(values) < 2:
        raise TableError("the time column must have at least two times, got one")
    before = np.cumsum(counts)[:-1]
    if n >= SMALL:
        cut = values[1 + int(np.argmin(np.abs(before - (n - validation_size(n)))))]
        return (_split(time >= cut),)
    blocks = 1 + min(_FOLDS, max(2, n // _FOLD_ROWS), len(values) - 1)
    wanted = [n * k // blocks for k in range(1, blocks)]
    cuts = sorted({1 + int(np.argmin(np.abs(before - rows))) for rows in wanted})
    edges = [*cuts, len(values)]
    rank = np.searchsorted(values, time)
    return tuple(
        Split(np.flatnonzero(rank < cut), np.flatnonzero((rank >= cut) & (rank < after)))
        for cut, after in pairwise(edges)
    )


def _group_splits(n: int, groups: Index, classes: Index | None, seed: int) -> tuple[Split, ...]:
    """Return splits by group."""
    sizes = np.bincount(groups)
    random = generator(seed, "split")
    table = _class_table(groups, classes, len(sizes))
    if n >= SMALL:
        draws = [_held_out(random.permutation(len(sizes)), sizes, validation_size(n)) for _ in range(_DRAWS)]
        held = min(draws, key=lambda chosen: (_lost(table, chosen), abs(int(sizes[chosen].sum()) - validation_size(n))))
        return (_split(held[groups]),)
    folds = min(_FOLDS, len(sizes))
    fold_of = np.empty(len(sizes), np.int64)
    load = np.zeros(folds, np.int64)
    shuffled = random.permutation(len(sizes))
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[group] = int(np.argmin(load))
        load[fold_of[group]] += sizes[group]
    return tuple(_split(fold_of[groups] == k) for k in range(folds))


def _held_out(order: Index, sizes: Index, wanted: int) -> NDArray[np.bool_]:
    """Return which groups validate: those in order that fit; one more where too few do and enough remains."""
    held = np.zeros(len(sizes), bool)
    total = 0
    for group in order:
        if total + sizes[group] <= 1.05 * wanted and held.sum() < len(sizes) - 1:
            held[group] = True
            total += int(sizes[group])
    free = order[~held[order]]
    smallest = free[int(np.argmin(sizes[free]))]
    is_short = total < wanted / 2 and len(free) > 1
    left = int(sizes.sum()) - total - int(sizes[smallest])
    if not held.any() or (is_short and left * 3 >= sizes.sum()):
        held[smallest] = True
    return held


def _class_table(groups: Index, classes: Index | None, count: int) -> NDArray[np.int64] | None:
    """Return how many rows of each class each group has, int64 [groups, classes]; nothing where that is too large."""
    if classes is None or count * (int(classes.max()) + 1) > 10_000_000:
        return None
    width = int(classes.max()) + 1
    return np.bincount(groups * width + classes, minlength=count * width).reshape(count, width)


def _lost(table: NDArray[np.int64] | None, held: NDArray[np.bool_]) -> int:
    """Return how many classes have no training row."""
    return 0 if table is None else int((table[~held].sum(axis=0) == 0).sum())
