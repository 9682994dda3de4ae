"""Small nested image networks and what is published of them, made in NumPy alone."""

from __future__ import annotations

from functools import cache

import numpy as np
from delivery_examples import NOW, Arrays, opened

from netgraft.delivery.coding.build import Built, Release, build
from netgraft.delivery.coding.root import Judge, Recipe
from netgraft.delivery.format.head import OpenedHead
from netgraft.runtime import Column, Encoding, Inputs, Model, Output
from netgraft.runtime.image import ImageArchitecture, tensor_shapes
from netgraft.runtime.image_shape import ImageShape, network

WIDTHS = ((4, 4, 8), (8, 8, 12), (12, 12, 20))


def image_example_shape(*, triangular: bool = True) -> ImageShape:
    """Return two blocks on 5 x 5 pixels: one that keeps the channels, one that halves the side."""
    return ImageShape(ImageArchitecture(5, 2, 3, (WIDTHS[-1],), (1, 2), 4, 2), WIDTHS, triangular)


def image_example_tensors(shape: ImageShape, seed: int = 0) -> Arrays:
    """Return random tensors of a shape, zeros where the wiring has them."""
    rng = np.random.default_rng(seed)
    made: Arrays = {name: np.zeros(size, np.float32) for name, size in shape.coded.items()}
    for region in shape.regions:
        spread = 0.8**region.shell / np.sqrt(np.prod(shape.coded[region.tensor][:-1]))
        made[region.tensor].reshape(-1)[region.indices] = rng.normal(0, spread, len(region.indices))
    for name, size in shape.exact.items():
        made[name] = (rng.normal(0, 0.2, size) + ("scale" in name)).astype(np.float32)
    assert set(made) == set(tensor_shapes(shape.architecture, shape.depths))
    return made


def image_example_inputs(shape: ImageShape, rows: int, seed: int = 5) -> Inputs:
    """Return random images as encoded rows."""
    numeric = np.random.default_rng(seed).normal(size=(rows, shape.architecture.numeric))
    return Inputs(numeric.astype(np.float32), np.zeros((rows, 0), np.int64))


def image_example_judge(shape: ImageShape, tensors: Arrays) -> Judge:
    """Return a judge that asks how near a model comes to the largest cut in float32: 1 - relative squared error."""
    rows = image_example_inputs(shape, 40, 9)
    right = network(shape, tensors, shape.depth, shape.shells - 1).outputs(rows)[:, 0]

    def judge(model: Model) -> tuple[float, float, float]:
        found = model.parts[0].outputs(rows)[:, 0]
        accuracy = float(1 - ((found - right) ** 2).mean() / right.var())
        return accuracy, accuracy - 0.02, min(1.0, accuracy + 0.02)

    return judge


def image_example_built(shape: ImageShape, tensors: Arrays, recipe: Recipe | None = None) -> Built:
    """Return an image network ready to be signed."""
    one = np.ones(shape.architecture.numeric, np.float32)
    return build(
        shape,
        tensors,
        encoding=Encoding(
            tuple(Column(f"pixel_{i}", "numeric") for i in range(len(one))), 0 * one, one, -5 * one, 5 * one
        ),
        output=Output("classification", ("a", "b", "c"), temperature=1.5),
        judge=image_example_judge(shape, tensors),
        canaries=image_example_inputs(shape, 4, 3),
        release=Release("shapes", 1, NOW, NOW + 86_400 * 30, {"target": "shape"}, {"source": "test"}, "CC-BY-4.0"),
        recipe=recipe or Recipe(planes=6, most_cuts=40),
    )


@cache
def image_example(kind: str = "image") -> tuple[ImageShape, Arrays, Built, OpenedHead]:
    """Return an image network, what is published of it and its opened head; made once per kind.

    Args:
        kind: ``image``; ``image square``; ``image tolerant`` below the two highest planes.
    """
    shape = image_example_shape(triangular=kind != "image square")
    tensors = image_example_tensors(shape)
    recipe = Recipe(planes=6, exact_planes=2, most_cuts=40) if kind == "image tolerant" else None
    built = image_example_built(shape, tensors, recipe)
    return shape, tensors, built, opened(built)
