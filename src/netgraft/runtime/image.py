"""A residual network on images in NumPy alone: its architecture, its tensors, its arithmetic.

An image of h x h pixels with some channels is one encoded row of ``h * h * channels`` numeric features, row after row
of pixels, the channels of a pixel side by side; so an image network is a part of a model as any other. A block is that
of He et al. 2016, "Identity Mappings in Deep Residual Networks", figure 4 (e), with group norms (Wu and He 2018) in the
place of batch norms: no statistics of a batch, and groups that lie inside shells, so that more channels never change
the norm of those that are there.

Tensors by name (float32; w channels after block l, v before it, c outputs):

=======================  ===========================================================
``weight_0``             [channels, 3, 3, w] the stem
``scale_la, shift_la``   [v] the first norm of block l
``weight_la``            [v, 3, 3, w] its first convolution
``scale_lb, shift_lb``   [w] its second norm
``weight_lb``            [w, 3, 3, w] its second convolution
``weight_ls``            [v, w] its shortcut; absent where pixels and channels stay
``head_shift@l``         [w] what the head of depth l adds to the channels before it rectifies them
``head_scale@l``         [w] of its group norm, after means over pool x pool parts of the image
``head@l``               [w, pool * pool, c] and ``head_bias@l`` [c]
=======================  ===========================================================

With several shells a channel reads only channels of its own and of lower shells. The channels of each shell are then
an array of their own and each pair of shells a product of its own, so that channels that two cuts share are the same to
the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from netgraft.errors import ModelError
from netgraft.runtime.encoding import FloatArray, Inputs

TAPS = 9
_EPSILON = np.float32(1e-5)
#: Bytes that the patches of one product may take.
_PATCH_BYTES = 16 * 2**20
_LARGEST = 4_096
Tensors = Mapping[str, NDArray[Any]]
#: The channels [n, h, h, ...] of each shell.
Hidden = list[FloatArray]


@dataclass(frozen=True)
class ImageArchitecture:
    """The shape of one image network.

    Attributes:
        pixels: on each side of an image.
        channels: of a pixel.
        outputs: classes c.
        shells: channels after the stem and after each block, of each shell, the innermost first; the last is the whole
            network. One shell where a channel reads all channels.
        strides: of each block, 1 or 2; their number is the depth.
        group: channels that are normalised together.
        pool: parts of an image, along each axis, of which a head gets the mean.
    """

    pixels: int
    channels: int
    outputs: int
    shells: tuple[tuple[int, ...], ...]
    strides: tuple[int, ...]
    group: int = 4
    pool: int = 1

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ModelError: a number is out of range, or the shells do not fit each other, the groups or the strides.
        """
        numbers = (
            self.pixels,
            self.channels,
            self.outputs,
            self.group,
            self.pool,
            *self.strides,
            *chain.from_iterable(self.shells),
        )
        if not all(type(n) is int and 1 <= n <= _LARGEST for n in numbers):
            raise ModelError(f"an image network must have whole numbers from 1 to {_LARGEST}, got {numbers[:9]}")
        if any(stride not in (1, 2) for stride in self.strides):
            raise ModelError(f"the strides of an image network must be 1 or 2, got {self.strides}")
        if not self.shells or any(len(shell) != len(self.strides) + 1 for shell in self.shells):
            raise ModelError(
                f"a shell must have channels for the stem and {len(self.strides)} blocks, got {self.shells}"
            )
        if any(width % self.group for shell in self.shells for width in shell):
            raise ModelError(f"the channels of a shell must be whole groups of {self.group}, got {self.shells}")
        if any(a >= b for inner, outer in pairwise(self.shells) for a, b in zip(inner, outer, strict=True)):
            raise ModelError(f"each shell must have more channels than the one inside it, got {self.shells}")
        if any((shell[i] == shell[i - 1]) != self.keeps(i) for shell in self.shells for i in self.unstrided()):
            raise ModelError(f"channels must grow at the same blocks in every shell, got {self.shells}")

    @property
    def depth(self) -> int:
        """Return the number of blocks."""
        return len(self.strides)

    @property
    def numeric(self) -> int:
        """Return the numeric features of an encoded image."""
        return self.pixels * self.pixels * self.channels

    @property
    def slots(self) -> tuple[int, ...]:
        """Return the slots of each code column; images have none."""
        return ()

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the channels after the stem and after each block."""
        return self.shells[-1]

    def unstrided(self) -> list[int]:
        """Return the blocks, from 1, that keep the pixels."""
        return [i for i, stride in enumerate(self.strides, start=1) if stride == 1]

    def keeps(self, block: int) -> bool:
        """Return whether a block, from 1, keeps pixels and channels, and so needs no shortcut of its own."""
        return self.strides[block - 1] == 1 and self.widths[block] == self.widths[block - 1]

    def sides(self) -> list[int]:
        """Return the pixels on a side after the stem and after each block."""
        found = [self.pixels]
        for stride in self.strides:
            found.append(-(-found[-1] // stride))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the architecture as JSON values."""
        return asdict(self) | {"shells": [list(shell) for shell in self.shells], "strides": list(self.strides)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ImageArchitecture:
        """Return the architecture stored by `to_json`.

        Raises:
            ModelError: a field is missing, unknown or out of range.
        """
        try:
            shells = tuple(tuple(shell) for shell in value["shells"])
            rest = {key: each for key, each in value.items() if key not in ("shells", "strides")}
            return ImageArchitecture(**rest, shells=shells, strides=tuple(value["strides"]))
        except (TypeError, KeyError) as error:
            raise ModelError(f"an image network must have the fields of format 1, got {sorted(value)}") from error


@dataclass(frozen=True)
class ImageNetwork:
    """An image network with its tensors, as the module describes them; those of other depths' heads are not needed."""

    architecture: ImageArchitecture
    tensors: Tensors

    def outputs(self, inputs: Inputs) -> FloatArray:
        """Return the outputs of one member; float32 [n, 1, c]."""
        a = self.architecture
        return np.concatenate([_block_outputs(a, self.tensors, part) for part in _parts(a, inputs.numeric)])[:, None, :]


def stem(a: ImageArchitecture, tensors: Tensors, images: FloatArray) -> Hidden:
    """Return the channels after the stem, by shell, of images [n, h, h, channels]."""
    return _convolve([images], tensors["weight_0"], 1, _ends(a, 0))


def block(a: ImageArchitecture, tensors: Tensors, index: int, hidden: Hidden) -> Hidden:
    """Return the channels after a block, from 1, by shell."""
    stride, after = a.strides[index - 1], _ends(a, index)
    first = _norm(hidden, tensors[f"scale_{index}a"], tensors[f"shift_{index}a"], a.group)
    made = _convolve(first, tensors[f"weight_{index}a"], stride, after)
    made = _norm(made, tensors[f"scale_{index}b"], tensors[f"shift_{index}b"], a.group)
    made = _convolve(made, tensors[f"weight_{index}b"], 1, after)
    kept = hidden if a.keeps(index) else _shortcut(first, tensors[f"weight_{index}s"], stride, after)
    return [np.add(piece, own, out=piece) for piece, own in zip(made, kept, strict=True)]


def head(a: ImageArchitecture, tensors: Tensors, depth: int, hidden: Hidden) -> FloatArray:
    """Return the outputs of the head after so many blocks; float32 [n, c]."""
    shift, scale = tensors[f"head_shift@{depth}"], tensors[f"head_scale@{depth}"]
    bias, weight = np.asarray(tensors[f"head_bias@{depth}"], np.float32), tensors[f"head@{depth}"]
    result = np.repeat(bias[None], len(hidden[0]), axis=0)
    for piece, (low, high) in zip(hidden, pairwise((0, *_ends(a, depth))), strict=True):
        pooled = _pooled(np.maximum(piece + shift[low:high], np.float32(0)), a.pool)
        normed = _standardised(pooled.reshape(len(pooled), 1, (high - low) // a.group, a.group * a.pool**2))
        scaled = normed.reshape(pooled.shape) * scale[low:high, None]
        result += scaled.reshape(len(pooled), (high - low) * a.pool**2) @ weight[low:high].reshape(-1, a.outputs)
    return result


def _ends(a: ImageArchitecture, depth: int) -> tuple[int, ...]:
    """Return the last channel of each shell after so many blocks."""
    return tuple(shell[depth] for shell in a.shells)


def images_of(a: ImageArchitecture, numeric: FloatArray) -> FloatArray:
    """Return encoded rows as images; float32 [n, h, h, channels].

    Raises:
        ModelError: the rows have another number of features.
    """
    if numeric.shape[1] != a.numeric:
        raise ModelError(f"images must have {a.numeric} numbers, got {numeric.shape[1]}")
    return numeric.reshape(-1, a.pixels, a.pixels, a.channels)


def tensor_shapes(a: ImageArchitecture, heads: tuple[int, ...] | None = None) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor by name.

    Args:
        a: the network.
        heads: depths with a head; that of the network alone if not given.
    """
    widths = a.widths
    shapes: dict[str, tuple[int, ...]] = {"weight_0": (a.channels, 3, 3, widths[0])}
    for i, (v, w) in enumerate(pairwise(widths), start=1):
        shapes |= {f"scale_{i}a": (v,), f"shift_{i}a": (v,), f"weight_{i}a": (v, 3, 3, w)}
        shapes |= {f"scale_{i}b": (w,), f"shift_{i}b": (w,), f"weight_{i}b": (w, 3, 3, w)}
        if not a.keeps(i):
            shapes[f"weight_{i}s"] = (v, w)
    for d in (a.depth,) if heads is None else heads:
        shapes |= {f"head_scale@{d}": (widths[d],), f"head_shift@{d}": (widths[d],)}
        shapes |= {f"head@{d}": (widths[d], a.pool**2, a.outputs), f"head_bias@{d}": (a.outputs,)}
    return shapes


def check_tensors(a: ImageArchitecture, tensors: Tensors) -> None:
    """Check that the tensors are those of the network.

    Raises:
        ModelError: a tensor is missing or has another shape.
    """
    for name, shape in tensor_shapes(a).items():
        if name not in tensors:
            raise ModelError(f"an image network must have the tensor {name!r}")
        if tuple(tensors[name].shape) != shape:
            raise ModelError(f"tensor {name!r} must have shape {shape}, got {tuple(tensors[name].shape)}")


def _parts(a: ImageArchitecture, numeric: FloatArray) -> Iterator[FloatArray]:
    """Yield images [n, h, h, channels], so many at a time that their patches fit the memory they may take."""
    images = images_of(a, numeric)
    most = max(side * side * width * TAPS * 4 for side, width in zip(a.sides(), a.widths, strict=True))
    step = max(1, _PATCH_BYTES // most)
    yield from (images[start : start + step] for start in range(0, max(1, len(images)), step))


def _block_outputs(a: ImageArchitecture, tensors: Tensors, images: FloatArray) -> FloatArray:
    """Return the outputs of some images; float32 [n, c]."""
    hidden = stem(a, tensors, images)
    for index in range(1, a.depth + 1):
        hidden = block(a, tensors, index, hidden)
    return head(a, tensors, a.depth, hidden)


def _norm(hidden: Hidden, scale: NDArray[Any], shift: NDArray[Any], group: int) -> Hidden:
    """Return the rectified group norm of each shell."""
    made, low = [], 0
    for piece in hidden:
        n, h, _, w = piece.shape
        normed = _standardised(piece.reshape(n, h * h, w // group, group)).reshape(piece.shape)
        normed *= scale[low : low + w]
        normed += shift[low : low + w]
        made.append(np.maximum(normed, np.float32(0), out=normed))
        low += w
    return made


def _standardised(grouped: FloatArray) -> FloatArray:
    """Return [n, pixels, groups, numbers] with mean 0 and variance 1 over the pixels and numbers of each group."""
    centred = grouped - grouped.mean(axis=(1, 3), keepdims=True, dtype=np.float32)
    variance = np.square(centred).mean(axis=(1, 3), keepdims=True, dtype=np.float32)
    centred /= np.sqrt(variance + _EPSILON)
    return centred


def _pooled(hidden: FloatArray, pool: int) -> FloatArray:
    """Return the means over the parts of images, in the manner of torch; float32 [n, w, pool * pool]."""
    side = hidden.shape[1]
    ends = [(i * side // pool, -(-(i + 1) * side // pool)) for i in range(pool)]
    parts = [hidden[:, a:b, c:d].mean(axis=(1, 2), dtype=np.float32) for a, b in ends for c, d in ends]  # each [n, w]
    return np.stack(parts, axis=2)


def _convolve(hidden: Hidden, weight: NDArray[Any], stride: int, after: tuple[int, ...]) -> Hidden:
    """Return a convolution of 3 x 3 with padding 1."""
    pieces = []
    for piece in hidden:
        padded = np.pad(piece, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::stride, ::stride]  # [n, h', h', v, 3, 3]
        pieces.append(windows.reshape(*windows.shape[:3], TAPS * piece.shape[3]))
    return _summed(pieces, weight.reshape(-1, weight.shape[-1]), after)


def _shortcut(hidden: Hidden, weight: NDArray[Any], stride: int, after: tuple[int, ...]) -> Hidden:
    """Return a convolution of 1 x 1."""
    return _summed([np.ascontiguousarray(piece[:, ::stride, ::stride]) for piece in hidden], weight, after)


def _summed(pieces: Hidden, weight: NDArray[Any], after: tuple[int, ...]) -> Hidden:
    """Return for each shell after the sum of the products with the pieces that it reads, in their order.

    Shell t reads pieces up to t, or the one piece that there is, as of images.
    """
    starts = np.cumsum([0, *(piece.shape[-1] for piece in pieces)]).tolist()
    made = []
    for t, (low, high) in enumerate(pairwise((0, *after))):
        reads = list(zip(pieces, pairwise(starts), strict=True))[: t + 1]
        total, *others = (piece @ np.ascontiguousarray(weight[a:b, low:high]) for piece, (a, b) in reads)
        for each in others:
            total += each
        made.append(total)
    return made
