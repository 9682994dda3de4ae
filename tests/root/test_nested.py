"""The laws of the nested root."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from learnable import SLOTS, made_data

from netgraft.errors import ModelError, SettingError
from netgraft.root import (
    Architecture,
    Basis,
    Cut,
    NestedRecipe,
    NestedTraining,
    Start,
    cut_architecture,
    extract,
    quantile_edges,
    root_from_parts,
    root_tensors,
    root_to_json,
    to_network,
)
from netgraft.runtime.network import forward

CHOICES = (2, 4, 8, 16)


def trained(wiring, folds=1, steps=24):
    data = made_data(rows=300, folds=folds)
    basis = Basis("quantile", quantile_edges(data.inputs.numeric[data.folds[-1].train]))
    recipe = NestedRecipe(
        Architecture(5, SLOTS, 1, bins=32, token=2, widths=(16, 16, 16)), CHOICES, batch=32, wiring=wiring
    )
    training = NestedTraining(recipe, data, basis, seed=0)
    return data, basis, training, training.train(steps)[0]


@pytest.fixture(scope="module", params=["square", "shells"])
def nested(request):
    return trained(request.param)


cuts = st.integers(0, 3).flatmap(
    lambda depth: st.tuples(*[st.sampled_from(CHOICES)] * depth).map(lambda widths: Cut(len(widths), widths))
)


@settings(max_examples=30, deadline=None)
@given(cut=cuts)
def test_extract_equals_root(nested, cut):
    data, _, training, root = nested
    rows = data.folds[0].validation
    inputs = data.inputs.take(rows)
    outputs = extract(root, cut).outputs(inputs)
    np.testing.assert_allclose(outputs, root(inputs, cut), atol=1e-5)
    assert data.error(outputs.mean(axis=1), rows) == pytest.approx(float(training.errors([cut])[0]), abs=1e-5)


def test_a_root_is_stored_and_read_back(nested):
    data, _, training, root = nested
    text, tensors = json.loads(json.dumps(root_to_json(root))), safetensors.numpy.save(root_tensors(root))
    again = root_from_parts(text, safetensors.numpy.load(tensors))
    inputs = data.inputs.take(slice(0, 9))
    assert np.array_equal(again(inputs, training.largest), root(inputs, training.largest))
    with pytest.raises(ModelError, match=r"a nested root must be of format 1, got 2"):
        root_from_parts({**text, "format": 2}, root_tensors(root))
    with pytest.raises(ModelError, match=r"must have \d+ edges, got 0"):
        root_from_parts(text, root.parameters)


@settings(max_examples=30, deadline=None)
@given(small=cuts, large=cuts)
def test_smaller_cut_is_contained_in_larger(nested, small, large):
    _, _, _, root = nested
    if not small.within(large):
        return
    inner, outer = root.cut(small, 0), root.cut(large, 0)
    for layer in range(1, small.depth + 1):
        for name in (f"weight_{layer}", f"bias_{layer}"):
            block = outer[name][tuple(slice(0, n) for n in inner[name].shape)]
            assert np.array_equal(block, inner[name])


def test_shells_compute_the_same_units_in_every_cut():
    data, basis, _, root = trained("shells")
    inputs = data.inputs.take(slice(0, 20))

    def hidden(widths):
        cut = Cut(len(widths), widths)
        architecture = cut_architecture(root.recipe.architecture, cut)
        network = to_network(architecture, basis, root.cut(cut, 0))
        tensors = dict(network.tensors)
        units = widths[-1]
        tensors["head"] = np.eye(units, dtype=np.float32)[None]
        tensors["head_bias"] = np.zeros((1, units), np.float32)
        tensors["skip"] = np.zeros((architecture.tokens, units), np.float32)
        from dataclasses import replace

        return forward(replace(architecture, outputs=units), tensors, inputs)[:, 0]

    np.testing.assert_allclose(hidden((4, 4, 4)), hidden((16, 16, 16))[:, :4], atol=1e-6)
    np.testing.assert_allclose(hidden((8, 8)), hidden((16, 16))[:, :8], atol=1e-6)


def test_larger_cuts_learn_more():
    _, _, training, _ = trained("square", steps=300)
    largest, smallest = training.errors([training.largest, training.smallest])
    assert largest < smallest < 1.0


def test_each_fold_has_its_own_root():
    _, _, training, root = trained("square", folds=3)
    assert root.parameters["weight_1"].shape[0] == 4
    assert not np.array_equal(root.cut(training.largest, 0)["weight_1"], root.cut(training.largest, 1)["weight_1"])


def test_random_cuts_lie_within_the_root(nested):
    _, _, training, _ = nested
    rng = np.random.default_rng(0)
    drawn = [training.random_cut(rng) for _ in range(100)]
    assert all(cut.within(training.largest) for cut in drawn)
    assert {cut.depth for cut in drawn} == {0, 1, 2, 3}


def test_errors_name_what_came():
    with pytest.raises(SettingError, match="a wiring must be one of square, shells, got 'star'"):
        NestedRecipe(Architecture(5, SLOTS, 1), wiring="star")
    with pytest.raises(SettingError, match="one width >= 1 per layer, got depth 2"):
        Cut(2, (8,))
    with pytest.raises(SettingError, match="members >= 1, got 0"):
        Cut(0, (), 0)
    with pytest.raises(SettingError, match="must have 32 bits, got 8"):
        Cut(0, (), 1, 8)
    with pytest.raises(SettingError, match=r"a cut must lie within .*got"):
        cut_architecture(Architecture(5, SLOTS, 1, widths=(8,)), Cut(1, (16,)))


def begun(starts, steps=30):
    data = made_data(rows=300, folds=2)
    basis = Basis("quantile", quantile_edges(data.inputs.numeric[data.folds[-1].train]))
    recipe = NestedRecipe(Architecture(5, SLOTS, 1, bins=32, token=2, widths=(8, 8)), (2, 4, 8), batch=32)
    training = NestedTraining(recipe, data, basis, seed=0, starts=starts)
    return training, training.train(steps)


def test_starts_train_side_by_side_as_alone():
    _, (alone,) = begun([Start()], steps=60)
    given = alone.parameters
    _, (first, second) = begun([Start(given), Start(given, learning_rate=1e-4)])
    _, (same,) = begun([Start(given)])
    for name in given:
        np.testing.assert_allclose(first.parameters[name], same.parameters[name], atol=1e-6)
    moved = [sum(np.abs(root.parameters[n] - given[n]).sum() for n in given) for root in (first, second)]
    assert moved[1] < 0.5 * moved[0]


def test_an_anchor_holds_and_frozen_parameters_stay():
    _, (alone,) = begun([Start()], steps=60)
    given = alone.parameters
    frozen = ("projection", "categories", "weight_1", "bias_1")
    _, (free, held, partly) = begun([Start(given), Start(given, anchor=100.0), Start(given, frozen=frozen)])
    distance = [sum(np.square(root.parameters[n] - given[n]).sum() for n in given) for root in (free, held)]
    assert distance[1] < 0.5 * distance[0]
    for name in given:
        stayed = np.array_equal(partly.parameters[name], given[name])
        assert stayed == (name in frozen), name


def test_a_start_is_never_made_worse_on_the_rows_that_judge():
    training, (alone,) = begun([Start()], steps=60)
    before = training.errors([training.largest, training.smallest]).mean()
    again, _ = begun([Start(alone.parameters, learning_rate=0.5)])
    assert again.errors([again.largest, again.smallest]).mean() <= before + 1e-6
