"""The image root: one residual network whose first blocks and first channels are all smaller networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from netgraft.root.image.network import exits, head, states, to_torch
from netgraft.runtime.encoding import FloatArray, Inputs
from netgraft.runtime.image import ImageArchitecture, images_of
from netgraft.runtime.image_shape import ImageShape

#: Shares of the channels that shells have.
SHELLS = (0.25, 0.5, 0.75, 1.0)
_BATCH = 512


def image_shape(
    *,
    pixels: int,
    channels: int,
    classes: int,
    width: int = 16,
    stages: int = 3,
    blocks: int = 2,
    shells: tuple[float, ...] = SHELLS,
    triangular: bool = False,
    group: int = 4,
    pool: int = 2,
) -> ImageShape:
    """Return the shape of a residual network in which each stage has twice the channels and half the side.

    Args:
        pixels: on a side of an image.
        channels: of a pixel.
        classes: to tell apart.
        width: channels of the first stage.
        stages: after the first each begins with a stride of 2.
        blocks: of each stage.
        shells: shares of the channels, the smallest first, the last 1; each makes whole groups.
        triangular: whether channels read lower shells and their own only.
        group: channels that are normalised together.
        pool: parts of an image, along each axis, of which a head gets the mean.

    Raises:
        ModelError: the channels of a shell are no whole groups, or numbers are out of range.
    """
    whole = [width, *(width << stage for stage in range(stages) for _ in range(blocks))]
    strides = tuple(2 if stage and first == 0 else 1 for stage in range(stages) for first in range(blocks))
    widths = tuple(tuple(max(group, round(share * each)) for each in whole) for share in shells)
    architecture = ImageArchitecture(pixels, channels, classes, (widths[-1],), strides, group, pool)
    return ImageShape(architecture, widths, triangular)


@dataclass(frozen=True)
class ImageRoot:
    """A trained image root.

    Attributes:
        shape: of the root.
        tensors: coded and exact, float32 by name, as `netgraft.runtime.image_shape` has them.
        step: of the grid it was trained on, or None.
    """

    shape: ImageShape
    tensors: dict[str, np.ndarray]
    step: float | None = None

    def outputs(self, inputs: Inputs, *, shell: int, depth: int) -> FloatArray:
        """Return the outputs of one cut; float32 [n, c]."""
        return outputs_of(self.shape, self.tensors, inputs, shell=shell, depth=depth)

    @torch.no_grad()
    def accuracies(self, inputs: Inputs, labels: np.ndarray, shell: int) -> FloatArray:
        """Return the accuracy of the heads of all depths, of one shell; float32 [depths]."""
        parameters = to_torch(self.tensors)
        right = np.zeros(self.shape.depth + 1)
        for images, truth in zip(
            _batches(self.shape, inputs), torch.split(torch.from_numpy(labels), _BATCH), strict=True
        ):
            made = exits(self.shape, parameters, images, shell)
            right += [int((each.argmax(dim=1) == truth).sum()) for each in made]
        return (right / max(1, len(labels))).astype(np.float32)


@torch.no_grad()
def outputs_of(
    shape: ImageShape, tensors: Mapping[str, np.ndarray], inputs: Inputs, *, shell: int, depth: int
) -> FloatArray:
    """Return the outputs of one cut of a root; float32 [n, c].

    Args:
        shape: of the root.
        tensors: of the root; those of the cut alone are enough.
        inputs: encoded rows.
        shell: of the cut.
        depth: of the cut.
    """
    parameters = to_torch(tensors)
    made = [
        head(shape, parameters, states(shape, parameters, images, shell, depth)[-1], depth)
        for images in _batches(shape, inputs)
    ]
    return torch.cat(made).numpy()


def _batches(shape: ImageShape, inputs: Inputs) -> tuple[torch.Tensor, ...]:
    """Return encoded rows as images for torch, some at a time; each [n, channels, h, h]."""
    images = torch.from_numpy(images_of(shape.architecture, inputs.numeric)).permute(0, 3, 1, 2)
    return torch.split(images, _BATCH)
