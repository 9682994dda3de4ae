"""The nested network in NumPy alone: a network whose first layers and first units are networks too.

A cut is a depth and a shell. Shell s has ``widths[s][l]`` units of layer l; it holds the units of every lower shell.
Tensors by name (float32; D tokens, c outputs, w units of a layer of the largest shell):

====================  ==========================================================================================
coded on the grid
``projection``        [sum of bins, token]; only where there is a basis
``categories``        [sum of slots, category]; only where there are code columns
``weight_1`` ...      [inputs, w]
``head@1`` ...        [1, w, c] the exit after each layer
``skip@0`` ...        [D, c] the linear path of each exit; absent without skip
sent as they are
``edges``             [sum of (bins + 1)], or ``frequencies`` [d, bins / 2]
``bins``              int32 [d]
``bias_1`` ...        [w]
``head_bias@0`` ...   [1, c]
====================  ==========================================================================================

Where the wiring is triangular, a unit of shell t reads units of shells up to t only: numbers above are zero and are in
no region, and units compute the same in every cut that has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise
from operator import add, mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import ModelError
from netgraft.runtime.encoding import FloatArray, Inputs
from netgraft.runtime.leaving import leave_early
from netgraft.runtime.model import Network
from netgraft.runtime.network import Architecture, Tensors, activate, tokens

#: More numbers than this in one network are refused, so that a hostile description cannot fill the memory.
MOST_NUMBERS = 1 << 26
_MOST_LAYERS = 64
_MOST_SHELLS = 64
#: Numbers of one region; a larger one is split, so that a plane of it fits a chunk.
REGION_NUMBERS = 1 << 17
_FIELDS = {"architecture", "widths", "triangular", "bins"}


@dataclass(frozen=True)
class Region:
    """The numbers of one coded tensor that one shell of one depth adds to those before.

    Attributes:
        tensor: the tensor's name.
        depth, shell: the least cut that needs the numbers.
        numbers: how many there are.
        find: returns their places; most regions of a head that was just opened are never looked for.
    """

    tensor: str
    depth: int
    shell: int
    numbers: int
    find: Callable[[], NDArray[np.int64]] = field(repr=False, compare=False)

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Return their places in the flat tensor; int64 [numbers]."""
        return self.find()


def parts_of(tensor: str, depth: int, shell: int, numbers: int, find: Callable[[], NDArray[Any]]) -> Iterator[Region]:
    """Yield the regions of the numbers that a shell of a depth adds to a tensor, none of them too large.

    Args:
        tensor: its name.
        depth: of the least cut that needs the numbers.
        shell: of that cut.
        numbers: how many there are.
        find: returns the places of all of them; called once at most.
    """
    if numbers <= REGION_NUMBERS:
        if numbers:
            yield Region(tensor, depth, shell, numbers, find)
        return
    found: list[NDArray[Any]] = []

    def part(start: int) -> NDArray[Any]:
        found.extend([] if found else [find()])
        return found[0][start : start + REGION_NUMBERS]

    for start in range(0, numbers, REGION_NUMBERS):
        yield Region(tensor, depth, shell, min(REGION_NUMBERS, numbers - start), partial(part, start))


@dataclass(frozen=True)
class Cost:
    """What a cut costs.

    Attributes:
        parameters: numbers of the cut's network.
        operations: of one row, two for each multiplication with its addition; activations not counted.
        memory_bytes: numbers in float32 and the largest layer's inputs and outputs for one row.
    """

    parameters: int
    operations: int
    memory_bytes: int


