"""Rules of the fields of a frozen dataclass, and its form as plain values (those of JSON and TOML).

A rule is part of a field's type: ``bandwidth_hz: Positive`` says that the number must be above zero. Checks happen at
construction; a complaint starts with the name of the field. Whole numbers given for a float become floats, so that two
values that are equal are the same everywhere.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from netgraft.errors import SettingError, unknown_name

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The numbers a field may have; a bound that is None does not apply."""

    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None

    def holds(self, value: float) -> bool:
        """Return whether a number is in the range."""
        return (
            not (isinstance(value, float) and not math.isfinite(value))
            and (self.above is None or value > self.above)
            and (self.least is None or value >= self.least)
            and (self.below is None or value < self.below)
            and (self.most is None or value <= self.most)
        )

    def __str__(self) -> str:
        bounds = ((">", self.above), (">=", self.least), ("<", self.below), ("<=", self.most))
        return " and ".join(f"{sign} {bound:.10g}" for sign, bound in bounds if bound is not None) or "finite"


Number = Annotated[float, Range()]
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(least=0)]
Fraction = Annotated[float, Range(least=0, most=1)]
PartOfWhole = Annotated[float, Range(least=0, below=1)]


def check_fields(value: Any) -> None:
    """Check every field of a frozen dataclass that has a rule, and make the floats among them floats.

    Raises:
        SettingError: a field breaks its rule.
    """
    for key, hint in get_type_hints(type(value), include_extras=True).items():
        object.__setattr__(value, key, _checked(key, getattr(value, key), hint))


def plain(value: Any) -> Any:
    """Return dataclasses as tables and tuples as lists, without the fields that are None."""
    if dataclasses.is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: plain(item) for name, item in pairs if item is not None}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def build(cls: type[T], table: Any, what: str) -> T:
    """Return a dataclass made from a table of its fields.

    Args:
        cls: the dataclass.
        table: name of a field to its value.
        what: what the table describes, for the texts of errors, such as ``"a slice"``.

    Raises:
        SettingError: it is no table, has a key that is no field, or lacks a field without default.
    """
    if not isinstance(table, dict):
        raise SettingError(f"{what} must be a table, got {table!r}")
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    for key in table:
        if key not in {field.name for field in fields}:
            raise SettingError(unknown_name(f"a key of {what}", str(key), [field.name for field in fields]))
    for field in fields:
        if field.name not in table and field.default is field.default_factory is dataclasses.MISSING:
            raise SettingError(f"{what} must have {field.name}, got {', '.join(map(str, table)) or 'nothing'}")
    return cls(**table)


def _checked(key: str, value: Any, hint: Any) -> Any:
    """Return the value of a field as its type wants it."""
    if value is None and type(None) in get_args(hint):
        return None
    kinds = [kind for kind in (hint, *get_args(hint)) if get_origin(kind) is Annotated]
    if kinds:
        kind, rule = get_args(kinds[0])
        return _number(key, value, kind, rule)
    if get_origin(hint) is Literal and value not in get_args(hint):
        raise SettingError(unknown_name(key, str(value), get_args(hint)))
    if hint is str and (not isinstance(value, str) or not value.strip()):
        raise SettingError(f"{key} must be a text, got {value!r}")
    return value


def _number(key: str, value: Any, kind: Any, rule: Range) -> float | int:
    wanted = numbers.Integral if kind is int else numbers.Real
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise SettingError(f"{key} must be a {'whole ' if kind is int else ''}number, got {value!r}")
    try:
        number: float | int = kind(value)
    except OverflowError:
        number = math.inf
    if not rule.holds(number):
        raise SettingError(f"{key} must be {rule}, got {number:{'.10g' if isinstance(number, float) else 'd'}}")
    return number
