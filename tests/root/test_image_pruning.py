"""Pruning: from a situation to a rate, from a rate to the weights that stay."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from netgraft.delivery.planning.situation import Situation
from netgraft.errors import SettingError
from netgraft.root.image import ImageRecipe, ImageRoot, digits, dropout_rate, image_shape, prune, train
from netgraft.root.image.network import head, states, to_torch
from netgraft.root.image.pruning import gradient
from netgraft.runtime.image import images_of

DIGITS = digits(0).taken(400, 200)


@pytest.fixture(scope="module")
def root() -> ImageRoot:
    shape = image_shape(pixels=8, channels=1, classes=10, width=8, stages=2, blocks=1, shells=(1.0,))
    return train(shape, DIGITS, ImageRecipe(epochs=5, batch=32, nested=False), seed=0)


def accuracy(root: ImageRoot) -> float:
    made = root.outputs(DIGITS.inputs(DIGITS.test), shell=0, depth=root.shape.depth)
    return float((made.argmax(axis=1) == DIGITS.test_labels).mean())


@given(weights=st.integers(10, 10**8), share=st.floats(0.01, 1.2), other=st.integers(0, 10_000))
def test_rate_is_the_least_that_fits(weights: int, share: float, other: int) -> None:
    most = 4 * weights * share + other
    if most < 4 + other + 1 + np.log2(weights) / 8 + 1:
        return

    def size(rate: float) -> float:
        kept = 1 - rate
        mask = 0.0 if rate == 0 else -(kept * np.log2(kept) + rate * np.log2(rate)) / 8
        return float(weights * (4 * kept + mask) + other)

    rate = dropout_rate(weights, most, other_bytes=other)
    assert 0 <= rate < 1
    assert size(rate) <= most * (1 + 1e-9) + 1e-6
    assert rate == 0 or size(max(0.0, rate - 1e-6)) > most - 1e-6 or size(0.0) <= most


def test_rate_follows_from_the_situation() -> None:
    link = Situation(rate_bps=8e6, deadline_s=1.5, latency_s=0.5)
    assert link.most_bytes == 1_000_000
    assert Situation(storage_bytes=10, data_budget_bytes=5, rate_bps=8.0).most_bytes == 5
    assert Situation().most_bytes == np.inf
    assert Situation(rate_bps=8.0, deadline_s=0.1, latency_s=0.5).most_bytes == 0
    assert dropout_rate(1_000_000, Situation().most_bytes) == 0
    assert dropout_rate(1_000_000, link.most_bytes) == pytest.approx(0.774, abs=1e-3)
    with pytest.raises(SettingError, match="more than 5 bytes are required for one weight to fit, got 4"):
        dropout_rate(1_000, 4, other_bytes=5)


@pytest.mark.parametrize("importance", ["magnitude", "gradient"])
def test_least_important_weights_go_and_training_mends(
    root: ImageRoot, importance: Literal["magnitude", "gradient"]
) -> None:
    plain = prune(root, DIGITS, 0.7, recipe=None, seed=0, importance=importance)
    recipe = ImageRecipe(epochs=2, batch=32, nested=False, learning_rate=0.02)
    again = prune(root, DIGITS, 0.7, recipe=recipe, seed=0, importance=importance)
    kept = sum(int(mask.sum()) for mask in plain.kept.values()) / sum(mask.size for mask in plain.kept.values())
    assert kept == pytest.approx(0.3, abs=0.001)
    for made in (plain, again):
        for name, mask in made.kept.items():
            assert not made.root.tensors[name][~mask].any()
    assert all((plain.root.tensors[name][mask] == root.tensors[name][mask]).all() for name, mask in plain.kept.items())
    assert accuracy(again.root) > accuracy(plain.root)


def test_gradient_importance_is_the_squared_first_order_change(root: ImageRoot) -> None:
    inputs, labels = DIGITS.inputs(DIGITS.train[:64]), DIGITS.train_labels[:64]
    found = gradient(root, inputs, labels)
    name = f"head@{root.shape.depth}"  # behind it nothing has a kink
    place = np.unravel_index(found[name].argmax(), found[name].shape)

    def loss(value: float) -> Any:
        tensors = {**root.tensors, name: root.tensors[name].copy()}
        tensors[name][place] = value
        parameters = to_torch(tensors)
        images = torch.from_numpy(images_of(root.shape.architecture, inputs.numeric)).permute(0, 3, 1, 2)
        outputs = head(root.shape, parameters, states(root.shape, parameters, images, 0)[-1], root.shape.depth)
        return float(functional.cross_entropy(outputs.double(), torch.from_numpy(labels)))

    here, step = float(root.tensors[name][place]), 1e-2
    slope = (loss(here + step) - loss(here - step)) / (2 * step)
    assert found[name][place] == pytest.approx((here * slope) ** 2, rel=0.01)


def test_rate_that_is_no_share_is_refused(root: ImageRoot) -> None:
    for rate in (-0.1, 1.0, float("nan")):
        with pytest.raises(SettingError, match="a dropout rate of at least 0 and below 1 is required"):
            prune(root, DIGITS, rate, recipe=None, seed=0)
