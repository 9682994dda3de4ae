"""What of a model is sent, how many bytes it takes, and what arrives when bits of it are wrong.

A form is *naive* (every number that is sent may be spoilt: weights, norms, biases, scales, codebooks) or *hardened*:
norms, biases, scales, ranges and masks arrive as they are, as the paper assumes of its topology, codes are signs and
magnitudes, and a float32 weight outside the range of its row becomes 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.format.codec import compress
from netgraft.delivery.format.planes import pack_cell
from netgraft.runtime.grid import Grid, dequantise
from netgraft.runtime.image_shape import ImageShape

Array = NDArray[Any]
Tensors = dict[str, Array]
_FLOAT = 4


def is_coded(name: str) -> bool:
    """Return whether a tensor holds weights: the part that the paper compresses and exposes."""
    return name.startswith(("weight_", "head@"))


def flipped(codes: Array, bits: int, rate: float, random: np.random.Generator) -> Array:
    """Return unsigned codes of so many bits in which each bit is wrong with a probability."""
    made = codes.ravel().copy()
    wrong = random.integers(0, made.size * bits, random.binomial(made.size * bits, rate))
    np.bitwise_xor.at(made, wrong // bits, (1 << (wrong % bits)).astype(made.dtype))
    return made.reshape(codes.shape)


def flipped_floats(values: Array, rate: float, random: np.random.Generator) -> Array:
    """Return float32 values of which each bit is wrong with a probability."""
    return flipped(np.ascontiguousarray(values, np.float32).view(np.uint32), 32, rate, random).view(np.float32)


def row_range(values: Array) -> Array:
    """Return the largest magnitude of each output of a weight."""
    return np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)


@dataclass(frozen=True)
class Floats:
    """Weights as float32, all of them or those that a mask keeps.

    Attributes:
        tensors: of the network.
        kept: by tensor, which numbers are sent; all where it has none.
        known: whether the device knows without a mask which numbers are sent, as with a triangular wiring.
    """

    tensors: Mapping[str, Array]
    kept: Mapping[str, Array] = field(default_factory=dict)
    known: bool = False

    def size_bytes(self, *, hardened: bool = False) -> float:
        """Return the bytes that are sent; a mask takes a bit for each number, or less where it is mostly zeros."""
        total = 0.0
        for name, value in self.tensors.items():
            mask = self.kept.get(name)
            total += _FLOAT * (value.size if mask is None else int(mask.sum()))
            total += 0 if mask is None or self.known else _mask_bytes(mask)
            total += _FLOAT * value.shape[-1] if hardened and is_coded(name) else 0
        return total

    def received(self, rate: float, random: np.random.Generator, *, hardened: bool) -> Tensors:
        """Return the tensors that arrive."""
        made = {}
        for name, value in self.tensors.items():
            made[name] = value
            if hardened and not is_coded(name):
                continue
            mask = self.kept.get(name, np.ones(value.shape, bool)).astype(bool)
            spoilt = np.zeros(value.shape, np.float32)
            spoilt[mask] = flipped_floats(value[mask], rate, random)
            if hardened:
                with np.errstate(invalid="ignore"):
                    spoilt[~(np.abs(spoilt) <= row_range(value))] = 0
            made[name] = spoilt
        return made


def _mask_bytes(mask: Array) -> float:
    """Return the bytes of a mask at its entropy."""
    share = float(mask.mean())
    if not 0 < share < 1:
        return 0.0
    return -mask.size * (share * np.log2(share) + (1 - share) * np.log2(1 - share)) / 8


@dataclass(frozen=True)
class Coded:
    """One weight as codes of some bits: the value of code i is ``levels[i] * scale`` of its output.

    Attributes:
        codes: uint32, in the order of the values.
        levels: [2^bits] or fewer.
        scale: [outputs], or [1].
        bits: of a code.
        signed: whether codes are an offset from the middle, and so can be sent as sign and magnitude.
    """

    codes: Array
    levels: Array
    scale: Array
    bits: int
    signed: bool

    def values(self) -> Array:
        """Return the weight."""
        return (self.levels[self.codes] * self.scale).astype(np.float32)

    def size_bytes(self) -> float:
        """Return the bytes that are sent."""
        return self.codes.size * self.bits / 8 + _FLOAT * (self.scale.size + (0 if self.signed else self.levels.size))

    def received(self, rate: float, random: np.random.Generator, *, hardened: bool) -> Array:
        """Return the weight that arrives."""
        most = len(self.levels) - 1
        if not hardened:
            scale = flipped_floats(self.scale, rate, random)
            levels = self.levels if self.signed else flipped_floats(self.levels, rate, random)
            codes = np.minimum(flipped(self.codes, self.bits, rate, random), most)
            with np.errstate(over="ignore", invalid="ignore"):
                return (levels[codes] * scale).astype(np.float32)
        if not self.signed:
            return Coded(
                np.minimum(flipped(self.codes, self.bits, rate, random), most),
                self.levels, self.scale, self.bits, signed=False,
            ).values()  # fmt: skip
        middle = 1 << (self.bits - 1)
        offset = self.codes.astype(np.int64) - middle
        sent = (np.abs(offset) | np.where(offset < 0, middle, 0)).astype(np.uint32)
        came = flipped(sent, self.bits, rate, random).astype(np.int64)
        back = np.where(came & middle, -(came & (middle - 1)), came & (middle - 1)) + middle
        return Coded(back.astype(np.uint32), self.levels, self.scale, self.bits, signed=True).values()


@dataclass(frozen=True)
class Codes:
    """Weights as codes, tensor by tensor, and the rest as float32."""

    coded: Mapping[str, Coded]
    exact: Mapping[str, Array]

    def size_bytes(self, *, hardened: bool = False) -> float:
        """Return the bytes that are sent."""
        del hardened
        return sum(each.size_bytes() for each in self.coded.values()) + _exact_bytes(self.exact)

    def received(self, rate: float, random: np.random.Generator, *, hardened: bool) -> Tensors:
        """Return the tensors that arrive."""
        made = {name: each.received(rate, random, hardened=hardened) for name, each in self.coded.items()}
        return made | _exact(self.exact, rate, random, hardened=hardened)


@dataclass(frozen=True)
class Planes:
    """Weights as signs and the highest magnitude planes on one common step, and the rest as float32.

    Attributes:
        codes: int32 signed magnitudes by tensor, of the cut.
        sent: by tensor, which numbers are sent.
        grid: the common step.
        lowest: the lowest plane that is sent.
        exact: norms and biases of the cut.
        certain: how many of the highest planes arrive as they are when hardened.
        certain_bytes: that those take, in chunks with forward error correction.
    """

    codes: Mapping[str, Array]
    sent: Mapping[str, Array]
    grid: Grid
    lowest: int
    exact: Mapping[str, Array]
    certain: int = 0
    certain_bytes: float = 0.0

    def size_bytes(self, *, hardened: bool = False) -> float:
        """Return the bytes of raw planes, of which a wrong bit spoils one number only."""
        bits = 0
        for name, mask in self.sent.items():
            signs, planes = self._bits(name, hardened=hardened)
            bits += int(((signs + planes) * mask).sum())
        more = sum(code.shape[-1] for code in self.codes.values()) / 2 + self.certain_bytes if hardened else 0.0
        return bits / 8 + more + _exact_bytes(self.exact)

    def _bits(self, name: str, *, hardened: bool) -> tuple[Array, Array]:
        """Return whether the sign of each number is sent raw, and how many raw planes of it.

        Hardened, the highest plane of each output is known beforehand, in 4 bits, and certain planes are not raw.
        """
        code = self.codes[name]
        if not hardened:
            return np.ones(code.shape, np.int64), np.full(code.shape, self.grid.planes - self.lowest)
        largest = np.abs(code).reshape(-1, code.shape[-1]).max(axis=0)  # [outputs]
        top = np.frexp(largest.astype(np.float64))[1]  # bits of the largest magnitude
        raw = self.grid.planes - self.certain
        planes = np.broadcast_to(np.maximum(np.minimum(top, raw) - self.lowest, 0), code.shape)
        return ((planes > 0) & (np.abs(code) >> raw == 0)).astype(np.int64), planes

    def received(self, rate: float, random: np.random.Generator, *, hardened: bool) -> Tensors:
        """Return the tensors that arrive."""
        made = {}
        for name, code in self.codes.items():
            signs, planes = self._bits(name, hardened=hardened)
            magnitude, negative = np.abs(code) >> self.lowest, code < 0
            for plane in range(int(planes.max(initial=0))):
                wrong = self._wrong(name, planes > plane, rate, random)
                magnitude = magnitude ^ (wrong.astype(np.int32) << plane)
            negative = negative ^ self._wrong(name, signs > 0, rate, random)
            magnitude = magnitude << self.lowest
            made[name] = dequantise(np.where(negative, -magnitude, magnitude), self.grid, self.lowest)
        return made | _exact(self.exact, rate, random, hardened=hardened)

    def _wrong(self, name: str, there: Array, rate: float, random: np.random.Generator) -> Array:
        """Return which bits of a plane are wrong, of those that are there."""
        return (random.random(there.shape) < rate) & there & self.sent[name]


def _exact(exact: Mapping[str, Array], rate: float, random: np.random.Generator, *, hardened: bool) -> Tensors:
    """Return norms and biases as they arrive."""
    return {name: value if hardened else flipped_floats(value, rate, random) for name, value in exact.items()}


def _exact_bytes(exact: Mapping[str, Array]) -> float:
    """Return the bytes of norms and biases."""
    return float(_FLOAT * sum(value.size for value in exact.values()))


class Chunked:
    """The real bytes of a root's cells: planes of each depth and shell, packed and compressed as chunks are."""

    def __init__(self, shape: ImageShape, codes: Mapping[str, Array], planes: int) -> None:
        """Pack every cell once."""
        cells: dict[tuple[int, int, int], list[bytes]] = {}
        for region in shape.regions:
            taken = codes[region.tensor].ravel()[region.indices]
            for plane in range(planes):
                cells.setdefault((region.depth, region.shell, plane), []).append(pack_cell(taken, plane))
        self._bytes = {key: len(compress(b"".join(packed))) for key, packed in cells.items()}
        self._raw = {key: len(b"".join(packed)) for key, packed in cells.items()}

    def size_bytes(self, depth: int, shell: int, lowest: int) -> int:
        """Return the bytes of all cells of a cut; a chunk that zstd would not make smaller is sent as it is."""
        return sum(
            min(size, self._raw[key])
            for key, size in self._bytes.items()
            if key[0] <= depth and key[1] <= shell and key[2] >= lowest
        )
