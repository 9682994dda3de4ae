"""Spaces: canonical genes, conditions, restriction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_planted import SPACE

from netgraft.errors import SettingError
from netgraft.search import Choice, MixedSpace, Real

seeds = st.integers(0, 2**32)


@given(seeds)
def test_sampling_mutation_and_crossing_stay_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = SPACE.sample(rng), SPACE.sample(rng)
    for genes in (a, b, SPACE.mutate(a, rng), SPACE.cross(a, b, rng), SPACE.nearest({**a, "depth": 9, "other": 1})):
        assert SPACE.contains(genes)
        assert [name for name in genes if name.startswith("width")] == [
            f"width_{i}" for i in range(1, int(genes["depth"]) + 1)
        ]
        assert ("embedding_size" in genes) == (genes["embedding"] != "none")


@given(seeds)
def test_a_mutation_changes_one_or_two_genes_and_what_depends_on_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    genes = SPACE.sample(rng)
    mutant = SPACE.mutate(genes, rng)
    changed = {name for name in genes if name in mutant and mutant[name] != genes[name]}
    assert 1 <= len(changed) <= 2
    appeared = set(genes) ^ set(mutant)
    assert not appeared or changed & {"depth", "embedding"}


@given(seeds)
def test_a_crossing_takes_each_choice_from_a_parent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = SPACE.sample(rng), SPACE.sample(rng)
    for name, value in SPACE.cross(a, b, rng).items():
        if not isinstance(value, float) and (name in a or name in b):
            assert value in (a.get(name), b.get(name))


@given(seeds)
def test_the_same_generator_gives_the_same_genes(seed: int) -> None:
    one, other = np.random.default_rng(seed), np.random.default_rng(seed)
    a, b = SPACE.sample(one), SPACE.sample(other)
    assert a == b
    assert SPACE.mutate(a, one) == SPACE.mutate(b, other)


def test_codes_lie_between_0_and_1_and_differ_where_genes_differ() -> None:
    rng = np.random.default_rng(0)
    candidates = [SPACE.sample(rng) for _ in range(200)]
    codes = SPACE.encode(candidates)
    assert codes.shape == (200, 17)
    assert codes.min() >= 0.0
    assert codes.max() <= 1.0
    assert len(np.unique(codes, axis=0)) == len({tuple(genes.items()) for genes in candidates})
    assert SPACE.encode([]).shape[0] == 0


def test_ordered_choices_mostly_step_to_a_neighbour() -> None:
    rng = np.random.default_rng(0)
    widths = Choice("width", (4, 8, 16, 32, 64), ordered=True)
    steps = [widths.step(16, rng) for _ in range(400)]
    assert 16 not in steps
    assert sum(step in (8, 32) for step in steps) > 300
    assert {widths.step(4, rng) for _ in range(100)} >= {8, 64}


def test_reals_move_by_factors_and_stay_inside() -> None:
    rng = np.random.default_rng(0)
    rate = Real("rate", 1e-4, 1e-1, log=True)
    moved = np.log10([float(rate.step(1e-4, rng)) for _ in range(300)])
    assert moved.min() >= -4.0
    assert -3.9 < np.median(moved) < -3.5


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"depth": True}, False),
        ({"depth": 1.0}, False),
        ({"depth": 5}, False),
        ({"dropout": 0}, False),
        ({"dropout": 0.6}, False),
        ({"width_2": 8}, False),
        ({"unknown": 1}, False),
    ],
)
def test_contains_asks_for_active_genes_of_the_right_type_only(change: dict[str, Any], holds: bool) -> None:
    genes = SPACE.nearest({"depth": 1, "embedding": "none"})
    assert SPACE.contains({**genes, **change}) is holds


def test_contains_asks_for_the_order_of_the_parameters() -> None:
    genes = SPACE.nearest({})
    assert not SPACE.contains(dict(reversed(genes.items())))
    assert not SPACE.contains({})


def test_nearest_snaps_values_and_fills_gaps() -> None:
    genes = SPACE.nearest({"depth": 9, "width_1": 50, "embedding": "fourier", "learning_rate": 5.0, "dropout": "high"})
    assert genes["depth"] == 4
    assert genes["width_1"] == 64
    assert genes["embedding"] == "none"
    assert genes["learning_rate"] == 0.03
    assert genes["dropout"] == 0.25
    assert SPACE.contains(genes)


def test_restrict_takes_values_and_texts() -> None:
    space = SPACE.restrict("depth", ["2"]).restrict("learning_rate", ["0.001"]).restrict("width_1", [8, "16"])
    rng = np.random.default_rng(1)
    genes = space.sample(rng)
    for _ in range(50):
        genes = space.mutate(genes, rng)
        assert space.contains(genes)
        assert (genes["depth"], genes["learning_rate"]) == (2, 0.001)
        assert genes["width_1"] in (8, 16)
    switch = MixedSpace((Choice("linear", (False, True), ordered=False),)).restrict("linear", ["true"])
    assert switch.sample(rng) == {"linear": True}
    assert switch.mutate({"linear": True}, rng) == {"linear": True}


def test_a_real_with_equal_bounds_is_fixed() -> None:
    space = MixedSpace((Real("rate", 0.5, 0.5), Choice("depth", (1, 2), ordered=True)))
    rng = np.random.default_rng(0)
    assert space.sample(rng)["rate"] == 0.5
    assert space.encode([space.sample(rng)]).shape == (1, 1)


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("dept", [1], "a setting must be one of activation, .*, got 'dept'; the nearest is 'depth'"),
        ("depth", ["7"], "depth must be one of 1, 2, 3, 4, got '7'"),
        ("depth", [], "depth must be given one or more values, got none"),
        ("activation", ["rely"], "activation must be one of relu, silu, tanh, got 'rely'; the nearest is 'relu'"),
        ("dropout", ["0.9"], "dropout must be a number from 0 to 0.5, got '0.9'"),
        ("dropout", ["much"], "dropout must be a number from 0 to 0.5, got 'much'"),
    ],
)
def test_restrict_says_what_is_possible(name: str, values: list[Any], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        SPACE.restrict(name, values)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Choice("depth", (), ordered=True), r"depth must have one or more distinct values, got \[\]"),
        (lambda: Choice("depth", (1, 1), ordered=True), r"depth must have one or more distinct values, got \[1, 1\]"),
        (lambda: Real("rate", 2, 1), "rate must have finite bounds low <= high, got 2 and 1"),
        (lambda: Real("rate", 0, 1, log=True), "rate must have finite bounds 0 < low <= high, got 0 and 1"),
        (lambda: Real("rate", 0, float("inf")), "rate must have finite bounds low <= high, got 0 and inf"),
        (
            lambda: MixedSpace((Real("a", 0, 1), Real("a", 0, 1))),
            "the names of a space must be distinct, got 'a' twice",
        ),
        (
            lambda: MixedSpace((Real("a", 0, 1, condition=("b", 1)), Real("b", 0, 1))),
            "a condition must name an earlier gene, got 'b'",
        ),
    ],
)
def test_bad_spaces_fail_at_construction(make: Any, text: str) -> None:
    with pytest.raises(SettingError, match=text):
        make()
