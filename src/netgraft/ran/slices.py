"""Slices with their promises, and the groups of cells that share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netgraft.errors import SettingError
from netgraft.ran.fields import Positive, build, check_fields


@dataclass(frozen=True)
class Slice:
    """What a slice promises its users (Hu et al. 2022, section III).

    Attributes:
        name: as in the columns of tables.
        throughput_bps: mean rate per active user, phi* of eq. (2); also the rate that a user asks for.
        delay_s: mean delay of a packet, d* of eq. (2).
    """

    name: str
    throughput_bps: Positive
    delay_s: Positive

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class SliceGroup:
    """The cells whose slices have the same promises.

    Attributes:
        cells: numbers of cells from 0, in any order.
        slices: one value per slice; every group of a scenario has the same names in the same order.
    """

    cells: tuple[int, ...]
    slices: tuple[Slice, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(self.cells))
        object.__setattr__(self, "slices", tuple(self.slices))
        if not self.cells or any(isinstance(cell, bool) or not isinstance(cell, int) for cell in self.cells):
            raise SettingError(f"cells must be a list of whole numbers, got {list(self.cells)}")
        if not self.slices:
            raise SettingError("slices must be at least one, got none")
        names = [item.name for item in self.slices]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise SettingError(
                f"slices must have different names, got {repeated[0]!r} {names.count(repeated[0])} times"
            )

    @staticmethod
    def from_payload(payload: Any) -> SliceGroup:
        """Return the group in a table with ``cells`` and ``slices``.

        Raises:
            SettingError: the table is not a group's.
        """
        table = dict(payload) if isinstance(payload, dict) else payload
        if isinstance(table, dict):
            for key in ("cells", "slices"):
                if not isinstance(table.get(key, []), list):
                    raise SettingError(f"{key} must be a list, got {table[key]!r}")
            if "cells" in table:
                table["cells"] = tuple(table["cells"])
            if "slices" in table:
                table["slices"] = tuple(build(Slice, item, "a slice") for item in table["slices"])
        return build(SliceGroup, table, "a group")
