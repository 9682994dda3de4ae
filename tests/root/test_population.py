"""Batched populations compute what each network computes alone, and learn."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from learnable import SLOTS, made_data

from netgraft.root import Architecture, Population, Recipe, Schedule, SoftRows, resample_columns, to_network
from netgraft.root.population import Progress, inherit, learning_rate_factor, spread
from netgraft.runtime.model import softmax
from netgraft.runtime.network import ACTIVATIONS, BASES


@st.composite
def architectures(draw, outputs):
    basis = draw(st.sampled_from(BASES))
    linear = basis == "linear"
    widths = tuple(draw(st.lists(st.sampled_from([1, 3, 8, 20]), max_size=3)))
    return Architecture(
        numeric=5,
        slots=SLOTS,
        outputs=outputs,
        basis=basis,
        bins=1 if linear else draw(st.sampled_from([4, 8, 32])),
        token=1 if linear else draw(st.integers(1, 3)),
        category=draw(st.integers(1, 3)),
        widths=widths,
        members=draw(st.sampled_from([1, 2, 3])) if widths else 1,
        activation=draw(st.sampled_from(ACTIVATIONS)),
        skip=draw(st.booleans()) if widths else True,
    )


@settings(max_examples=25, deadline=None)
@given(st.data(), st.sampled_from([0, 3]), st.sampled_from([1, 3]))
def test_extract_equals_stack(bases_of, draw, classes, folds):
    data = made_data(rows=120, classes=classes, folds=folds)
    bases = bases_of(data)
    networks = draw.draw(st.lists(architectures(data.outputs), min_size=1, max_size=6))
    recipes = [
        Recipe(a, batch=draw.draw(st.sampled_from([16, 32])), dropout=0.1 * (i % 2)) for i, a in enumerate(networks)
    ]
    trained = Population(recipes, data, bases, seed=1).train(
        Schedule(6, (0.4,)), lambda e: np.argsort(e)[: (len(e) + 1) // 2]
    )
    assert len(trained) == len(recipes)
    for recipe, result in zip(recipes, trained, strict=True):
        made = []
        for f, fold in enumerate(data.folds):
            own = {name: value[f] for name, value in result.parameters.items()}
            if len(fold.validation):
                network = to_network(recipe.architecture, bases[recipe.architecture.basis], own)
                made.append(network.outputs(data.inputs.take(fold.validation)))
        np.testing.assert_allclose(np.concatenate(made), result.outputs, atol=2e-5)
        mixed = (softmax(result.outputs) if classes else result.outputs).mean(axis=1)
        rows = np.concatenate([fold.validation for fold in data.folds])
        assert result.error == pytest.approx(data.error(mixed, rows), abs=1e-6)


def _recipe(**fields):
    architecture = Architecture(5, SLOTS, fields.pop("outputs", 1), widths=(16, 8), bins=16, token=2)
    return Recipe(architecture, learning_rate=0.01, batch=64, **fields)


def test_it_learns(data_of, bases_of):
    data = data_of(rows=1500)
    (result,) = Population([_recipe()], data, bases_of(data), seed=0).train(Schedule(400))
    assert result.error < 0.15
    assert result.steps == 400


def test_classes_are_learned(data_of, bases_of):
    data = data_of(rows=1500, classes=3)
    (result,) = Population([_recipe(outputs=3)], data, bases_of(data), seed=0).train(Schedule(300))
    assert result.error < 0.3


def test_same_seed_same_result_whatever_else_is_in_the_stack(data_of, bases_of):
    data = data_of()
    first, second = (Population([_recipe()] * 2, data, bases_of(data), seed=3).train(Schedule(20)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert all(np.array_equal(a.parameters[name], b.parameters[name]) for name in a.parameters)


def test_padding_never_leaks_between_candidates(data_of, bases_of):
    """A narrow network beside a wide one is trained as it is alone (but for the order of sums)."""
    data = data_of()
    narrow = _recipe()
    wide = Recipe(Architecture(5, SLOTS, 1, widths=(32, 32, 32), members=2, token=3), batch=64)
    alone = Population([narrow], data, bases_of(data), seed=3).train(Schedule(15))[0]
    beside = Population([narrow, wide], data, bases_of(data), seed=3).train(Schedule(15))[0]
    for name, value in alone.parameters.items():
        np.testing.assert_allclose(beside.parameters[name], value, atol=1e-4)


def test_fold_networks_never_see_their_validation_rows(data_of, bases_of):
    """Changing the target of a fold's validation rows changes nothing in that fold's network."""
    data = data_of(rows=200, folds=3)
    before = Population([_recipe()], data, bases_of(data), seed=0).train(Schedule(1))[0]
    data.target[data.folds[0].validation] += 5
    after = Population([_recipe()], data, bases_of(data), seed=0).train(Schedule(1))[0]
    same = [np.array_equal(before.parameters["weight_1"][f], after.parameters["weight_1"][f]) for f in range(4)]
    assert same == [True, False, False, False]


def test_soft_rows_teach(data_of, bases_of):
    """With soft labels only, a network learns what the teacher says, not the labels."""
    from dataclasses import replace

    data = data_of(rows=800)
    soft = resample_columns(data.inputs.take(data.folds[0].train), 3000, 0.3, np.random.default_rng(0))
    taught = replace(data, soft=SoftRows(soft, np.full((1, 3000, 1), 2.0, np.float32)))
    (result,) = Population([_recipe(distill=1.0)], taught, bases_of(data), seed=0).train(Schedule(150))
    final = result.outputs.mean()
    (plain,) = Population([_recipe()], data, bases_of(data), seed=0).train(Schedule(150))
    assert final > plain.outputs.mean() + 0.2


def test_halving_keeps_whom_it_is_told(data_of, bases_of):
    data = data_of()
    recipes = [_recipe() for _ in range(4)]
    results = Population(recipes, data, bases_of(data), seed=0).train(Schedule(40, (0.5,)), lambda e: np.array([1, 3]))
    assert sorted(r.steps for r in results) == [20, 20, 40, 40]


def test_seconds_end_training_early(data_of, bases_of):
    data = data_of()
    (result,) = Population([_recipe()], data, bases_of(data), seed=0).train(Schedule(10**6, seconds=0.2))
    assert 0 < result.steps < 10**6


def test_resampled_columns_come_from_the_column():
    data = made_data(rows=50)
    drawn = resample_columns(data.inputs, 200, 0.5, np.random.default_rng(0))
    for j in range(5):
        assert set(drawn.numeric[:, j]) <= set(data.inputs.numeric[:, j])
    assert not all(row.tolist() in data.inputs.numeric.tolist() for row in drawn.numeric)


def test_inherit_copies_the_overlap_and_starts_as_the_parent():
    parent = {"weight_1": np.ones((3, 2), np.float32), "head_bias": np.full((1, 1), 7, np.float32)}
    child = {"weight_1": np.full((3, 4), 5, np.float32), "head_bias": np.zeros((1, 1), np.float32)}
    inherit(child, parent)
    assert (child["weight_1"][:, :2] == 1).all()
    assert (child["weight_1"][:, 2:] == 0.5).all()
    assert child["head_bias"][0, 0] == 7


def test_learning_rate_rises_then_falls():
    factors = [learning_rate_factor(x) for x in np.linspace(0, 0.999, 50)]
    peak = int(np.argmax(factors))
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert max(factors) <= 1
    assert factors[-1] < 0.02


def test_progress_counts_steps():
    progress = Progress(Schedule(4))
    progress.step = 3
    assert progress.share() == 0.75


def test_spread_is_even_and_bounded():
    assert spread(np.arange(10), 5).tolist() == [0, 2, 4, 6, 8]
    assert len(spread(np.arange(3), 100)) == 3
