"""Fewer bits per weight while a nested root is trained: its cuts then work at every number of planes.

All weights of a root lie on one common step. A number of planes keeps that many of the highest magnitude bits; what is
below becomes 0 (a dead zone), what is above lies in the middle of its interval. The rounding passes gradients as they
are (straight-through: Bengio et al. 2013, "Estimating or Propagating Gradients Through Stochastic Neurons"). Training
several numbers of planes at once follows Nair et al. 2025, "Matryoshka Quantization", with the planes of one grid in
the place of nested integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from netgraft.errors import SettingError

#: Magnitude planes of the grid; with the sign, a number has one bit more.
PLANES = 9
_FEWEST_PLANES, _MOST_PLANES = 2, 15


@dataclass(frozen=True)
class Bits:
    """How a nested root learns to do with fewer bits.

    Attributes:
        planes: magnitude planes of the grid, 2 to 15.
        start: share of the training after which weights are rounded.
        rate: strength of the pull towards weights that cost fewer bits, in units of the loss per bit of a weight.
        step: of the finest plane, or None to take it from the weights when rounding begins.
    """

    planes: int = PLANES
    start: float = 0.5
    rate: float = 0.0
    step: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SettingError: one is out of range.
        """
        if not _FEWEST_PLANES <= self.planes <= _MOST_PLANES:
            raise SettingError(f"planes must be {_FEWEST_PLANES} to {_MOST_PLANES}, got {self.planes}")
        if not 0 <= self.start < 1 or not self.rate >= 0:
            raise SettingError(f"start must be in [0, 1) and rate >= 0, got {self.start} and {self.rate}")
        if self.step is not None and not self.step > 0:
            raise SettingError(f"a step must be > 0, got {self.step}")


def is_coded(name: str) -> bool:
    """Return whether a root's parameter is stored in planes; biases are few, and stay exact."""
    return name in ("projection", "categories") or name.startswith(("weight_", "head@", "skip@"))


def common_step(parameters: Mapping[str, Tensor], planes: int) -> Tensor:
    """Return the step of each copy by which its largest coded weight has that many planes; [copies]."""
    largest = [value.detach().abs().flatten(1).amax(dim=1) for name, value in parameters.items() if is_coded(name)]
    return torch.stack(largest).amax(dim=0).clamp_min(1e-8) / 2**planes


def rounded(parameters: Mapping[str, Tensor], step: Tensor, lowest: int, planes: int) -> dict[str, Tensor]:
    """Return parameters with the coded ones as they are when planes below the lowest are not there.

    Args:
        parameters: [copies, ...] by name.
        step: [copies] of the finest plane.
        lowest: the lowest plane that is kept, from 0.
        planes: of the grid.
    """
    return {
        name: _rounded(value, step * 2**lowest, 2 ** (planes - lowest) - 1) if is_coded(name) else value
        for name, value in parameters.items()
    }


def _rounded(value: Tensor, step: Tensor, most: int) -> Tensor:
    """Return values [copies, ...] in the middle of their interval, with the gradient of the values themselves."""
    along = step.view(-1, *[1] * (value.dim() - 1))
    with torch.no_grad():
        magnitude = (value.abs() / along).floor_().clamp_(max=most)
        middle = torch.where(magnitude > 0, (magnitude + 0.5) * along * value.sign(), torch.zeros_like(value))
        offset = middle - value
    return value + offset


def bits_of(parameters: Mapping[str, Tensor], step: Tensor) -> Tensor:
    """Return a smooth estimate of the bits that the coded weights of all copies take: log2(1 + steps) each, summed."""
    total = torch.zeros(())
    for name, value in parameters.items():
        if is_coded(name):
            along = step.view(-1, *[1] * (value.dim() - 1))
            total = total + torch.log2(1 + value.abs() / along).sum()
    return total
