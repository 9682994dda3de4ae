"""Nested networks of all kinds, for tables and for images: the cuts, costs, exits and JSON of whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from netgraft.errors import ModelError
from netgraft.runtime import image_shape, nested
from netgraft.runtime.encoding import FloatArray, Inputs
from netgraft.runtime.image import ImageNetwork, tensor_shapes
from netgraft.runtime.image_shape import ImageShape
from netgraft.runtime.model import Network
from netgraft.runtime.nested import Cost, NestedShape
from netgraft.runtime.network import Tensors

Shape = NestedShape | ImageShape
KINDS = ("nested", "image")


def shape_to_json(shape: Shape) -> dict[str, Any]:
    """Return a shape as JSON values, with its kind."""
    return {"kind": "image" if isinstance(shape, ImageShape) else "nested"} | shape.to_json()


def shape_from_json(value: Any) -> Shape:
    """Return the shape stored by `shape_to_json`.

    Raises:
        ModelError: it is of another kind, or says what cannot be.
    """
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if kind not in KINDS:
        raise ModelError(f"a network must be of the kind {' or '.join(KINDS)}, got {kind!r}")
    rest = {key: entry for key, entry in value.items() if key != "kind"}
    return ImageShape.from_json(rest) if kind == "image" else NestedShape.from_json(rest)


def network(shape: Shape, tensors: Tensors, depth: int, shell: int) -> Network | ImageNetwork:
    """Return a cut as a plain network.

    Args:
        shape: of the nested network.
        tensors: its coded and exact tensors by name; those of greater depth may be absent.
        depth: of the cut.
        shell: of the cut.

    Raises:
        ModelError: there is no such depth or shell.
    """
    if isinstance(shape, ImageShape):
        return image_shape.network(shape, tensors, depth, shell)
    return nested.network(shape, tensors, depth, shell)


def cost(shape: Shape, depth: int, shell: int) -> Cost:
    """Return what a cut costs.

    Raises:
        ModelError: there is no such depth or shell.
    """
    return image_shape.cost(shape, depth, shell) if isinstance(shape, ImageShape) else nested.cost(shape, depth, shell)


def exact_sizes(shape: Shape, depth: int, shell: int) -> dict[str, tuple[int, ...]]:
    """Return by name how much of each exact tensor a cut and its earlier exits need, from its first number on.

    Raises:
        ModelError: there is no such depth or shell.
    """
    if isinstance(shape, ImageShape):
        sizes = tensor_shapes(shape.cut_architecture(depth, shell), tuple(range(depth + 1)))
        return {name: size for name, size in sizes.items() if name in shape.exact}
    widths, found = shape.cut_architecture(depth, shell).widths, dict[str, tuple[int, ...]]()
    for name, size in shape.exact.items():
        kind, _, at = name.partition("@") if "@" in name else name.partition("_")
        if kind == "bias":
            if int(at) <= depth:
                found[name] = (widths[int(at) - 1],)
        elif kind != "head_bias" or int(at) <= depth:
            found[name] = size
    return found


def exits(
    shape: Shape,
    tensors: Tensors,
    inputs: Inputs,
    *,
    shell: int,
    depth: int,
    confidence: Callable[[FloatArray], NDArray[Any]],
) -> tuple[FloatArray, NDArray[Any]]:
    """Return for each row the outputs of the first exit that is confident, and that exit's depth; [n, c] and [n].

    Args:
        shape: of the nested network.
        tensors: its tensors by name.
        inputs: encoded rows.
        shell: of the cut.
        depth: of the last exit.
        confidence: from outputs [m, c] of m rows to whether each is certain enough, [m].

    Raises:
        ModelError: there is no such depth or shell.
    """
    if isinstance(shape, ImageShape):
        return image_shape.exits(shape, tensors, inputs, shell=shell, depth=depth, confidence=confidence)
    return nested.exits(shape, tensors, inputs, shell=shell, depth=depth, confidence=confidence)
