"""Roots that learn to do with fewer bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learnable import made_data

from netgraft.errors import SettingError
from netgraft.root import Architecture, Basis, Bits, Cut, NestedRecipe, NestedTraining, quantile_edges
from netgraft.root.bits import bits_of, common_step, is_coded, rounded
from netgraft.runtime.grid import Grid, dequantise, quantise


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=40), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_rounding_is_what_a_device_will_have(values: list[float], lowest: int) -> None:
    step = 4 / 2**6
    weights = np.array(values, np.float32)
    grid = Grid(step, 6, ((0.5, 0.5),) * 6)
    wanted = dequantise(quantise(weights, step, 6), grid, lowest)
    got = rounded({"weight_1": torch.from_numpy(weights[None])}, torch.tensor([step]), lowest, 6)["weight_1"][0].numpy()
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_rounding_passes_gradients_and_leaves_biases() -> None:
    weight, bias = torch.tensor([[0.3, -1.2]], requires_grad=True), torch.tensor([[0.3]])
    made = rounded({"weight_1": weight, "bias_1": bias}, torch.tensor([0.5]), 0, 4)
    (made["weight_1"] * torch.tensor([2.0, 3.0])).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[2.0, 3.0]]
    assert made["bias_1"] is bias


def test_step_is_that_of_the_largest_coded_weight() -> None:
    parameters = {"weight_1": torch.tensor([[1.0, -8.0]]), "bias_1": torch.tensor([[99.0]])}
    assert common_step(parameters, 4).tolist() == [0.5]


def test_bits_grow_with_weights() -> None:
    step = torch.tensor([1.0])
    assert float(bits_of({"head@1": torch.zeros(1, 3)}, step)) == 0
    assert float(bits_of({"head@1": torch.full((1, 3), 7.0)}, step)) == pytest.approx(9)
    assert not is_coded("head_bias@1")
    assert not is_coded("bias_2")
    assert is_coded("skip@0")


def test_settings_out_of_range_say_what_is_required() -> None:
    with pytest.raises(SettingError, match="planes must be 2 to 15, got 1"):
        Bits(planes=1)
    with pytest.raises(SettingError, match=r"start must be in \[0, 1\) and rate >= 0, got 1.0 and 0.0"):
        Bits(start=1.0)
    with pytest.raises(SettingError, match=r"a step must be > 0, got 0\.0"):
        Bits(step=0.0)


def test_a_root_with_few_bits_learns_and_costs_fewer_with_the_penalty() -> None:
    data = made_data()
    basis = Basis("quantile", quantile_edges(data.inputs.numeric, 8))
    a = Architecture(data.inputs.numeric.shape[1], data.slots, data.outputs, bins=8, widths=(16, 16))
    bits, errors = [], []
    for rate in (0.0, 3e-4):
        recipe = NestedRecipe(a, width_choices=(4, 8, 16), batch=64, wiring="shells", bits=Bits(rate=rate))
        training = NestedTraining(recipe, data, basis, seed=1)
        (root,) = training.train(300)
        assert training.grid_step is not None
        step = torch.from_numpy(training.grid_step)
        tensors = {name: torch.from_numpy(value) for name, value in root.parameters.items()}
        bits.append(float(bits_of(tensors, step)))
        errors.append(float(training.errors([training.largest])[0]))
        assert {cut.widths for cut in (training.random_cut(np.random.default_rng(s)) for s in range(40))} <= {
            shell[:depth] for shell in recipe.shells for depth in range(3)
        }
    assert bits[1] < 0.9 * bits[0]
    assert max(errors) < 0.6


def test_a_step_that_is_given_is_kept() -> None:
    data = made_data()
    a = Architecture(
        data.inputs.numeric.shape[1], data.slots, data.outputs, basis="linear", bins=1, token=1, widths=(8,)
    )
    recipe = NestedRecipe(a, width_choices=(4, 8), batch=32, bits=Bits(start=0.0, step=0.01))
    training = NestedTraining(recipe, data, Basis("linear"), seed=0)
    assert training.grid_step is None
    training.train(3)
    assert training.grid_step is not None
    assert training.grid_step.tolist() == [pytest.approx(0.01)] * len(data.folds)
    assert training.random_cut(np.random.default_rng(0)) in {Cut(0, ()), Cut(1, (4,)), Cut(1, (8,))}
