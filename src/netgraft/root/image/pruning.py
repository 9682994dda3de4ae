"""Pruning as a rival of nested widths: what the paper does at the level of parameters.

From the situation of a device follows how many bytes it can take, from these a *target dropout rate*, the share of the
weights that must go; the least important weights of the whole network go together, and the rest is trained again
(Huang et al. 2022, "In-situ model downloading", "Parameter-level"). Each rate is a model of its own that shares nothing
with the next, and needs its training: the reasons why `netgraft` sends nested widths instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from netgraft.errors import SettingError
from netgraft.root.image.data import Images
from netgraft.root.image.network import head, states, to_runtime, to_torch
from netgraft.root.image.root import ImageRoot
from netgraft.root.image.training import ImageRecipe, train
from netgraft.runtime import Inputs
from netgraft.runtime.image import images_of
from netgraft.runtime.image_shape import network

Array = NDArray[Any]
Importance = Literal["magnitude", "gradient"]
_BATCH, _GRADIENT_IMAGES = 256, 1024
_NUMBER_BYTES = 4
_HALVINGS = 60


@dataclass(frozen=True)
class Pruned:
    """A root without its least important weights.

    Attributes:
        root: with zeros where weights went.
        kept: for each weight, bool in its shape: which numbers are there.
    """

    root: ImageRoot
    kept: dict[str, Array]


def dropout_rate(weights: int, most_bytes: float, *, other_bytes: int = 0) -> float:
    """Return the share of weights that must go for a float32 model to fit, in [0, 1).

    What stays takes four bytes a number, and the places of what went a mask at its entropy.

    Args:
        weights: numbers that may go.
        most_bytes: what the device can take, such as `netgraft.delivery.planning.situation.Situation.most_bytes`.
        other_bytes: of norms and biases, which stay.

    Raises:
        SettingError: not even one weight fits.
    """
    if _bytes_of(1 / weights, weights) + other_bytes > most_bytes:
        raise SettingError(f"more than {other_bytes} bytes are required for one weight to fit, got {most_bytes:.0f}")
    if _NUMBER_BYTES * weights + other_bytes <= most_bytes:
        return 0.0
    low, high = 1 / weights, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _bytes_of(middle, weights) + other_bytes <= most_bytes else (low, middle)
    return 1 - low


def prune(
    root: ImageRoot,
    images: Images,
    rate: float,
    *,
    recipe: ImageRecipe | None,
    seed: int,
    importance: Importance = "magnitude",
) -> Pruned:
    """Return a root without its least important weights, trained again.

    Args:
        root: trained.
        images: to train with.
        rate: share of the weights of the whole network with its last head that go, in [0, 1).
        recipe: of the training after; None leaves the weights as they are.
        seed: of that training.
        importance: what says which weights matter.

    Raises:
        SettingError: the rate is no share below 1.
    """
    if not 0 <= rate < 1:
        raise SettingError(f"a dropout rate of at least 0 and below 1 is required, got {rate:g}")
    inputs, labels = images.inputs(images.train[:_GRADIENT_IMAGES]), images.train_labels[:_GRADIENT_IMAGES]
    found = magnitude(root) if importance == "magnitude" else gradient(root, inputs, labels)
    whole = network(root.shape, root.tensors, root.shape.depth, root.shape.shells - 1).tensors
    kept = most_important({name: value for name, value in found.items() if name in whole}, 1 - rate)
    return Pruned(trained_without(root, images, kept, recipe=recipe, seed=seed), kept)


def trained_without(
    root: ImageRoot, images: Images, kept: Mapping[str, Array], *, recipe: ImageRecipe | None, seed: int
) -> ImageRoot:
    """Return a root without the weights that are not kept, trained on; they stay zero.

    Args:
        root: to begin with.
        images: to train with.
        kept: for each tensor of which numbers go, bool in its shape.
        recipe: how; None leaves the weights as they are.
        seed: of the order of images.
    """
    start = {name: value * kept.get(name, 1) for name, value in root.tensors.items()}
    if recipe is None:
        return ImageRoot(root.shape, start)
    masks = {name: mask.astype(np.float32) for name, mask in kept.items()}
    return train(root.shape, images, recipe, seed=seed, start=start, kept=masks)


def magnitude(root: ImageRoot) -> dict[str, Array]:
    """Return the importance of every weight: its magnitude (Han et al. 2016, "Deep Compression", section 2)."""
    return {name: np.abs(value) for name, value in root.tensors.items() if name in root.shape.coded}


def gradient(root: ImageRoot, inputs: Inputs, labels: Array) -> dict[str, Array]:
    """Return the importance of every weight: the squared change of the loss without it, to the first order.

    Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning", eq. (8).

    Args:
        root: trained.
        inputs: encoded images, of which the first 1,024 are looked at.
        labels: of them [n].
    """
    shape = root.shape
    parameters = {name: value.requires_grad_() for name, value in to_torch(root.tensors).items()}
    images = torch.from_numpy(images_of(shape.architecture, inputs.numeric)).permute(0, 3, 1, 2)
    found = {name: torch.zeros_like(value) for name, value in parameters.items() if name in shape.coded}
    for taken in torch.split(torch.arange(min(len(images), _GRADIENT_IMAGES)), _BATCH):
        made = states(shape, parameters, images[taken], shape.shells - 1)[-1]
        loss = functional.cross_entropy(head(shape, parameters, made, shape.depth), torch.from_numpy(labels)[taken])
        loss.backward()  # type: ignore[no-untyped-call]
        for name in found:
            value = parameters[name]
            if value.grad is not None:
                found[name] += (value.detach() * value.grad) ** 2
                value.grad = None
    return to_runtime(found)


def most_important(importance: Mapping[str, Array], share: float) -> dict[str, Array]:
    """Return masks that keep the most important share of all weights together."""
    every = np.concatenate([value.ravel() for value in importance.values()])
    count = max(1, round(share * len(every)))
    least = np.partition(every, len(every) - count)[len(every) - count]
    return {name: value >= least for name, value in importance.items()}


def _bytes_of(share: float, weights: int) -> float:
    """Return the bytes of a share of the weights, with the mask of its places."""
    gone = 1 - share
    entropy = 0.0 if gone <= 0 else -share * np.log2(share) - gone * np.log2(gone)
    return float(weights * (_NUMBER_BYTES * share + entropy / 8))