@dataclass(frozen=True)
class NestedShape:
    """The shape of a nested network.

    Attributes:
        architecture: the largest cut.
        widths: units of each layer, per shell, the innermost first; the last are the architecture's.
        triangular: whether units read lower shells and their own only.
        bins: basis functions per numeric feature; empty where there is no basis.
    """

    architecture: Architecture
    widths: tuple[tuple[int, ...], ...]
    triangular: bool
    bins: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check that shells nest, bins fit the basis and the numbers are not too many.

        Raises:
            ModelError: they do not.
        """
        a = self.architecture
        if a.members != 1:
            raise ModelError(f"a nested network must have 1 member, got {a.members}")
        if not self.widths or self.widths[-1] != a.widths:
            raise ModelError(f"a nested network's last shell must have the widths {a.widths}, got {self.widths[-1:]}")
        if len(self.widths) > _MOST_SHELLS or a.depth > _MOST_LAYERS:
            raise ModelError(f"a nested network must have at most {_MOST_SHELLS} shells and {_MOST_LAYERS} layers")
        for inner, outer in pairwise(self.widths):
            if len(inner) != a.depth or any(i > o for i, o in zip(inner, outer, strict=False)) or inner == outer:
                raise ModelError(f"a shell must be contained in the next, got {inner} and {outer}")
        if any(width < 1 for shell in self.widths for width in shell):
            raise ModelError(f"a shell must have 1 unit or more in each layer, got {self.widths}")
        _check_bins(a, self.bins)
        if self.numbers > MOST_NUMBERS:
            raise ModelError(f"a nested network must have at most {MOST_NUMBERS} numbers, got {self.numbers}")

    @property
    def depth(self) -> int:
        """Return the number of layers of the largest cut."""
        return self.architecture.depth

    @property
    def least_depth(self) -> int:
        """Return the depth of the shallowest exit: 0 where there is a linear path."""
        return 0 if self.architecture.skip else 1

    @property
    def shells(self) -> int:
        """Return the number of shells."""
        return len(self.widths)

    @property
    def numbers(self) -> int:
        """Return how many numbers the coded and the exact tensors have."""
        shapes = [*self.coded.values(), *self.exact.values()]
        return sum(_count(shape) for shape in shapes)

    @cached_property
    def coded(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor that is sent on the grid, by name."""
        a, shapes = self.architecture, dict[str, tuple[int, ...]]()
        if self.bins:
            shapes["projection"] = (sum(self.bins), a.token)
        if a.slots:
            shapes["categories"] = (sum(a.slots), a.category)
        before = (a.tokens, *a.widths[:-1])
        for layer, (inputs, width) in enumerate(zip(before, a.widths, strict=False), start=1):
            shapes[f"weight_{layer}"] = (inputs, width)
            shapes[f"head@{layer}"] = (1, width, a.outputs)
        if a.skip:
            shapes |= {f"skip@{depth}": (a.tokens, a.outputs) for depth in range(a.depth + 1)}
        return shapes

    @cached_property
    def exact(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor that is sent as it is, by name."""
        a, shapes = self.architecture, dict[str, tuple[int, ...]]()
        if self.bins:
            if a.basis == "periodic":
                shapes["frequencies"] = (a.numeric, a.bins // 2)
            else:
                shapes["edges"] = (sum(self.bins) + a.numeric,)
            shapes["bins"] = (a.numeric,)
        shapes |= {f"bias_{layer}": (width,) for layer, width in enumerate(a.widths, start=1)}
        return shapes | {f"head_bias@{depth}": (1, a.outputs) for depth in range(self.least_depth, a.depth + 1)}

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Return the regions: by depth, in it by shell, in it by tensor, each with one number or more."""
        made: list[Region] = []
        for depth in range(self.depth + 1):
            for shell in range(self.shells if depth else 1):
                made += self._regions_of(depth, shell)
        return tuple(made)

    def _regions_of(self, depth: int, shell: int) -> Iterator[Region]:
        """Yield the regions of one depth and shell."""
        whole = [f"skip@{depth}"] if depth else ["projection", "categories", "skip@0"]
        for name in [f"weight_{depth}", f"head@{depth}"] if depth else []:
            yield from parts_of(name, depth, shell, self._numbers(name, shell), partial(self._places, name, shell))
        for name in [name for name in whole if shell == 0 and name in self.coded]:
            numbers = _count(self.coded[name])
            yield from parts_of(name, depth, shell, numbers, partial(np.arange, numbers))

    def _numbers(self, name: str, shell: int) -> int:
        """Return how many numbers a shell adds to a layer's weight or head."""
        if name.startswith("head@"):
            units, before = self._units(int(name[5:]), shell)
            return (units - before) * self.architecture.outputs
        layer = int(name[7:])
        (reads, reads_before), (units, before) = self._units(layer - 1, shell), self._units(layer, shell)
        return reads * (units - before) if self.triangular else reads * units - reads_before * before

    def _units(self, layer: int, shell: int) -> tuple[int, int]:
        """Return how many units of a layer a shell has, and how many of them the shell before."""
        if layer == 0:
            return self.architecture.tokens, self.architecture.tokens if shell else 0
        return self.widths[shell][layer - 1], self.widths[shell - 1][layer - 1] if shell else 0

    def _places(self, name: str, shell: int) -> NDArray[np.int64]:
        """Return the places of the numbers that a shell adds to a layer's weight or head."""
        return np.flatnonzero(self._shell_of(name) == shell)

    def _shell_of(self, name: str) -> NDArray[np.int8]:
        """Return the shell of every number of a layer's weight or head, -1 where it is always zero; flat."""
        if name.startswith("head@"):
            return np.repeat(self._unit_shells(int(name[5:])), self.architecture.outputs)
        layer = int(name[7:])
        reads, unit = self._unit_shells(layer - 1)[:, None], self._unit_shells(layer)[None, :]
        found = np.where(reads <= unit, unit, np.int8(-1)) if self.triangular else np.maximum(reads, unit)
        return found.ravel()

    def _unit_shells(self, layer: int) -> NDArray[np.int8]:
        """Return the shell of every unit of a layer; tokens (layer 0) are all of shell 0."""
        if layer == 0:
            return np.zeros(self.architecture.tokens, np.int8)
        ends = np.array([shell[layer - 1] for shell in self.widths])
        return np.searchsorted(ends, np.arange(ends[-1]), side="right").astype(np.int8)

    def cut_architecture(self, depth: int, shell: int) -> Architecture:
        """Return the architecture of a cut.

        Raises:
            ModelError: there is no such depth or shell.
        """
        if not self.least_depth <= depth <= self.depth or not 0 <= shell < self.shells:
            raise ModelError(
                f"a cut must have a depth from {self.least_depth} to {self.depth} and a shell below {self.shells}, "
                f"got {depth} and {shell}"
            )
        return replace(self.architecture, widths=self.widths[shell][:depth])

    def to_json(self) -> dict[str, Any]:
        """Return the shape as JSON values."""
        return {
            "architecture": self.architecture.to_json(),
            "widths": [list(shell) for shell in self.widths],
            "triangular": self.triangular,
            "bins": list(self.bins),
        }

    @staticmethod
    def from_json(value: Any) -> NestedShape:
        """Return the shape stored by `to_json`.

        Raises:
            ModelError: a field is missing, unknown, of another type or out of range.
        """
        if not isinstance(value, Mapping) or set(value) != _FIELDS:
            raise ModelError(f"a nested network must have the fields {', '.join(sorted(_FIELDS))}")
        widths, bins = value["widths"], value["bins"]
        if not isinstance(widths, list) or not 1 <= len(widths) <= _MOST_SHELLS or not _whole(bins):
            raise ModelError("a nested network must have lists of whole numbers as widths and bins")
        if not all(_whole(shell) for shell in widths) or type(value["triangular"]) is not bool:
            raise ModelError("a nested network must have lists of whole numbers as widths, and be triangular or not")
        return NestedShape(
            _architecture(value["architecture"]),
            tuple(tuple(shell) for shell in widths),
            value["triangular"],
            tuple(bins),
        )


def network(shape: NestedShape, tensors: Tensors, depth: int, shell: int) -> Network:
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
    kept = {
        name: tensors[name] for name in ("edges", "frequencies", "bins", "projection", "categories") if name in tensors
    }
    inputs = a.tokens
    for layer, width in enumerate(a.widths, start=1):
        kept[f"weight_{layer}"] = np.ascontiguousarray(tensors[f"weight_{layer}"][:inputs, :width])
        kept[f"bias_{layer}"] = tensors[f"bias_{layer}"][:width]
        inputs = width
    if depth:
        kept["head"] = np.ascontiguousarray(tensors[f"head@{depth}"][:, :inputs])
    kept["head_bias"] = tensors[f"head_bias@{depth}"]
    if a.skip:
        kept["skip"] = tensors[f"skip@{depth}"]
    return Network(a, kept)


def exits(
    shape: NestedShape,
    tensors: Tensors,
    inputs: Inputs,
    *,
    shell: int,
    depth: int,
    confidence: Callable[[FloatArray], NDArray[np.bool_]],
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return for each row the outputs of the first exit that is confident, and that exit's depth; [n, c] and [n].

    Each layer is computed once, for the rows that have not left yet; the rest leave at the last exit.

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
    a = shape.cut_architecture(depth, shell)
    first = tokens(a, tensors, inputs)
    return leave_early(
        (first, first),
        depths=range(shape.least_depth, depth + 1),
        advance=lambda state, layer: (state[0], _layer(a, tensors, state[1], layer)),
        answer=lambda state, layer: _exit(tensors, state[0], state[1], layer),
        confidence=confidence,
    )


def _layer(a: Architecture, tensors: Tensors, hidden: FloatArray, layer: int) -> FloatArray:
    """Return the units of a layer; float32 [m, width]."""
    width = a.widths[layer - 1]
    summed = hidden @ tensors[f"weight_{layer}"][: hidden.shape[1], :width]
    summed += tensors[f"bias_{layer}"][:width]
    return activate(a.activation, summed)


def _exit(tensors: Tensors, first: FloatArray, hidden: FloatArray, depth: int) -> FloatArray:
    """Return the outputs of an exit; float32 [m, c]."""
    made = np.broadcast_to(tensors[f"head_bias@{depth}"], (len(first), tensors[f"head_bias@{depth}"].shape[1]))
    if depth:
        made = made + hidden @ tensors[f"head@{depth}"][0, : hidden.shape[1]]
    if f"skip@{depth}" in tensors:
        made = made + first @ tensors[f"skip@{depth}"]
    return np.asarray(made, np.float32)


def cost(shape: NestedShape, depth: int, shell: int) -> Cost:
    """Return what a cut costs.

    Raises:
        ModelError: there is no such depth or shell.
    """
    a = shape.cut_architecture(depth, shell)
    sizes = [sum(shape.bins), a.tokens, *a.widths, a.outputs]
    # inputs of the projection count once, those of layers and of the exit for each unit
    products = sizes[0] * a.token + sum(map(mul, sizes[1:], sizes[2:])) if depth else sizes[0] * a.token
    products += a.tokens * a.outputs if a.skip else 0
    exact = sum(_count(size) for name, size in shape.exact.items() if name in ("edges", "frequencies"))
    parameters = products + sum(a.slots) * a.category + exact + sum(a.widths) + a.outputs
    peak = max(map(add, sizes, sizes[1:])) + a.tokens
    return Cost(parameters, 2 * products, 4 * (parameters + peak))


def _check_bins(a: Architecture, bins: tuple[int, ...]) -> None:
    """Check the basis functions per feature.

    Raises:
        ModelError: they do not fit the basis.
    """
    if a.basis == "linear" or a.numeric == 0:
        if bins:
            raise ModelError(f"a network without a basis must have no bins, got {len(bins)}")
        if a.numeric and a.token != 1:
            raise ModelError(f"a network with a linear basis must have 1 number per token, got {a.token}")
        return
    if len(bins) != a.numeric or not all(1 <= count <= a.bins for count in bins):
        raise ModelError(f"a network must have 1 to {a.bins} bins for each of its {a.numeric} numeric features")
    if a.basis == "periodic" and (a.bins % 2 or set(bins) != {a.bins}):
        raise ModelError(f"a periodic basis must have the same even number of bins everywhere, got {bins[:8]}")


def _architecture(value: Any) -> Architecture:
    """Return an architecture whose numbers are whole and in range.

    Raises:
        ModelError: a field is missing, unknown, of another type or out of range.
    """
    if not isinstance(value, Mapping):
        raise ModelError("a nested network must have an architecture")
    made = Architecture.from_json(value)
    counts = {"numeric": 0, "outputs": 1, "bins": 1, "token": 1, "category": 1, "members": 1}
    for name, least in counts.items():
        count = getattr(made, name)
        if type(count) is not int or not least <= count <= MOST_NUMBERS:
            raise ModelError(f"an architecture must have {name} >= {least}, got {count!r}")
    for name in ("slots", "widths"):
        if not isinstance(getattr(made, name), tuple) or not _whole(list(getattr(made, name))):
            raise ModelError(f"an architecture must have whole numbers as {name}")
    if 0 in made.slots or type(made.skip) is not bool:
        raise ModelError("an architecture must have 1 slot or more for each code column, and a linear path or not")
    return made


def _whole(value: Any) -> bool:
    """Return whether a JSON value is a list of whole numbers from 0 up, none absurd."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n <= MOST_NUMBERS for n in value)


def _count(shape: tuple[int, ...]) -> int:
    """Return how many numbers a shape holds, without overflow."""
    total = 1
    for size in shape:
        total *= size
    return total
