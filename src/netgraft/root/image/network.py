"""The image network in torch: all heads of one shell in one pass, from the parameters of the whole root.

Parameters have the names of `netgraft.runtime.image` and the shapes of torch: convolutions [out, in, 3, 3].
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from netgraft.runtime.image import ImageArchitecture, tensor_shapes
from netgraft.runtime.image_shape import ImageShape

Parameters = dict[str, Tensor]


def fresh(shape: ImageShape, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Return first parameters as the runtime has them: He et al. 2015 for convolutions, small heads, plain norms."""
    made: dict[str, np.ndarray] = {}
    for name, size in tensor_shapes(shape.architecture, shape.depths).items():
        if name.startswith("weight_"):
            drawn = generator.normal(0, np.sqrt(2 / np.prod(size[:-1])), size)
        elif name.startswith("head@"):
            drawn = generator.normal(0, 0.5 / np.sqrt(size[0] * size[1]), size)
        else:
            drawn = np.full(size, 1.0 if "scale" in name else 0.0)
        made[name] = drawn.astype(np.float32)
    return made


def to_torch(tensors: Mapping[str, np.ndarray]) -> Parameters:
    """Return the runtime's tensors as parameters of torch."""
    made = {}
    for name, value in tensors.items():
        turned = value.transpose(3, 0, 1, 2) if value.ndim == 4 else value.T if name.endswith("s") else value
        made[name] = torch.from_numpy(np.array(turned, np.float32))
    return made


