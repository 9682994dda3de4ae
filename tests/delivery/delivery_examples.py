"""Small nested roots and what is published of them, made in NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from netgraft.delivery.coding.build import Built, Judge, Recipe, Release, build
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import OpenedHead, unpack_head
from netgraft.delivery.trust.accepting import Signature, SigningKey
from netgraft.runtime import Architecture, Column, Encoding, Inputs, Model, NestedShape, Output
from netgraft.runtime.nested import network

#: Whether the range coder is installed.
HAS_RANGE = find_spec("constriction") is not None
NOW = 1_700_000_000
KEY = SigningKey(b"k" * 32)
Arrays = dict[str, np.ndarray[Any, Any]]


def example_shape(
    *,
    outputs: int = 3,
    basis: str = "quantile",
    widths: Sequence[tuple[int, ...]] = ((4, 4), (8, 6), (16, 12)),
    triangular: bool = True,
    numeric: int = 5,
    slots: tuple[int, ...] = (4, 3),
    skip: bool = True,
) -> NestedShape:
    """Return the shape of a small root."""
    has_basis = basis != "linear" and numeric > 0
    bins = () if not has_basis else (4,) * numeric if basis == "periodic" else tuple(2 + j % 3 for j in range(numeric))
    a = Architecture(
        numeric, slots, outputs, basis, max(bins, default=1), 2 if has_basis else 1, 3, tuple(widths[-1]), skip=skip
    )
    return NestedShape(a, tuple(tuple(shell) for shell in widths), triangular, bins)


def example_tensors(shape: NestedShape, seed: int = 0, scale: float = 1.0) -> Arrays:
    """Return tensors of a shape: inner units and early layers matter most, zeros where the wiring has them."""
    rng = np.random.default_rng(seed)
    made: Arrays = {name: np.zeros(size, np.float32) for name, size in shape.coded.items()}
    for region in shape.regions:
        inputs = shape.coded[region.tensor][-2]
        drawn = rng.normal(0, scale * 0.7**region.shell / np.sqrt(inputs), len(region.indices))
        made[region.tensor].reshape(-1)[region.indices] = drawn
    for name, size in shape.exact.items():
        if name == "edges":
            made[name] = np.concatenate([np.linspace(-2, 2, bins + 1) for bins in shape.bins]).astype(np.float32)
        elif name == "bins":
            made[name] = np.array(shape.bins, np.int32)
        else:
            made[name] = rng.normal(0, 0.3, size).astype(np.float32)
    return made


def nudged(tensors: Arrays, share: float = 0.02, seed: int = 1) -> Arrays:
    """Return the tensors after a light training: everything a little different, zeros still zero."""
    rng = np.random.default_rng(seed)
    return {
        name: value
        if value.dtype.kind == "i" or name in ("edges", "frequencies")
        else (value + (value != 0) * rng.normal(0, share * (value.std() + 1e-3), value.shape)).astype(np.float32)
        for name, value in tensors.items()
    }


def example_encoding(shape: NestedShape) -> Encoding:
    """Return an encoding that fits a shape."""
    a = shape.architecture
    numeric = [Column(f"x{j}", "numeric") for j in range(a.numeric)]
    words = [Column(f"w{j}", "categorical", tuple("abcdefgh"[: slots - 1])) for j, slots in enumerate(a.slots)]
    one = np.ones(a.numeric, np.float32)
    return Encoding((*numeric, *words), 0.1 * one, 1.5 * one, -3 * one, 3 * one)


def example_output(shape: NestedShape) -> Output:
    """Return an output that fits a shape."""
    c = shape.architecture.outputs
    if c == 1:
        return Output("regression", mean=10.0, scale=2.0, low=0.0, high=20.0)
    return Output("classification", tuple(f"class {i}" for i in range(c)), temperature=1.5)


def example_inputs(shape: NestedShape, rows: int = 64, seed: int = 5) -> Inputs:
    """Return encoded rows."""
    rng = np.random.default_rng(seed)
    a = shape.architecture
    codes = [rng.integers(0, slots, rows) for slots in a.slots]
    stacked = np.stack(codes, axis=1) if codes else np.zeros((rows, 0), np.int64)
    return Inputs(rng.normal(size=(rows, a.numeric)).astype(np.float32), stacked.astype(np.int64))


def example_judge(shape: NestedShape, tensors: Arrays) -> Judge:
    """Return a judge that asks how near a model comes to the largest cut in float32: 1 - relative squared error."""
    inputs = example_inputs(shape, 256, 9)
    right = network(shape, tensors, shape.depth, shape.shells - 1).outputs(inputs)[:, 0]

    def judge(model: Model) -> tuple[float, float, float]:
        found = model.parts[0].outputs(inputs)[:, 0]
        accuracy = float(1 - ((found - right) ** 2).mean() / right.var())
        return accuracy, accuracy - 0.02, min(1.0, accuracy + 0.02)

    return judge


def release(version: int = 1, name: str = "energy") -> Release:
    """Return what a head says about itself."""
    about = {"target": "energy", "metric": "r2"}
    return Release(name, version, NOW, NOW + 86_400 * 30, about, {"source": "test"}, "CC-BY-4.0")


def example_built(
    shape: NestedShape,
    tensors: Arrays,
    *,
    version: int = 1,
    recipe: Recipe | None = None,
    parent: Assembly | None = None,
    name: str = "energy",
    judge: Judge | None = None,
) -> Built:
    """Return a root ready to be signed."""
    return build(
        shape,
        tensors,
        encoding=example_encoding(shape),
        output=example_output(shape),
        judge=judge or example_judge(shape, tensors),
        canaries=example_inputs(shape, 8, 3),
        release=release(version, name),
        recipe=recipe or Recipe(),
        parent=parent,
    )


def accept(message: bytes, signatures: Sequence[Signature]) -> None:
    """Verify the signatures of `KEY`."""
    assert signatures
    assert all(KEY.public.verifies(message, signature) for signature in signatures)


def opened(built: Built) -> OpenedHead:
    """Return a built head, signed and opened again."""
    return unpack_head(built.pack([KEY]), accept)


def whole(built: Built, head: OpenedHead | None = None) -> Assembly:
    """Return an assembly with all chunks."""
    assembly = Assembly(head or opened(built))
    for at, row in enumerate(built.head.chunks):
        assembly.add(at, built.chunks[row.sha256])
    return assembly


@cache
def example(kind: str = "plain") -> tuple[NestedShape, Arrays, Built, OpenedHead]:
    """Return a root, what is published of it and its opened head; made once per kind.

    Args:
        kind: ``plain``; ``tolerant`` below the three highest planes; ``wide`` for several chunks.
    """
    wide = ((8, 8), (24, 24), (64, 64))
    shape = example_shape(widths=wide, triangular=False) if kind == "wide" else example_shape()
    tensors = example_tensors(shape)
    recipe = Recipe(exact_planes=3) if kind == "tolerant" else Recipe()
    built = example_built(shape, tensors, recipe=recipe)
    return shape, tensors, built, opened(built)


def changed_document(head: Any, **changes: Any) -> dict[str, Any]:
    """Return a head's document with some fields changed."""
    return {**head.to_document(), **changes}
