"""What a search makes small: the six objectives, their units and how each value came about, and limits on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from netgraft.errors import SettingError, unknown_name
from netgraft.units import Limit, format_quantity

Origin = Literal["exact", "measured", "modelled"]

OBJECTIVES: dict[str, str] = {
    "error": "",
    "size": "byte",
    "latency": "s",
    "memory": "byte",
    "energy": "j",
    "operations": "",
}
"""The unit of each objective's name, as `netgraft.units.parse_limit` takes it."""

_ORIGINS: dict[str, Origin] = {
    "error": "measured",
    "size": "exact",
    "latency": "modelled",
    "memory": "exact",
    "energy": "modelled",
    "operations": "exact",
}


@dataclass(frozen=True)
class Objective:
    """One thing to make small.

    Attributes:
        name: one of `OBJECTIVES`.
        unit: ``"byte"``, ``"s"``, ``"j"`` or ``""`` for a plain number.
        origin: whether its values are exact, measured or modelled.
    """

    name: str
    unit: str
    origin: Origin


def objectives_named(names: Sequence[str]) -> tuple[Objective, ...]:
    """Return the objectives with these names, error first, each with its usual origin.

    Raises:
        SettingError: a name is unknown or comes twice, or error is missing.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise SettingError(unknown_name("an objective", name, OBJECTIVES))
    if len(set(names)) < len(names):
        raise SettingError(f"the objectives must be distinct, got {', '.join(names)}")
    if "error" not in names:
        raise SettingError(f"the objectives must include error, got {', '.join(names) or 'none'}")
    ordered = ["error", *(name for name in names if name != "error")]
    return tuple(Objective(name, OBJECTIVES[name], _ORIGINS[name]) for name in ordered)


def violated(values: Mapping[str, float], limits: Sequence[Limit]) -> Limit | None:
    """Return the first limit that the values exceed; an objective without a value exceeds none."""
    for limit in limits:
        if limit.objective in values and not values[limit.objective] <= limit.value:
            return limit
    return None


def excess(values: Mapping[str, float], limits: Sequence[Limit]) -> float:
    """Return by how much the values exceed the limits: the sum of log(value / limit) where positive, 0 when met."""
    total = 0.0
    for limit in limits:
        value = values.get(limit.objective)
        if value is not None and value > limit.value:
            total += math.log(value / limit.value)
    return total


def limit_text(limit: Limit) -> str:
    """Return the limit as people write it, such as ``size<=64 KB``.

    >>> limit_text(Limit("size", 64_000.0))
    'size<=64 KB'
    """
    return f"{limit.objective}<={format_quantity(limit.value, OBJECTIVES[limit.objective])}"


def unmet_text(limits: Sequence[Limit], seen: Iterable[Mapping[str, float]]) -> str:
    """Return the text for limits that no candidate meets, with the closest value that was reached.

    Args:
        limits: the limits.
        seen: the values of the candidates that were tried.
    """
    candidates = list(seen)
    for limit in limits:
        name = limit.objective
        least = min((values[name] for values in candidates if name in values), default=math.inf)
        if least > limit.value:
            reached = format_quantity(least, OBJECTIVES[name]) if math.isfinite(least) else "none"
            return f"{limit_text(limit)} cannot be met: the smallest candidate has {reached}"
    closest = min(candidates, key=lambda values: excess(values, limits), default={})
    names = [limit.objective for limit in limits if limit.objective in closest]
    reached = ", ".join(f"{name} {format_quantity(closest[name], OBJECTIVES[name])}" for name in names)
    together = " and ".join(map(limit_text, limits))
    return f"{together} cannot be met together: the closest candidate has {reached}"
