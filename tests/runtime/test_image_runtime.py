"""Image networks in NumPy: arithmetic against slow formulas, cuts, regions, early exits, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.errors import ModelError
from netgraft.runtime import Architecture, Inputs, shapes
from netgraft.runtime import image as images
from netgraft.runtime.image import ImageArchitecture, ImageNetwork, check_tensors, tensor_shapes
from netgraft.runtime.image_shape import ImageShape, cost, exits, network
from netgraft.runtime.nested import NestedShape
from netgraft.seeds import generator

WIDTHS = ((4, 4, 8), (8, 8, 16), (12, 12, 20))
MIDDLE = 1
WHOLE = ImageArchitecture(7, 2, 3, (WIDTHS[-1],), (1, 2), 4, 2)


def shape(*, triangular: bool = False) -> ImageShape:
    """Return two blocks, the second of which halves the side, in three shells."""
    return ImageShape(WHOLE, WIDTHS, triangular)


def tensors(of: ImageShape, seed: int = 0) -> dict[str, np.ndarray]:
    """Return random tensors with the wiring's zeros."""
    random, masks = generator(seed, "image tensors"), of.masks()
    made = {
        name: random.normal(0, 0.5, size).astype(np.float32)
        for name, size in tensor_shapes(of.architecture, of.depths).items()
    }
    return {name: value * masks[name] if name in masks else value for name, value in made.items()}


def inputs(n: int = 5, seed: int = 0) -> Inputs:
    """Return random images as encoded rows."""
    numeric = generator(seed, "images").normal(0, 1, (n, 7 * 7 * 2)).astype(np.float32)
    return Inputs(numeric, np.zeros((n, 0), np.int64))


