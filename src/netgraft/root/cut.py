"""A cut names a sub-model of a root: how many layers, how many units of each, how many members, how many bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from netgraft.errors import SettingError
from netgraft.runtime.network import Architecture


@dataclass(frozen=True)
class Cut:
    """A sub-model: the first units of the first layers, and the first members.

    Attributes:
        depth: hidden layers; 0 is the linear path alone.
        widths: units of each of them.
        members: ensemble members.
        bits: bits per weight; 32 until quantised roots exist.
    """

    depth: int
    widths: tuple[int, ...]
    members: int = 1
    bits: int = 32

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SettingError: the widths are not one positive number per layer, or members or bits are out of range.
        """
        if len(self.widths) != self.depth or any(width < 1 for width in self.widths):
            raise SettingError(f"a cut must have one width >= 1 per layer, got depth {self.depth}, {self.widths}")
        if self.members < 1:
            raise SettingError(f"a cut must have members >= 1, got {self.members}")
        if self.bits != 32:
            raise SettingError(f"a cut must have 32 bits, got {self.bits}")

    def within(self, other: Cut) -> bool:
        """Return whether every number of this cut's sub-model is contained in the other's."""
        shallow = self.depth <= other.depth and self.members <= other.members and self.bits <= other.bits
        return shallow and all(a <= b for a, b in zip(self.widths, other.widths, strict=False))

    def to_json(self) -> dict[str, Any]:
        """Return the cut as in ``front.json``."""
        return {"depth": self.depth, "widths": list(self.widths), "members": self.members, "bits": self.bits}

    @staticmethod
    def of(architecture: Architecture) -> Cut:
        """Return the cut that is the whole network."""
        return Cut(architecture.depth, architecture.widths, architecture.members)


def cut_architecture(architecture: Architecture, cut: Cut) -> Architecture:
    """Return the architecture of a cut of a network.

    Raises:
        SettingError: the cut is not contained in the network.
    """
    whole = Cut.of(architecture)
    if not cut.within(whole):
        raise SettingError(f"a cut must lie within {whole.to_json()}, got {cut.to_json()}")
    return replace(architecture, widths=cut.widths, members=cut.members)
