"""The methods of a slicing study: what they are called, in which order they stand, and what they reached.

`results.json` may lack any key, and any number in it may be absent; what is asked of it here is then None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from netgraft.reports.figures import ABSENT, finite, percent, plain
from netgraft.reports.points import MINUS

Results = Mapping[str, Any]
Kind = Literal["baseline", "drl", "similar", "dissimilar", "variant", "new", "other"]

BASELINE, DRL, DRL_4000, SIMILAR, DISSIMILAR = "proportional", "drl", "drl_4000", "tl_similar", "tl_dissimilar"
#: What the paper compares, least expected reward first.
COMPARED = (BASELINE, DRL_4000, DRL, DISSIMILAR, SIMILAR)
#: Share of cells and steps below it is what figure 5 is read for.
SATISFIED = 0.95
_LARGE = 100.0


@dataclass(frozen=True)
class Method:
    """How a method is shown: its label, what it does, and its kind, which gives it a colour."""

    label: str
    note: str
    kind: Kind


METHODS: dict[str, Method] = {
    "equal": Method("equal split", "the same share for every slice", "baseline"),
    "causal": Method("proportional, last demand", "knows what agents know of the demand", "baseline"),
    BASELINE: Method("proportional, perfect demand", "the paper's baseline", "baseline"),
    "oracle": Method("oracle", "knows the radio links too; no learner does", "baseline"),
    DRL_4000: Method("DRL, stopped early", "at the transfer's number of steps", "drl"),
    DRL: Method("DRL", "all its steps", "drl"),
    DISSIMILAR: Method("transfer, dissimilar source", "model and instances", "dissimilar"),
    SIMILAR: Method("transfer, similar source", "model and instances", "similar"),
    "tl_model": Method("transfer of the model", "similar source", "variant"),
    "tl_feature": Method("transfer of features", "similar source, lower layers held", "variant"),
    "tl_instance": Method("transfer of instances", "similar source's experience", "variant"),
    "tl_generalist": Method("generalist", "one model of all sources", "variant"),
    "new_cell_cold": Method("new cell, cold", "a cell that is added, from nothing", "new"),
    "new_cell_dissimilar": Method("new cell, dissimilar source", "the others go on", "new"),
    "new_cell_similar": Method("new cell, similar source", "the others go on", "new"),
}


@dataclass(frozen=True)
class Measured:
    """A mean with its interval; whatever is not known is None."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds of the interval, or None where there is none to tell."""
        if self.low is None or self.high is None or self.low >= self.high:
            return None
        return self.low, self.high


def part(value: object, key: str) -> Mapping[str, Any]:
    """Return a mapping inside of a mapping, an empty one where there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def items(value: object, key: str) -> list[Any]:
    """Return a list inside of a mapping, an empty one where there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return list(found) if isinstance(found, list | tuple) else []


def method(name: str) -> Method:
    """Return how a method is shown; one that is not known by its own name."""
    return METHODS.get(name, Method(name, "", "other"))


def ordered(names: object) -> list[str]:
    """Return names of methods in the order in which they are shown: the known ones, then the others as they come."""
    given = [str(name) for name in names] if isinstance(names, Mapping | list | tuple) else []
    known = [name for name in METHODS if name in given]
    return [*known, *(name for name in given if name not in METHODS)]


def measured(results: Results, name: str, key: str) -> Measured:
    """Return what a method reached in one measure."""
    found = part(part(results, "methods"), name).get(key)
    if isinstance(found, Mapping):
        return Measured(*(finite(found.get(bound)) for bound in ("mean", "low", "high")))
    return Measured(finite(found))


def of_paper(results: Results, name: str, key: str) -> float | None:
    """Return what the paper tells of a method, None where it tells nothing."""
    return finite(part(part(results, "paper"), name).get(key))


def masks_of(results: Results) -> dict[str, list[float | None]]:
    """Return the mask of each slice over the steps; they may be stored as `[steps, N]` or `[N, steps]`."""
    told = part(results, "masks")
    rows = [list(map(finite, row)) for row in items(told, "values") if isinstance(row, list | tuple)]
    names = [str(name) for name in items(told, "slices")]
    by_slice = bool(rows) and len(rows) == len(names) != len(rows[0])
    columns = rows if by_slice else [list(column) for column in zip(*rows, strict=False)]
    names += [f"slice {index + 1}" for index in range(len(names), len(columns))]
    return dict(zip(names, columns, strict=False))


def cell_names(results: Results, count: int) -> list[str]:
    """Return the names of so many cells; those without one are counted from 1."""
    cells = items(part(results, "network"), "cells")
    named = [str(cell["name"]) if isinstance(cell, Mapping) and cell.get("name") else None for cell in cells[:count]]
    named += [None] * (count - len(named))
    return [name or f"cell {index}" for index, name in enumerate(named, start=1)]


def cell_groups(results: Results, count: int) -> list[int]:
    """Return the number of each cell's group; 0 where it is not known."""
    cells = items(part(results, "network"), "cells")[:count]
    groups = [int(finite(cell.get("group")) or 0) if isinstance(cell, Mapping) else 0 for cell in cells]
    return [*groups, *[0] * (count - len(groups))]


def brief(value: float) -> str:
    """Return a number with three significant digits, whole numbers as they are, in the typographer's minus.

    >>> brief(0.2), brief(1.03123), brief(4000.0), brief(1234.5), brief(-0.00035) == chr(0x2212) + "0.00035"
    ('0.2', '1.03', '4,000', '1,234', True)
    """
    size = abs(value)
    text = f"{size:.3g}" if 1e-4 <= size < 1000 and size != int(size) else plain(size)
    return f"{MINUS}{text}" if value < 0 else text


def measure_text(value: float | None, key: str) -> str:
    """Return what a method reached in a measure as people read it; delays are in milliseconds.

    >>> measure_text(0.1234, "below_0.95"), measure_text(0.9, "reward"), measure_text(1.5, "delay_ms")
    ('12 %', '0.900', '1.50')
    """
    if value is None:
        return ABSENT
    if key == "below_0.95":
        return percent(value)
    if abs(value) >= _LARGE:
        return plain(value)
    return f"{value:.2f}" if key == "delay_ms" else f"{value:.3f}"


def paper_text(value: float | None, key: str) -> str:
    """Return a number of the paper with as many digits as it has there; nothing where there is none."""
    if value is None:
        return ""
    if key == "below_0.95":
        return percent(value)
    return f"{value:.2f}" if key == "satisfaction" else f"{brief(value)}{' ms' if key == 'delay_ms' else ''}"
