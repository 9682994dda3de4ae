"""The share of each slice's users that may be active at a step: tau_n(t) of Hu et al. 2022, figure 3.

The paper shows its masks only as a figure. The default imitates it: one sinusoid per slice, all of one period, whose
phases are spread over half a period, so that there are times at which all slices are busy. A table replays other masks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netgraft.errors import SettingError, TableError
from netgraft.ran.fields import Fraction, Positive, build, check_fields

_PHASE_SPREAD = 0.5


@dataclass(frozen=True)
class TrafficMask:
    """Masks in [0, 1] over time, one per slice.

    Attributes:
        period_steps: steps of one period of the sinusoids.
        low: least value.
        high: greatest value.
        phases: delay of each slice's sinusoid in periods; None: evenly over half a period.
        table: masks [steps, N] that are replayed from step 0, again and again, in place of the sinusoids; or None.
    """

    period_steps: Positive = 100.0
    low: Fraction = 0.2
    high: Fraction = 1.0
    phases: tuple[float, ...] | None = None
    table: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.low > self.high:
            raise SettingError(f"low must be <= high, got low {self.low:g} and high {self.high:g}")
        if self.phases is not None:
            object.__setattr__(self, "phases", _numbers("phases", self.phases))
            if not all(map(math.isfinite, self.phases)):
                raise SettingError(f"phases must be finite numbers, got {', '.join(map(str, self.phases))}")
        if self.table is not None:
            if not isinstance(self.table, Sequence):
                raise SettingError(f"table must be rows of numbers, got {self.table!r}")
            rows = tuple(_numbers(f"row {row} of the mask table", values) for row, values in enumerate(self.table))
            object.__setattr__(self, "table", rows)

    def check(self, names: Sequence[str]) -> None:
        """Check the masks against the slices they are for.

        Args:
            names: of the slices.

        Raises:
            SettingError: the number of phases is not that of the slices.
            TableError: the table has no row, a row of another length, or a value that is missing or outside [0, 1].
        """
        if self.phases is not None and len(self.phases) != len(names):
            raise SettingError(f"phases must be one per slice, {len(names)}, got {len(self.phases)}")
        if self.table is not None:
            check_mask_table(self.table, names)

    @staticmethod
    def from_payload(payload: Any) -> TrafficMask:
        """Return the masks in a table whose keys are the fields.

        Raises:
            SettingError: a key is unknown, or a value is not allowed.
        """
        return build(TrafficMask, payload, "masks")

    def phase_periods(self, slices: int) -> tuple[float, ...]:
        """Return the delay of each slice's sinusoid in periods."""
        return self.phases or tuple(_PHASE_SPREAD * index / slices for index in range(slices))


def check_mask_table(table: Sequence[Sequence[float]], names: Sequence[str], where: str = "the mask table") -> None:
    """Check that a table has a value in [0, 1] for every step and slice.

    Raises:
        TableError: it does not; the text names the row, counted from 0, and the slice.
    """
    if not table:
        raise TableError(f"{where} must have at least one row, got none")
    for row, values in enumerate(table):
        if len(values) != len(names):
            raise TableError(f"{where} must have one value per slice, {len(names)}, got {len(values)} in row {row}")
        for name, value in zip(names, values, strict=True):
            if math.isnan(value):
                raise TableError(f"{where} must have a value for every step, got none in row {row}, column {name!r}")
            if not 0 <= value <= 1:
                raise TableError(f"{where} must have values in [0, 1], got {value:g} in row {row}, column {name!r}")


def _numbers(what: str, values: Sequence[float]) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise SettingError(f"{what} must be numbers, got {values!r}") from error
