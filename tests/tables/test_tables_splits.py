"""Splits do not leak: the laws of rows, classes, groups and time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.errors import TableError
from netgraft.tables.splits import Split, make_splits, validation_size

SIZES = st.one_of(st.integers(2, 400), st.integers(4_990, 5_200))
SEEDS = st.integers(0, 2**32)
quick = settings(max_examples=60, deadline=None)


def check(splits: tuple[Split, ...], n: int) -> None:
    assert len(splits) == 1 if n >= 5_000 else len(splits) >= 1
    for split in splits:
        assert len(split.train) > 0
        assert len(split.validation) > 0
        both = np.concatenate([split.train, split.validation])
        assert len(np.unique(both)) == len(both)
        assert both.min() >= 0
        assert both.max() < n


@quick
@given(n=SIZES, seed=SEEDS)
def test_rows_are_covered_once(n: int, seed: int) -> None:
    splits = make_splits(n, seed=seed)
    check(splits, n)
    assert all(len(split.train) + len(split.validation) == n for split in splits)
    if n < 5_000:
        assert sorted(np.concatenate([split.validation for split in splits])) == list(range(n))
    else:
        assert len(splits[0].validation) == validation_size(n)


@quick
@given(n=SIZES, seed=SEEDS, classes=st.integers(1, 30))
def test_every_class_trains(n: int, seed: int, classes: int) -> None:
    y = np.random.default_rng(seed).geometric(0.3, n) % classes
    splits = make_splits(n, classes=y, seed=seed)
    check(splits, n)
    counts = np.bincount(y)
    if (counts > 1).sum() and n > 20:
        for split in splits:
            assert set(np.unique(y[split.train])) == set(np.flatnonzero(counts))
    if n >= 5_000:
        share = np.bincount(y[splits[0].validation], minlength=len(counts)) / validation_size(n)
        assert np.abs(share - counts / n).max() < 0.01


@quick
@given(n=SIZES, seed=SEEDS, count=st.integers(2, 50))
def test_no_group_on_both_sides(n: int, seed: int, count: int) -> None:
    groups = np.random.default_rng(seed).integers(0, count, n) * 7
    groups[:2] = 0, 7
    classes = np.random.default_rng(seed).integers(0, 3, n)
    for given_classes in (None, classes):
        splits = make_splits(n, groups=groups, classes=given_classes, seed=seed)
        check(splits, n)
        for split in splits:
            assert not set(groups[split.train]) & set(groups[split.validation])
            assert len(split.train) + len(split.validation) == n
        if n < 5_000:
            assert sorted(np.concatenate([split.validation for split in splits])) == list(range(n))


@quick
@given(n=SIZES, seed=SEEDS, times=st.integers(2, 1000))
def test_validation_comes_after_training(n: int, seed: int, times: int) -> None:
    time = np.random.default_rng(seed).integers(0, times, n)
    time[:2] = 0, 1
    splits = make_splits(n, time=time, seed=seed)
    check(splits, n)
    for split in splits:
        assert time[split.train].max() < time[split.validation].min()


@quick
@given(n=SIZES, seed=SEEDS, count=st.integers(2, 40), overlap=st.booleans())
def test_groups_stay_whole_with_time(n: int, seed: int, count: int, overlap: bool) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, count, n)
    groups[:2] = 0, 1
    time = random.integers(0, 50, n) + (0 if overlap else 100 * groups)
    splits = make_splits(n, groups=groups, time=time, seed=seed)
    check(splits, n)
    for split in splits:
        assert not set(groups[split.train]) & set(groups[split.validation])
        if not overlap:
            assert time[split.train].max() < time[split.validation].min()


def test_same_seed_same_split_and_another_seed_another() -> None:
    first, again, other = (make_splits(6_000, seed=seed)[0].validation for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_few_large_groups_share_the_rows() -> None:
    groups = np.repeat([0, 1, 2], [5_000, 5_000, 10])
    split = make_splits(len(groups), groups=groups)[0]
    assert len(split.validation) in (5_000, 5_010)
    dominant = np.repeat([0, 1], [9_990, 10])
    split = make_splits(len(dominant), groups=dominant)[0]
    assert {len(split.train), len(split.validation)} == {9_990, 10}


def test_a_draw_that_keeps_every_class_in_training_is_preferred() -> None:
    groups = np.repeat(np.arange(10), 1_000)
    classes = (groups == 3).astype(np.int64)
    for seed in range(20):
        assert 3 in set(groups[make_splits(10_000, groups=groups, classes=classes, seed=seed)[0].train])


@pytest.mark.parametrize("n", [2, 3, 4, 5, 9, 19, 20])
def test_tiny_tables(n: int) -> None:
    for classes in (None, np.arange(n), np.arange(n) % 2, np.r_[0, np.ones(n - 1, np.int64)]):
        check(make_splits(n, classes=classes), n)


def test_one_group_or_one_time() -> None:
    with pytest.raises(TableError, match="the group column must have at least two groups, got one"):
        make_splits(10, groups=np.zeros(10, np.int64))
    with pytest.raises(TableError, match="the time column must have at least two times, got one"):
        make_splits(10, time=np.zeros(10))
