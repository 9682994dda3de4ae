"""Numbers as people read them; `assets/figures.js` writes them the same way."""

from __future__ import annotations

import math
import re

from netgraft.units import format_quantity

_AMOUNT = re.compile(r"(?<=\d) (%|[KMGT]?B|[mµn]?[sJ]|M|G)(?!\w)")
ABSENT = "\N{EN DASH}"
_UNITS = {"byte": "byte", "bytes": "byte", "b": "byte", "s": "s", "second": "s", "seconds": "s", "j": "j", "joule": "j"}
_UNIT_OF = {"size": "byte", "memory": "byte", "download": "byte", "latency": "s", "energy": "j"}


def unit_of(name: str, unit: str | None = None) -> str:
    """Return the unit as `units.format_quantity` takes it, from a unit's text or else from the objective's name."""
    known = _UNITS.get((unit or "").lower())
    return known if known is not None else _UNIT_OF.get(name, "")


def finite(value: object) -> float | None:
    """Return a number, or None for whatever is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def quantity(value: object, unit: str = "") -> str:
    """Return a short text for an SI value, a dash where there is none.

    >>> quantity(6204.0, "byte"), quantity(0.11872), quantity(18432), quantity(None) == ABSENT
    ('6.2 KB', '0.1187', '18,432', True)
    """
    number = finite(value)
    if number is None:
        return ABSENT
    return plain(number) if unit == "" else _with_unit(number, unit)


def _with_unit(value: float, unit: str) -> str:
    rounded = float(f"{value:.3g}")
    amount, name = format_quantity(rounded, unit).split(" ")
    return f"{float(amount):.4g} {name}"


def plain(value: float) -> str:
    """Return a bare number with about four significant digits.

    >>> plain(1234567), plain(12.3456), plain(0.00001234), plain(3.0)
    ('1.235 M', '12.35', '1.23e-5', '3')
    """
    size = abs(value)
    if size >= 1e15:
        return _exponential(value)
    for scale, name in ((1e9, "G"), (1e6, "M")):
        if size >= scale:
            return f"{value / scale:.4g} {name}"
    if value == int(value):
        return f"{int(value):,}"
    if size < 1e-3:
        return _exponential(value)
    for bound, digits in ((1.0, 4), (10.0, 3), (100.0, 2), (1000.0, 1)):
        if size < bound:
            return f"{value:.{digits}f}"
    return f"{value:,.0f}"


def _exponential(value: float) -> str:
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def percent(share: float) -> str:
    """Return a share as a percentage.

    >>> percent(0.0171), percent(0.5), percent(0.00001)
    ('1.7 %', '50 %', 'less than 0.1 %')
    """
    value = 100 * share
    if 0 < value < 0.1:
        return "less than 0.1 %"
    return f"{value:.0f} %" if value >= 10 else f"{value:.1f} %"


def unbroken(text: str) -> str:
    r"""Return the text with its numbers and their units kept on one line.

    >>> unbroken("2.9 % of 412 KB") == "2.9\u00a0% of 412\u00a0KB"
    True
    """
    return _AMOUNT.sub("\u00a0\\1", text)


def duration(seconds: object) -> str:
    """Return how long something took.

    >>> duration(61.2), duration(0.4), duration(7300)
    ('1 min 1 s', '0.4 s', '2 h 1 min')
    """
    value = finite(seconds)
    if value is None:
        return ABSENT
    if value < 10:
        return f"{value:.2g} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def round_to(value: object, digits: int = 5) -> float | None:
    """Return a number with so many significant digits, to keep the page small."""
    number = finite(value)
    return None if number is None else float(f"{number:.{digits}g}")