def slow_convolution(hidden: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """Return a convolution, number by number."""
    n, side, _, _ = hidden.shape
    padded = np.pad(hidden.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    made = np.zeros((n, -(-side // stride), -(-side // stride), weight.shape[-1]))
    for i in range(made.shape[1]):
        for j in range(made.shape[2]):
            patch = padded[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
            made[:, i, j] = np.einsum("nabv,vabw->nw", patch, weight.astype(np.float64))
    return made


def slow_norm(hidden: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the rectified norm of groups of four channels, image by image."""
    made = np.zeros(hidden.shape)
    for n, image in enumerate(hidden.astype(np.float64)):
        for first in range(0, hidden.shape[-1], 4):
            group = image[..., first : first + 4]
            made[n, ..., first : first + 4] = (group - group.mean()) / np.sqrt(group.var() + 1e-5)
    return np.maximum(made * scale + shift, 0)


def slow_outputs(t: dict[str, np.ndarray], rows: Inputs) -> np.ndarray:
    """Return the outputs of the whole network by its definition."""
    x = slow_convolution(rows.numeric.reshape(-1, 7, 7, 2), t["weight_0"], 1)
    for i, stride in ((1, 1), (2, 2)):
        u = slow_norm(x, t[f"scale_{i}a"], t[f"shift_{i}a"])
        y = slow_convolution(u, t[f"weight_{i}a"], stride)
        y = slow_convolution(slow_norm(y, t[f"scale_{i}b"], t[f"shift_{i}b"]), t[f"weight_{i}b"], 1)
        x = y + (x if i == 1 else u[:, ::2, ::2] @ t["weight_2s"])
    u = np.maximum(x + t["head_shift@2"], 0)
    parts = np.array(
        [u[:, a : a + 2, b : b + 2].mean(axis=(1, 2)) for a in (0, 2) for b in (0, 2)]
    )  # 4 pixels, 2 parts
    for first in range(0, parts.shape[-1], 4):
        for n in range(parts.shape[1]):
            group = parts[:, n, first : first + 4]
            parts[:, n, first : first + 4] = (group - group.mean()) / np.sqrt(group.var() + 1e-5)
    return np.einsum("pnw,wpc->nc", parts * t["head_scale@2"], t["head@2"]) + t["head_bias@2"]


@pytest.mark.parametrize("triangular", [False, True])
def test_outputs_are_those_of_the_definition(triangular: bool) -> None:
    of = shape(triangular=triangular)
    t, rows = tensors(of), inputs()
    made = network(of, t, 2, 2).outputs(rows)
    assert made.shape == (5, 1, 3)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made[:, 0], slow_outputs(t, rows), rtol=2e-3, atol=2e-3)


def test_parts_of_an_image_that_do_not_divide_it_overlap() -> None:
    made = images._pooled(np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1), 2)
    assert made[0, 0].tolist() == [2.0, 3.0, 5.0, 6.0]


def test_many_images_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    of, rows = shape(), inputs(9)
    whole = network(of, tensors(of), 2, 1).outputs(rows)
    monkeypatch.setattr(images, "_PATCH_BYTES", 60_000)
    assert len(list(images._parts(of.cut_architecture(2, 1), rows.numeric))) > 2
    np.testing.assert_allclose(network(of, tensors(of), 2, 1).outputs(rows), whole, rtol=1e-4, atol=1e-5)


def test_no_image_gives_no_output() -> None:
    of = shape()
    assert network(of, tensors(of), 1, 0).outputs(inputs(0)).shape == (0, 1, 3)


@given(st.integers(0, 2), st.integers(0, 1), st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_triangular_channels_of_a_smaller_cut_are_the_same_bits(depth: int, shell: int, seed: int) -> None:
    of = shape(triangular=True)
    t, rows = tensors(of, seed), inputs(3, seed)
    small, large = of.cut_architecture(depth, shell), of.cut_architecture(2, 2)
    own = network(of, t, depth, shell).tensors
    image = images.images_of(small, rows.numeric)
    narrow, wide = images.stem(small, own, image), images.stem(large, t, image)
    for index in range(1, depth + 1):
        narrow, wide = images.block(small, own, index, narrow), images.block(large, t, index, wide)
    assert len(narrow) == shell + 1
    assert all((ours == theirs).all() for ours, theirs in zip(narrow, wide, strict=False))


@pytest.mark.parametrize("triangular", [False, True])
def test_every_number_that_is_not_always_zero_is_in_one_region(triangular: bool) -> None:
    of = shape(triangular=triangular)
    seen = {name: np.zeros(size, int).ravel() for name, size in of.coded.items()}
    for region in of.regions:
        assert len(region.indices) > 0
        seen[region.tensor][region.indices] += 1
    for name, size in of.coded.items():
        expected = of.masks()[name].ravel() if triangular else np.ones(int(np.prod(size)), bool)
        assert (seen[name] == expected).all(), name


@given(st.booleans(), st.integers(0, 2), st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_a_cut_needs_the_regions_of_its_depth_and_shell_alone(triangular: bool, depth: int, shell: int) -> None:
    of = shape(triangular=triangular)
    t = tensors(of)
    known = {name: np.full(value.shape, 9, np.float32) if name in of.coded else value for name, value in t.items()}
    for region in of.regions:
        if region.depth <= depth and region.shell <= shell:
            known[region.tensor].ravel()[region.indices] = t[region.tensor].ravel()[region.indices]
    for name, mask in of.masks().items():
        known[name] = known[name] * mask
    made = network(of, known, depth, shell).outputs(inputs())
    assert (made == network(of, t, depth, shell).outputs(inputs())).all()


@pytest.mark.parametrize("triangular", [False, True])
def test_early_exits(triangular: bool) -> None:
    of, rows = shape(triangular=triangular), inputs(6)
    t = tensors(of)
    at = [network(of, t, depth, 1).outputs(rows)[:, 0] for depth in range(3)]
    made, left = exits(of, t, rows, shell=MIDDLE, depth=2, confidence=lambda o: np.zeros(len(o), bool))
    assert (left == 2).all()
    np.testing.assert_allclose(made, at[2], rtol=1e-4, atol=1e-5)
    made, left = exits(of, t, rows, shell=MIDDLE, depth=2, confidence=lambda o: np.ones(len(o), bool))
    assert (left == 0).all()
    np.testing.assert_allclose(made, at[0], rtol=1e-4, atol=1e-5)
    middle = np.median(at[0].max(axis=1))
    made, left = exits(of, t, rows, shell=MIDDLE, depth=1, confidence=lambda o: o.max(axis=1) > middle)
    np.testing.assert_array_equal(left, np.where(at[0].max(axis=1) > middle, 0, 1))
    np.testing.assert_allclose(made, np.where((left == 0)[:, None], at[0], at[1]), rtol=1e-4, atol=1e-5)


def test_costs_are_counted() -> None:
    found = cost(shape(), 0, 0)
    assert found.parameters == 2 * 9 * 4 + 4 + 4 + 4 * 4 * 3 + 3
    assert found.operations == 2 * (2 * 9 * 4 * 49 + 4 * 4 * 3)
    assert found.memory_bytes == 4 * (found.parameters + 9 * 49 * 2 + 2 * 49 * 4)
    assert cost(shape(triangular=True), 2, 2).operations < cost(shape(), 2, 2).operations
    assert cost(shape(triangular=True), 2, 2).parameters == cost(shape(), 2, 2).parameters


@pytest.mark.parametrize("triangular", [False, True])
def test_json_round_trip(triangular: bool) -> None:
    of = shape(triangular=triangular)
    assert ImageShape.from_json(of.to_json()) == of
    cut = of.cut_architecture(1, 1)
    assert ImageArchitecture.from_json(cut.to_json()) == cut


def changed(**fields: Any) -> Any:
    """Return a function that makes the whole architecture with other fields."""
    return lambda: replace(WHOLE, **fields)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (changed(pixels=0), "whole numbers from 1 to 4096"),
        (changed(outputs=2.5), "whole numbers from 1 to 4096"),
        (changed(strides=(1, 3)), "strides of an image network must be 1 or 2"),
        (changed(shells=()), "a shell must have channels for the stem and 2 blocks"),
        (changed(shells=((4, 4),)), "a shell must have channels for the stem and 2 blocks"),
        (changed(shells=((4, 4, 6),)), "whole groups of 4"),
        (changed(shells=((4, 4, 8), (8, 8, 8))), "each shell must have more channels than the one inside it"),
        (changed(shells=((4, 8, 8), (12, 12, 20))), "channels must grow at the same blocks in every shell"),
        (lambda: ImageArchitecture.from_json({"pixels": 7}), "must have the fields of format 1"),
        (lambda: ImageShape(WHOLE, (), False), "must have 1 to 64 shells"),
        (lambda: ImageShape(WHOLE, WIDTHS[:2], False), "the last shell must have the channels"),
        (lambda: shape().cut_architecture(3, 0), "a depth from 0 to 2 and a shell below 3, got 3 and 0"),
        (lambda: shape().cut_architecture(0, -1), "a depth from 0 to 2 and a shell below 3, got 0 and -1"),
        (lambda: ImageShape.from_json([]), "must have the fields architecture, triangular, widths"),
        (lambda: ImageShape.from_json(shape().to_json() | {"widths": [4]}), "lists of whole numbers as widths"),
        (lambda: ImageShape.from_json(shape().to_json() | {"triangular": 1}), "must be triangular or not, got 1"),
        (lambda: images.images_of(WHOLE, np.zeros((2, 9), np.float32)), "images must have 98 numbers, got 9"),
        (lambda: check_tensors(WHOLE, {}), "must have the tensor 'weight_0'"),
        (lambda: check_tensors(WHOLE, {"weight_0": np.zeros(3)}), "tensor 'weight_0' must have shape"),
    ],
)
def test_what_is_refused(make: Any, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        make()


def test_a_shape_of_absurd_size_is_refused() -> None:
    huge = ImageArchitecture(8, 1, 10, ((4_096,) * 9,), (1,) * 8)
    with pytest.raises(ModelError, match="must have at most 67108864 numbers"):
        ImageShape(huge, ((4_096,) * 9,), False)


def test_tensors_of_a_network_are_checked() -> None:
    of = shape()
    made = network(of, tensors(of), 1, 1)
    check_tensors(made.architecture, made.tensors)
    assert isinstance(made, ImageNetwork)


TABLE = NestedShape(Architecture(3, (), 2, basis="linear", bins=1, token=1, widths=(4,)), ((2,), (4,)), False)


def table_tensors() -> dict[str, np.ndarray]:
    """Return random tensors of the nested network for tables."""
    random = generator(0, "table tensors")
    return {n: random.normal(0, 1, size).astype(np.float32) for n, size in (TABLE.coded | TABLE.exact).items()}


@pytest.mark.parametrize(
    ("of", "made", "rows"),
    [
        (shape(), tensors(shape()), inputs()),
        (TABLE, table_tensors(), Inputs(np.eye(3, dtype=np.float32), np.zeros((3, 0), np.int64))),
    ],
    ids=["image", "table"],
)
def test_both_kinds_are_used_by_one_name(of: Any, made: dict[str, np.ndarray], rows: Inputs) -> None:
    assert shapes.shape_from_json(shapes.shape_to_json(of)) == of
    outputs = shapes.network(of, made, 1, 1).outputs(rows)[:, 0]
    last, left = shapes.exits(
        of, made, rows, shell=MIDDLE, depth=1, confidence=lambda outputs: np.zeros(len(outputs), bool)
    )
    np.testing.assert_allclose(last, outputs, rtol=1e-4, atol=1e-5)
    assert (left == 1).all()
    assert shapes.cost(of, 1, 1).parameters == sum(
        value.size for value in shapes.network(of, made, 1, 1).tensors.values()
    )


def test_how_much_of_exact_tensors_a_cut_needs() -> None:
    assert shapes.exact_sizes(TABLE, 0, 0) == {"head_bias@0": (1, 2)}
    assert shapes.exact_sizes(TABLE, 1, 0) == {"head_bias@0": (1, 2), "head_bias@1": (1, 2), "bias_1": (2,)}
    of, made = shape(), tensors(shape())
    needed = shapes.exact_sizes(of, 1, MIDDLE)
    assert needed["scale_1b"] == (8,)
    assert "scale_2a" not in needed
    cleared = {name: value if name in of.coded else np.zeros_like(value) for name, value in made.items()}
    for name, size in needed.items():
        place = tuple(slice(n) for n in size)
        cleared[name][place] = made[name][place]
    args = {"shell": MIDDLE, "depth": 1, "confidence": lambda outputs: outputs.max(axis=1) > 0}
    ours, theirs = (shapes.exits(of, each, inputs(), **args) for each in (cleared, made))
    assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("value", [None, {}, {"kind": "trees"}, {"kind": ["image"]}])
def test_another_kind_is_refused(value: Any) -> None:
    with pytest.raises(ModelError, match="a network must be of the kind nested or image, got"):
        shapes.shape_from_json(value)
