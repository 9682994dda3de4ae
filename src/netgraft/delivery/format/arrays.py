"""The arrays of a head: what each is called, its type and shape, and how all of them become bytes.

The layout follows from the document, so nothing about it is sent: the arrays lie one after the other, and of each
first the lowest byte of all its numbers, then the next byte, and so on, because like bytes compress better together.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import HeadError

if TYPE_CHECKING:
    from netgraft.delivery.format.head import Head

Layout = dict[str, tuple[str, tuple[int, ...]]]
OUTPUT_NUMBERS = {"regression": 5, "classification": 1}


def array_layout(head: Head) -> Layout:
    """Return the type and shape of every array of a head, by name, in order."""
    shape, a = head.shape, head.shape.architecture
    layout: Layout = {f"encoding.{key}": ("<f4", (a.numeric,)) for key in ("center", "scale", "low", "high")}
    layout["output"] = ("<f4", (OUTPUT_NUMBERS[head.output["kind"]],))
    for name, size in shape.exact.items():
        layout[name] = ("<i4" if name == "bins" else "<f4", size)
    layout["canary.numeric"] = ("<f4", (head.canaries, a.numeric))
    layout["canary.codes"] = ("<i4", (head.canaries, len(a.slots)))
    layout["canary.outputs"] = ("<f2", (len(head.cuts), head.canaries, a.outputs))
    return layout


def layout_bytes(layout: Layout) -> int:
    """Return how many bytes the arrays have."""
    return sum(prod(shape) * np.dtype(kind).itemsize for kind, shape in layout.values())


def join_arrays(layout: Layout, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as bytes.

    Raises:
        HeadError: an array is missing or of another shape.
    """
    if set(arrays) != set(layout):
        raise HeadError(f"a head must have the arrays {', '.join(layout)}, got {', '.join(sorted(arrays))}")
    made = []
    for name, (kind, shape) in layout.items():
        if arrays[name].shape != shape:
            raise HeadError(f"a head's array {name!r} must have shape {shape}, got {arrays[name].shape}")
        plain = np.ascontiguousarray(arrays[name], kind).reshape(-1)
        made.append(plain.view(np.uint8).reshape(len(plain), plain.itemsize).T.tobytes())
    return b"".join(made)


def split_arrays(layout: Layout, data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays that bytes hold.

    Raises:
        HeadError: there are too few or too many bytes.
    """
    if len(data) != layout_bytes(layout):
        raise HeadError(f"a head's arrays must have {layout_bytes(layout)} bytes, got {len(data)}")
    made, at = {}, 0
    for name, (kind, shape) in layout.items():
        count, width = prod(shape), np.dtype(kind).itemsize
        planes = np.frombuffer(data, np.uint8, count * width, at).reshape(width, count)
        plain = np.ascontiguousarray(planes.T).view(kind).reshape(shape)
        made[name] = plain.astype(plain.dtype.newbyteorder("="))
        at += count * width
    return made
