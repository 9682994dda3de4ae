"""Arrays that are sent as they are lose bits that nobody can tell: their last bits become zeros, which cost nothing.

A number keeps as few bits of its mantissa as its own tolerance allows, so it stays a float32 like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.runtime.encoding import FloatArray

#: An edge may move by this share of the narrower bin beside it.
_EDGE_SHARE = 1 / 64
#: A hidden unit's bias may move by this share of the grid's step, as far as a weight on it does; an exit's by less.
_BIAS_SHARE, _EXIT_SHARE = 1 / 2, 1 / 16
#: A frequency or the number of a canary row may move by this share of itself.
_OWN_SHARE = 1 / 1_024
_MANTISSA = 23


def trimmed(values: NDArray[Any], tolerance: NDArray[Any] | float) -> FloatArray:
    """Return numbers near others, each with as few bits of its mantissa as its tolerance allows; float32.

    Args:
        values: float32.
        tolerance: how far each may move.
    """
    exact = np.asarray(values, np.float32)
    made, open_ = exact.copy(), np.ones(exact.shape, bool)
    for kept in range(_MANTISSA):
        rough = _rounded(exact, kept)
        near = open_ & (np.abs(rough.astype(np.float64) - exact) <= tolerance)
        made[near] = rough[near]
        open_ &= ~near
    return made


def _rounded(values: FloatArray, kept: int) -> FloatArray:
    """Return numbers rounded to so many bits of mantissa after the first."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(np.ldexp(mantissa, kept + 1)), exponent - kept - 1).astype(np.float32)


def trimmed_exact(exact: Mapping[str, NDArray[Any]], step: float) -> dict[str, NDArray[Any]]:
    """Return a network's exact tensors with as few bits as their purpose needs.

    Args:
        exact: by name, as `netgraft.runtime.NestedShape.exact` lists them.
        step: of the grid.
    """
    made = dict(exact)
    for name, values in exact.items():
        if name == "edges":
            made[name] = trimmed(values, _edge_tolerance(values, exact["bins"]))
        elif name.startswith(("bias_", "head_bias@")):
            made[name] = trimmed(values, step * (_BIAS_SHARE if name.startswith("bias_") else _EXIT_SHARE))
        elif name == "frequencies":
            made[name] = trimmed(values, np.abs(values) * _OWN_SHARE)
    return made


def trimmed_rows(numeric: NDArray[Any]) -> FloatArray:
    """Return rows of canaries with as few bits as tell them apart."""
    return trimmed(numeric, np.abs(numeric) * _OWN_SHARE)


def _edge_tolerance(edges: NDArray[Any], bins: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far each edge may move, so that no bin changes much or vanishes."""
    tolerance = np.empty(len(edges), np.float64)
    end = 0
    for count in bins.tolist():
        start, end = end, end + count + 1
        widths = np.diff(edges[start:end].astype(np.float64))
        tolerance[start:end] = np.minimum(np.append(widths, np.inf), np.insert(widths, 0, np.inf)) * _EDGE_SHARE
    return np.maximum(tolerance, 0)
