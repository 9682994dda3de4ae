"""What the caller says about a table, checked against the table before any work is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from netgraft.errors import SettingError, TableError, unknown_name
from netgraft.runtime.encoding import KINDS, Kind
from netgraft.tables.metrics import find_metric
from netgraft.tables.target import TaskKind

TargetTransform = Literal["auto", "none", "log1p"]
_TASK_KINDS = ("auto", "regression", "classification")
_TRANSFORMS = ("auto", "none", "log1p")
#: More earlier rows than this are a mistake: each is a copy of every numeric column.
MOST_LAGS = 1_000


@dataclass(frozen=True)
class Settings:
    """How a table becomes a task; see `netgraft.tables.Task.read` for each field.

    Raises:
        SettingError: a value is unknown or out of range.
    """

    target: str
    kind: Literal["auto", "regression", "classification"] = "auto"
    drop: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    metric: str | None = None
    target_transform: TargetTransform = "auto"
    lag: int = 0
    na: tuple[str | float, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values that need no table."""
        if self.kind not in _TASK_KINDS:
            raise SettingError(unknown_name("a task's kind", str(self.kind), _TASK_KINDS))
        if self.target_transform not in _TRANSFORMS:
            raise SettingError(unknown_name("a target transform", str(self.target_transform), _TRANSFORMS))
        if not isinstance(self.lag, int) or not 0 <= self.lag <= MOST_LAGS:
            raise SettingError(f"lag must be a whole number from 0 to {MOST_LAGS}, got {self.lag!r}")
        for kind in self.kinds.values():
            if kind not in KINDS:
                raise SettingError(unknown_name("a column's kind", str(kind), KINDS))
        for mark in self.na:
            if not isinstance(mark, str | int | float):
                raise SettingError(f"a mark of missing cells must be text or a number, got {mark!r}")

    def check_kind(self, kind: TaskKind) -> None:
        """Check what depends on the task's kind.

        Raises:
            SettingError: the metric or the target transform is not one for this kind.
        """
        find_metric(self.metric, kind)
        if kind == "classification" and self.target_transform == "log1p":
            raise SettingError("target transform log1p is for regression, got a classification task")

    def check_columns(self, columns: Sequence[str]) -> None:
        """Check the names against a table's columns.

        Raises:
            TableError: a name is no column, or a column has two uses that exclude each other.
        """
        uses = {"target": self.target, "group": self.group, "time": self.time, "weight": self.weight}
        named = [(f"the {use} column", name) for use, name in uses.items() if name is not None]
        named += [("a dropped column", name) for name in self.drop]
        named += [("a column with a kind", name) for name in self.kinds]
        for what, name in named:
            if name not in columns:
                raise TableError(unknown_name(what, name, columns))
        for use, used in uses.items():
            if used is not None and used in self.drop:
                raise TableError(f"the {use} column must not be dropped, got {used!r} as both")
            if use != "target" and used == self.target:
                raise TableError(f"the {use} column must not be the target, got {used!r} as both")
        if self.weight is not None and self.weight in (self.group, self.time):
            raise TableError(f"the weight column must not have another use, got {self.weight!r} as both")


def as_tuple(values: str | float | Iterable[Any] | None) -> tuple[Any, ...]:
    """Return one value or several as a tuple.

    >>> as_tuple("-"), as_tuple(["a", "b"]), as_tuple(None)
    (('-',), ('a', 'b'), ())
    """
    if values is None:
        return ()
    if isinstance(values, str | int | float):
        return (values,)
    return tuple(cast("Iterable[Any]", values))
