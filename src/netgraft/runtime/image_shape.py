"""The nested image network in NumPy alone: its first blocks and first channels are networks too.

A cut is a depth (blocks) and a shell. It has what `netgraft.runtime.nested` has for tables, by the same names: tensors
that are coded on the grid, tensors that are sent as they are, the regions of the coded ones, the network of a cut, its
cost, and early exits. Coded are convolutions, shortcuts and heads (``weight_...``, ``head@...``); norms and the biases
of heads are few and exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import ModelError
from netgraft.runtime.encoding import FloatArray, Inputs
from netgraft.runtime.image import (
    TAPS,
    ImageArchitecture,
    ImageNetwork,
    Tensors,
    block,
    head,
    images_of,
    stem,
    tensor_shapes,
)
from netgraft.runtime.leaving import leave_early
from netgraft.runtime.nested import MOST_NUMBERS, Cost, Region, parts_of

_MOST_BLOCKS = 64
_MOST_SHELLS = 64
_FIELDS = {"architecture", "widths", "triangular"}


@dataclass(frozen=True)
class ImageShape:
    """The shape of a nested image network.

    Attributes:
        architecture: the largest cut with all channels in one shell.
        widths: channels after the stem and after each block, per shell, the innermost first; the last are the
            architecture's.
        triangular: whether channels read lower shells and their own only.
    """

    architecture: ImageArchitecture
    widths: tuple[tuple[int, ...], ...]
    triangular: bool

    def __post_init__(self) -> None:
        """Check that shells nest and the numbers are not too many.

        Raises:
            ModelError: they do not.
        """
        a = self.architecture
        if a.depth > _MOST_BLOCKS or not 1 <= len(self.widths) <= _MOST_SHELLS:
            raise ModelError(f"an image network must have 1 to {_MOST_SHELLS} shells and at most {_MOST_BLOCKS} blocks")
        if a.shells != (self.widths[-1],):
            raise ModelError(f"the last shell must have the channels {a.shells}, got {self.widths[-1]}")
        replace(a, shells=self.widths)  # checks that they nest
        if self.numbers > MOST_NUMBERS:
            raise ModelError(f"an image network must have at most {MOST_NUMBERS} numbers, got {self.numbers}")

    @property
    def depth(self) -> int:
        """Return the blocks of the largest cut."""
        return self.architecture.depth

    @property
    def least_depth(self) -> int:
        """Return the depth of the shallowest head: that of the stem."""
        return 0

    @property
    def depths(self) -> tuple[int, ...]:
        """Return all depths; each has a head."""
        return tuple(range(self.depth + 1))

    @property
    def bins(self) -> tuple[int, ...]:
        """Return the basis functions per feature; images have no basis."""
        return ()

    @property
    def shells(self) -> int:
        """Return the number of shells."""
        return len(self.widths)

    @property
    def numbers(self) -> int:
        """Return how many numbers the coded and the exact tensors have."""
        return sum(prod(size) for size in tensor_shapes(self.architecture, self.depths).values())

    @cached_property
    def coded(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor that is sent on the grid, by name."""
        return {name: size for name, size in self._shapes.items() if _is_coded(name)}

    @cached_property
    def exact(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor that is sent as it is, by name."""
        return {name: size for name, size in self._shapes.items() if not _is_coded(name)}

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return tensor_shapes(self.architecture, self.depths)

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Return the regions: by depth, in it by shell, in it by tensor, each with one number or more."""
        found = {name: self._shell_of(name) for name in self.coded}
        return tuple(
            region for depth in self.depths for shell in range(self.shells) for region in self._of(found, depth, shell)
        )

    def _of(self, found: Mapping[str, NDArray[np.int64]], depth: int, shell: int) -> Iterator[Region]:
        """Yield the regions of one depth and shell."""
        names = [f"weight_{depth}{part}" for part in ("", "a", "b", "s")] + [f"head@{depth}"]
        for name in [name for name in names if name in found]:
            places = np.flatnonzero(found[name] == shell)
            yield from parts_of(name, depth, shell, len(places), partial(np.asarray, places))

    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Return for each coded tensor which of its numbers are not always zero; empty for a square wiring."""
        if not self.triangular:
            return {}
        return {name: (self._shell_of(name) >= 0).reshape(size) for name, size in self.coded.items()}

    def _shell_of(self, name: str) -> NDArray[np.int64]:
        """Return the shell of every number of a coded tensor, -1 where it is always zero; flat."""
        size = self.coded[name]
        if name.startswith("head@"):
            return np.repeat(self._channel_shells(int(name[5:])), prod(size[1:]))
        index = int(name[7:].rstrip("abs"))
        if index == 0:
            return np.broadcast_to(self._channel_shells(0), size).ravel()
        reads = self._channel_shells(index if name.endswith("b") else index - 1)
        makes = self._channel_shells(index)
        pairs = np.where(reads[:, None] <= makes, makes, -1) if self.triangular else np.maximum(reads[:, None], makes)
        return pairs.ravel() if len(size) == 2 else np.broadcast_to(pairs[:, None, None, :], size).ravel()

    def _channel_shells(self, depth: int) -> NDArray[np.int64]:
        """Return the shell of every channel after so many blocks."""
        ends = np.array([shell[depth] for shell in self.widths])
        return np.searchsorted(ends, np.arange(ends[-1]), side="right").astype(np.int64)

    def cut_architecture(self, depth: int, shell: int) -> ImageArchitecture:
        """Return the architecture of a cut.

        Raises:
            ModelError: there is no such depth or shell.
        """
        if not 0 <= depth <= self.depth or not 0 <= shell < self.shells:
            raise ModelError(
                f"a cut must have a depth from 0 to {self.depth} and a shell below {self.shells}, "
                f"got {depth} and {shell}"
            )
        kept = self.widths[: shell + 1] if self.triangular else (self.widths[shell],)
        cut = tuple(widths[: depth + 1] for widths in kept)
        return replace(self.architecture, shells=cut, strides=self.architecture.strides[:depth])

    def to_json(self) -> dict[str, Any]:
        """Return the shape as JSON values."""
        return {
            "architecture": self.architecture.to_json(),
            "widths": [list(shell) for shell in self.widths],
            "triangular": self.triangular,
        }

    @staticmethod
    def from_json(value: Any) -> ImageShape:
        """Return the shape stored by `to_json`.

        Raises:
            ModelError: a field is missing, unknown, of another type or out of range.
        """
        if not isinstance(value, Mapping) or set(value) != _FIELDS or not isinstance(value["architecture"], Mapping):
            raise ModelError(f"a nested image network must have the fields {', '.join(sorted(_FIELDS))}")
        widths = value["widths"]
        if not isinstance(widths, list) or not all(isinstance(shell, list) for shell in widths):
            raise ModelError("a nested image network must have lists of whole numbers as widths")
        if type(value["triangular"]) is not bool:
            raise ModelError(f"a nested image network must be triangular or not, got {value['triangular']!r}")
        architecture = ImageArchitecture.from_json(value["architecture"])
        return ImageShape(architecture, tuple(tuple(shell) for shell in widths), value["triangular"])


def network(shape: ImageShape, tensors: Tensors, depth: int, shell: int) -> ImageNetwork:
    """Return a cut as a plain network.

    Args:
        shape: of the nested network.
        tensors: its coded and exact tensors by name; those of greater depth may be absent.
        depth: of the cut.
        shell: of the cut.

    Raises:
        ModelError: there is no such depth or shell.
    """
    a = shape.cut_architecture(depth, shell)
    return ImageNetwork(a, _sliced(tensors, tensor_shapes(a)))


def exits(
    shape: ImageShape,
    tensors: Tensors,
    inputs: Inputs,
    *,
    shell: int,
    depth: int,
    confidence: Callable[[FloatArray], NDArray[np.bool_]],
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return for each row the outputs of the first head that is confident, and that head's depth; [n, c] and [n].

    Each block is computed once, for the rows that have not left yet; the rest leave at the last head.

    Args:
        shape: of the nested network.
        tensors: its tensors by name.
        inputs: encoded rows.
        shell: of the cut.
        depth: of the last head.
        confidence: from outputs [m, c] of m rows to whether each is certain enough, [m].

    Raises:
        ModelError: there is no such depth or shell, or the rows are no images of the network.
    """
    a = shape.cut_architecture(depth, shell)
    own = _sliced(tensors, tensor_shapes(a, tuple(range(depth + 1))))
    return leave_early(
        stem(a, own, images_of(a, inputs.numeric)),
        depths=range(depth + 1),
        advance=lambda state, index: block(a, own, index, list(state)),
        answer=lambda state, index: head(a, own, index, list(state)),
        confidence=confidence,
    )


def cost(shape: ImageShape, depth: int, shell: int) -> Cost:
    """Return what a cut costs.

    Raises:
        ModelError: there is no such depth or shell.
    """
    a = shape.cut_architecture(depth, shell)
    shapes, sides = tensor_shapes(a), a.sides()
    kept = {name: size for name, size in shape.masks().items() if name in shapes}
    products = 0
    for name, size in shapes.items():
        if not _is_coded(name):
            continue
        count = int(kept[name][tuple(slice(n) for n in size)].sum()) if name in kept else prod(size)
        index = 0 if name == "weight_0" else int(name[7:].rstrip("abs")) if name.startswith("weight_") else None
        products += count * (1 if index is None else sides[index] ** 2)
    parameters = sum(prod(size) for size in shapes.values())
    held = [side * side * width for side, width in zip(sides, a.widths, strict=True)]
    patches = [TAPS * side * side * max(pair) for side, pair in zip(sides[1:], pairwise(a.widths), strict=True)]
    peak = max([TAPS * a.pixels**2 * a.channels, *patches]) + 2 * max(held)
    return Cost(parameters, 2 * products, 4 * (parameters + peak))


def _sliced(tensors: Tensors, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    """Return the first numbers of each tensor along every axis."""
    return {
        name: np.ascontiguousarray(tensors[name][tuple(slice(size) for size in wanted)])
        for name, wanted in shapes.items()
    }


def _is_coded(name: str) -> bool:
    """Return whether a tensor is sent on the grid."""
    return name.startswith(("weight_", "head@"))
