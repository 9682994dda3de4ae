"""The action: shares of a cell's blocks, one per slice, on the simplex (Hu et al. 2022, eq. 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.errors import InputError
from netgraft.ran.scenario import Scenario

FloatArray = NDArray[np.float64]
#: By how much the sum of a cell's shares may differ from 1; above 1 it is scaled down to 1.
SUM_TOLERANCE = 1e-6


def equal_shares(scenario: Scenario) -> FloatArray:
    """Return the default action: every slice the same share; [K, N]."""
    return np.full((scenario.cells, scenario.slices), 1 / scenario.slices)


def on_simplex(shares: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether shares [..., N] are finite, >= 0 and sum to 1 within the tolerance; [...]."""
    values = np.asarray(shares, np.float64)
    # a value that is not finite makes the sum so, and the comparison false
    with np.errstate(invalid="ignore"):
        return (values.min(axis=-1) >= 0) & (np.abs(values.sum(axis=-1) - 1) <= SUM_TOLERANCE)


def as_numbers(values: ArrayLike) -> FloatArray:
    """Return values as float64.

    Raises:
        InputError: they are not numbers, or not as many in every row.
    """
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"an array of numbers is required, got {values!r}") from error


def checked_shares(shares: ArrayLike, shape: tuple[int, ...], who: str = "cell {}") -> FloatArray:
    """Return shares as float64 of which no cell's sum exceeds 1 by more than rounding.

    Args:
        shares: of every cell, ``shape``.
        shape: (..., K, N).
        who: how the text of an error calls a cell, with a place for its number.

    Raises:
        InputError: no numbers, the shape is another, or a cell's shares are not finite, not >= 0 or do not sum to 1.
    """
    values = as_numbers(shares)
    if values.shape != shape:
        raise InputError(f"shares must be an array of shape {shape}, got shape {values.shape}")
    good = on_simplex(values)
    if not good.all():
        index = tuple(np.argwhere(~good)[0])
        name = who.format(index[-1])
        raise InputError(f"shares of {name} must be finite, >= 0 and sum to 1, got {values[index].tolist()}")
    return values / np.maximum(values.sum(axis=-1, keepdims=True), 1.0)
