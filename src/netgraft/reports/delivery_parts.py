"""Values of the delivery figures as they are read: parts that may be absent, and numbers in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import ABSENT, finite


def part(value: object, key: str) -> Mapping[str, Any]:
    """Return a mapping inside a mapping, empty where there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def items(value: object, key: str) -> list[Any]:
    """Return a list inside a mapping, empty where there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def percent_of(value: object, digits: int = 1) -> str:
    """Return a share as per cent, a dash where there is none.

    >>> percent_of(0.9712), percent_of(None) == ABSENT
    ('97.1 %', True)
    """
    number = finite(value)
    return ABSENT if number is None else f"{100 * number:.{digits}f} %"


def points_text(value: object) -> str:
    """Return a size in per cent, a dash where there is none."""
    number = finite(value)
    return ABSENT if number is None else f"{number:.3g} %"


def reached_text(value: Mapping[str, Any]) -> str:
    """Return an accuracy in per cent and in brackets the worst.

    >>> reached_text({"mean": 0.9712, "worst": 0.95})
    '97.1 (95.0)'
    """
    mean, worst = finite(value.get("mean")), finite(value.get("worst"))
    return ABSENT if mean is None or worst is None else f"{100 * mean:.1f} ({100 * worst:.1f})"
