"""The parameters of a space: a choice between values, or a number between bounds; each varies its own gene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netgraft.errors import SettingError, unknown_name

Value = int | float | str | bool
Condition = tuple[str, "frozenset[Any] | int | float"]

# An ordered choice steps to a direct neighbour this often; a real moves by this share of its (log) range.
_NEIGHBOUR_SHARE = 0.8
_REAL_STEP = 0.15


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        name: the gene.
        values: the values; in rising order where `ordered`.
        ordered: whether neighbouring values behave alike.
        condition: (earlier gene, the values it must have as a frozenset, or the least value); None: always active.

    Raises:
        SettingError: no values, or the same one twice.
    """

    name: str
    values: tuple[Value, ...]
    ordered: bool
    condition: Condition | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values or len({(type(value), value) for value in self.values}) < len(self.values):
            raise SettingError(f"{self.name} must have one or more distinct values, got {list(self.values)}")

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.values) == 1

    def draw(self, rng: np.random.Generator) -> Value:
        """Return a uniformly drawn value."""
        return self.values[int(rng.integers(len(self.values)))]

    def step(self, value: Value, rng: np.random.Generator) -> Value:
        """Return another value: mostly a neighbour where the values are ordered."""
        last = len(self.values) - 1
        index = self.values.index(value)
        if self.ordered and rng.random() < _NEIGHBOUR_SHARE:
            up = index == 0 or (index < last and rng.random() < 0.5)
            return self.values[index + 1 if up else index - 1]
        other = int(rng.integers(last))
        return self.values[other + (other >= index)]

    def blend(self, a: Value, b: Value, rng: np.random.Generator) -> Value:
        """Return one of the two values."""
        return a if rng.random() < 0.5 else b

    def holds(self, value: Any) -> bool:
        """Return whether the value is one of the choices, of the same type."""
        return any(type(value) is type(own) and value == own for own in self.values)

    def nearest(self, value: Any) -> Value:
        """Return the choice that is the value, or the numerically nearest, or the middle one."""
        if self.holds(value):
            return value
        numbers = [own for own in self.values if isinstance(own, int | float) and not isinstance(own, bool)]
        if self.ordered and numbers and isinstance(value, int | float):
            return min(numbers, key=lambda own: abs(own - value))
        return self.values[len(self.values) // 2] if self.ordered else self.values[0]

    def code(self, value: Value | None) -> list[float]:
        """Return the value as numbers: its place in the order, or one-hot; an inactive gene is all zeros."""
        if self.fixed:
            return []
        if self.ordered:
            return [0.0 if value is None else (1 + self.values.index(value)) / len(self.values)]
        return [float(value == own) for own in self.values]

    def only(self, values: Sequence[Any]) -> Choice:
        """Return the parameter with these of its values only, given as values or as their text.

        Raises:
            SettingError: one of them is not a value of this parameter.
        """
        names = {str(own).lower(): own for own in self.values}
        for value in values:
            if str(value).lower() not in names:
                raise SettingError(unknown_name(self.name, str(value), (str(own) for own in self.values)))
        wanted = {str(value).lower() for value in values}
        return replace(self, values=tuple(own for own in self.values if str(own).lower() in wanted))


@dataclass(frozen=True)
class Real:
    """A number between two bounds.

    Attributes:
        name: the gene.
        low: the smallest value.
        high: the largest value.
        log: whether factors rather than differences matter.
        condition: as for `Choice`.

    Raises:
        SettingError: the bounds are not finite, not in order, or not positive although `log`.
    """

    name: str
    low: float
    high: float
    log: bool = False
    condition: Condition | None = None

    def __post_init__(self) -> None:
        finite = math.isfinite(self.low) and math.isfinite(self.high)
        if not finite or self.low > self.high or (self.log and self.low <= 0):
            need = "0 < low <= high" if self.log else "low <= high"
            raise SettingError(f"{self.name} must have finite bounds {need}, got {self.low} and {self.high}")

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return self.low == self.high

    def _share(self, value: float) -> float:
        """Return where the value lies between the bounds, 0 to 1."""
        if self.fixed:
            return 0.0
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def _value(self, share: float) -> float:
        """Return the value at a share of the range; shares outside 0 to 1 are reflected into it."""
        share = abs(share) % 2.0
        share = 2.0 - share if share > 1.0 else share
        if self.log:
            value = self.low * math.exp(share * math.log(self.high / self.low))
        else:
            value = self.low + share * (self.high - self.low)
        return float(min(max(float(f"{value:.6g}"), self.low), self.high))

    def draw(self, rng: np.random.Generator) -> Value:
        """Return a (log-)uniformly drawn value."""
        return self._value(rng.random())

    def step(self, value: Value, rng: np.random.Generator) -> Value:
        """Return a value moved by a (log-)normal amount."""
        return self._value(self._share(float(value)) + _REAL_STEP * float(rng.standard_normal()))

    def blend(self, a: Value, b: Value, rng: np.random.Generator) -> Value:
        """Return a value between the two, or a little outside."""
        first, second = self._share(float(a)), self._share(float(b))
        return self._value(min(max(first + (second - first) * (1.2 * rng.random() - 0.1), 0.0), 1.0))

    def holds(self, value: Any) -> bool:
        """Return whether the value is a float between the bounds."""
        return isinstance(value, float) and self.low <= value <= self.high

    def nearest(self, value: Any) -> Value:
        """Return the value clipped to the bounds, or the middle when it is no number."""
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(min(max(float(value), self.low), self.high))
        return self._value(0.5)

    def code(self, value: Value | None) -> list[float]:
        """Return the value's place between the bounds; an inactive gene is zero."""
        if self.fixed:
            return []
        return [0.0 if value is None else self._share(float(value))]

    def only(self, values: Sequence[Any]) -> Choice:
        """Return a choice between these numbers, given as numbers or as text.

        Raises:
            SettingError: one of them is no number between the bounds.
        """
        numbers = []
        for value in values:
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not self.low <= number <= self.high:
                raise SettingError(f"{self.name} must be a number from {self.low:g} to {self.high:g}, got {value!r}")
            numbers.append(number)
        return Choice(self.name, tuple(sorted(set(numbers))), ordered=True, condition=self.condition)


Parameter = Choice | Real
