"""Sizes, durations and limits as people write them, and back.

Inside Netgraft every value is in SI units (bytes, seconds, joules); text with a unit exists only at the edge.
KB = 1000 bytes and KiB = 1024 bytes; a bare number is SI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from netgraft.errors import SettingError, unknown_name

_FACTORS: dict[str, dict[str, float]] = {
    "byte": {
        "": 1.0, "b": 1.0,
        "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
        "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40,
    },
    "s": {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "m": 60.0, "h": 3600.0},
    "j": {"": 1.0, "j": 1.0, "mj": 1e-3, "uj": 1e-6, "µj": 1e-6, "nj": 1e-9, "kj": 1e3, "wh": 3600.0},
    "": {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9},
}  # fmt: skip
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ]*)\s*\Z")
_LIMIT = re.compile(r"\s*([A-Za-z_]+)\s*(<=|=<|<|>=|>|=)\s*(.+)\Z")


@dataclass(frozen=True)
class Limit:
    """A hard upper bound on an objective, in SI units."""

    objective: str
    value: float


def parse_quantity(text: str, unit: str) -> float:
    """Return the SI value of a text such as ``"64KB"`` or ``"5 ms"``.

    Args:
        text: a number with an optional unit.
        unit: the unit of the result: ``"byte"``, ``"s"``, ``"j"`` or ``""`` for a plain count.

    Raises:
        SettingError: the text is not a number with a unit of that kind.

    >>> parse_quantity("64KB", "byte"), parse_quantity("2 KiB", "byte"), parse_quantity("5ms", "s")
    (64000.0, 2048.0, 0.005)
    """
    factors = _FACTORS[unit]
    found = _QUANTITY.match(text)
    if found is None or found[2].lower() not in factors:
        units = ", ".join(name for name in factors if name) or "none"
        raise SettingError(f"a quantity must be a number with one of the units {units}, got {text!r}")
    return float(found[1]) * factors[found[2].lower()]


def parse_duration(text: str) -> float:
    """Return the seconds of a text such as ``"60s"``, ``"2min"`` or ``"90"``.

    Raises:
        SettingError: the text is not a positive duration.
    """
    seconds = parse_quantity(text, "s")
    if seconds <= 0:
        raise SettingError(f"a duration must be positive, got {text!r}")
    return seconds


def parse_limit(text: str, units: dict[str, str]) -> Limit:
    """Return the limit written as ``"size<=64KB"``.

    Args:
        text: ``OBJECTIVE<=VALUE``.
        units: the unit of each objective's name, as `parse_quantity` takes it.

    Raises:
        SettingError: the text has another form, an unknown objective, or a value that is not positive.

    >>> parse_limit("size<=64KB", {"size": "byte"})
    Limit(objective='size', value=64000.0)
    """
    found = _LIMIT.match(text)
    if found is None or found[2] not in ("<=", "=<", "<"):
        raise SettingError(f"a limit must be written OBJECTIVE<=VALUE, for example 'size<=64KB', got {text!r}")
    name = found[1]
    if name not in units:
        raise SettingError(unknown_name("a limit's objective", name, units))
    value = parse_quantity(found[3], units[name])
    if value <= 0:
        raise SettingError(f"a limit must be positive, got {text!r}")
    return Limit(name, value)


def format_quantity(value: float, unit: str) -> str:
    """Return a short text for an SI value, such as ``"6.2 KB"`` or ``"12.5 µs"``.

    >>> format_quantity(6204, "byte"), format_quantity(1.25e-5, "s"), format_quantity(0.0412, "")
    ('6.2 KB', '12.5 µs', '0.0412')
    """
    scales = {
        "byte": [(1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "B")],
        "s": [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
        "j": [(1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ")],
    }.get(unit)
    if scales is None:
        return f"{value:.4g}"
    for scale, name in scales:
        if float(f"{abs(value) / scale:.3g}") >= 1:
            return f"{value / scale:.3g} {name}"
    scale, name = scales[-1]
    return f"{value / scale:.3g} {name}"