def to_runtime(parameters: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return parameters of torch as the runtime has them."""
    made = {}
    for name, value in parameters.items():
        array = value.detach().float().numpy()
        turned = array.transpose(1, 2, 3, 0) if array.ndim == 4 else array.T if name.endswith("s") else array
        made[name] = np.array(turned, np.float32, order="C")
    return made


def masks(shape: ImageShape) -> Parameters:
    """Return which numbers a triangular wiring keeps, as parameters of torch; empty for a square one."""
    return to_torch({name: mask.astype(np.float32) for name, mask in shape.masks().items()})


def wired(parameters: Parameters, kept: Parameters) -> Parameters:
    """Return the parameters with the numbers that the wiring does not keep at zero."""
    return {name: value * kept[name] if name in kept else value for name, value in parameters.items()}


def exits(
    shape: ImageShape, parameters: Parameters, images: Tensor, shell: int, *, apart: bool = False
) -> list[Tensor]:
    """Return the outputs [n, c] of the heads of all depths.

    Args:
        shape: the root.
        parameters: of the whole root.
        images: [n, channels, h, h].
        shell: of which the channels are used.
        apart: whether only the last head teaches the blocks; the others then learn from what is there.
    """
    made = states(shape, parameters, images, shell)
    if apart:
        # a group norm whose input needs no gradient crashes torch 2.13 in bfloat16, so it gets one that leads nowhere
        made[:-1] = [hidden.detach().requires_grad_() for hidden in made[:-1]]
    return [head(shape, parameters, hidden, depth) for depth, hidden in enumerate(made)]


def states(
    shape: ImageShape, parameters: Parameters, images: Tensor, shell: int, depth: int | None = None
) -> list[Tensor]:
    """Return the channels [n, w, h, h] after the stem and after each block up to a depth, or all of them."""
    a, widths = shape.architecture, shape.widths[shell]
    hidden = functional.conv2d(images, parameters["weight_0"][: widths[0]], padding=1)
    found = [hidden]
    for i, (v, w) in enumerate(pairwise(widths[: (a.depth if depth is None else depth) + 1]), start=1):
        first = _norm(a, hidden, parameters[f"scale_{i}a"], parameters[f"shift_{i}a"])
        stride = a.strides[i - 1]
        made = functional.conv2d(first, parameters[f"weight_{i}a"][:w, :v], stride=stride, padding=1)
        made = _norm(a, made, parameters[f"scale_{i}b"], parameters[f"shift_{i}b"])
        made = functional.conv2d(made, parameters[f"weight_{i}b"][:w, :w], padding=1)
        if a.keeps(i):
            hidden = made + hidden
        else:
            hidden = made + functional.conv2d(first, parameters[f"weight_{i}s"][:w, :v, None, None], stride=stride)
        found.append(hidden)
    return found


def head(shape: ImageShape, parameters: Parameters, hidden: Tensor, depth: int) -> Tensor:
    """Return the outputs [n, c] of the head of one depth."""
    a, w = shape.architecture, hidden.shape[1]
    shift, scale = (parameters[f"head_{kind}@{depth}"][:w] for kind in ("shift", "scale"))
    moved = functional.relu(hidden + shift.to(hidden.dtype).view(1, -1, 1, 1))
    pooled = functional.adaptive_avg_pool2d(moved, a.pool).float().flatten(2)  # [n, w, pool * pool]
    normed = functional.group_norm(pooled, w // a.group, scale, None, eps=1e-5)
    return normed.flatten(1) @ parameters[f"head@{depth}"][:w].flatten(0, 1) + parameters[f"head_bias@{depth}"]


def _norm(a: ImageArchitecture, hidden: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    # in bfloat16 torch's own takes twice as long
    w = hidden.shape[1]
    normed = functional.group_norm(hidden.float(), w // a.group, scale[:w], shift[:w], eps=1e-5)
    return functional.relu(normed.to(hidden.dtype))


def sort_groups(shape: ImageShape, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return tensors of the same function whose groups of channels are sorted by importance, the best first.

    The importance of a channel is the L1 norm of what reads it (Cai et al. 2020, "Once-for-All", section 3.2); that of
    a group the sum of its channels'. Blocks that add to each other share the order of their channels.
    """
    a, made = shape.architecture, dict(tensors)
    stage = [0]
    for i in range(1, a.depth + 1):
        stage.append(stage[-1] if a.keeps(i) else i)
    for first in sorted(set(stage)):
        depths = [d for d in range(a.depth + 1) if stage[d] == first]
        followers = [i for i in range(1, a.depth + 1) if stage[i - 1] == first]
        readers = [f"head@{d}" for d in depths] + [f"weight_{i}{part}" for i in followers for part in "as"]
        order = _order(a, [made[name] for name in readers if name in made])
        writers = ["weight_0" if first == 0 else f"weight_{first}s"] + [f"weight_{d}b" for d in depths if d > 0]
        norms = [f"head_{kind}@{d}" for d in depths for kind in ("scale", "shift")]
        norms += [f"{kind}_{i}a" for i in followers for kind in ("scale", "shift")]
        _reorder(made, order, readers, writers, norms)
    for i in range(1, a.depth + 1):
        order = _order(a, [made[f"weight_{i}b"]])
        _reorder(made, order, [f"weight_{i}b"], [f"weight_{i}a"], [f"scale_{i}b", f"shift_{i}b"])
    return made


def _order(a: ImageArchitecture, readers: list[np.ndarray]) -> np.ndarray:
    """Return the order of channels in which their groups have falling importance."""
    importance = sum(np.abs(value).reshape(len(value), -1).sum(axis=1) for value in readers)
    groups = np.asarray(importance).reshape(-1, a.group).sum(axis=1)
    ranked = np.argsort(-groups, kind="stable")
    return (ranked[:, None] * a.group + np.arange(a.group)).ravel()


def _reorder(
    made: dict[str, np.ndarray], order: np.ndarray, readers: list[str], writers: list[str], norms: list[str]
) -> None:
    """Put the channels into the order, in all that reads, writes or norms them."""
    for name in {*readers, *norms} & set(made):
        made[name] = np.ascontiguousarray(made[name][order])
    for name in set(writers) & set(made):
        made[name] = np.ascontiguousarray(made[name][..., order])
