"""Load coupling: how busy a cell is follows from the interference of the others, and that from how busy they are.

A cell sends on as many blocks as its users need, never on more than the slices' shares, and disturbs the others on
these only (Siomina and Yuan 2012; Cavalcante, Liao and Stanczak 2019). With the load of cell j as its activity

    need_{k,n}(load) = sum over the slice's users u of a_u / (W c(SINR_u))
    SINR_u = p_{u,k} / (noise + sum over j != k of load_j p_{u,j})
    load_{k,n} = min(share_{k,n}, need_{k,n}(load)),    load_k = sum over n of load_{k,n}

with offered rate a_u, band W, received power p and spectral efficiency c. The right side is positive, monotone and
scalable, a standard interference function (Yates 1995), as long as c grows slower than in proportion, which the
attenuated Shannon curve does also where it is held at its ends; it is bounded by the shares; so there is exactly one
fixed point, and iteration from any start finds it. A table of steps such as the CQI's is monotone but not scalable:
iteration still converges from below, but a second fixed point is not excluded.

This is the readable NumPy form; `netgraft.ran.kernels` computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SettingError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Iterations of a period: it starts from the last period's load, so few are enough.
ITERATIONS = 8


@dataclass(frozen=True, eq=False)
class Links:
    """The active users u of one period.

    Attributes:
        own_w: power received from the serving cell [u].
        other_w: power received from every cell at full load [u, K], zero at the serving one.
        cell: serving cell [u].
        slice_index: slice [u].
        offered_bps: offered rate [u], > 0.
    """

    own_w: FloatArray
    other_w: FloatArray
    cell: IntArray
    slice_index: IntArray
    offered_bps: FloatArray


@dataclass(frozen=True, eq=False)
class Band:
    """What the cells share.

    Attributes:
        width_hz: that carries data.
        noise_w: over the band, as the received powers are.
        efficiency: spectral efficiency in b/s/Hz at linear SINRs [u], > 0.
    """

    width_hz: float
    noise_w: float
    efficiency: Callable[[FloatArray], FloatArray]


def links_of(received_w: FloatArray, cell: IntArray, slice_index: IntArray, offered_bps: FloatArray) -> Links:
    """Return the links of users.

    Args:
        received_w: from every cell at full load [u, K].
        cell: serving cell [u].
        slice_index: slice [u].
        offered_bps: offered rate [u].
    """
    rows = np.arange(len(cell))
    other_w = np.array(received_w, np.float64)
    other_w[rows, cell] = 0.0
    return Links(np.asarray(received_w, np.float64)[rows, cell], other_w, cell, slice_index, offered_bps)


def need_of(links: Links, band: Band, cell_load: FloatArray, slices: int) -> FloatArray:
    """Return the fraction of its cell's blocks with which each slice would be served wholly; [K, N], not bounded by 1.

    Args:
        links: of the active users.
        band: what the cells share.
        cell_load: activity of the interfering cells [K].
        slices: number of slices N.
    """
    cells = len(cell_load)
    sinr = links.own_w / (links.other_w @ cell_load + band.noise_w)
    fraction = links.offered_bps / (band.width_hz * band.efficiency(sinr))
    place = links.cell * slices + links.slice_index
    return np.asarray(np.bincount(place, fraction, minlength=cells * slices), np.float64).reshape(cells, slices)


def coupled_load(
    links: Links, band: Band, shares: FloatArray, *, start: FloatArray, iterations: int = ITERATIONS
) -> tuple[FloatArray, FloatArray]:
    """Return load and need [K, N] after some iterations; load is the lesser of share and need.

    Args:
        links: of the active users.
        band: what the cells share.
        shares: of each slice in the cell's blocks [K, N].
        start: load of the cells [K] to begin with, such as the last period's.
        iterations: at least one.

    Raises:
        SettingError: no iteration.
    """
    if iterations < 1:
        raise SettingError(f"iterations must be >= 1, got {iterations}")
    cell_load = start
    for _ in range(iterations):
        need = need_of(links, band, cell_load, shares.shape[1])
        load = np.minimum(shares, need)
        cell_load = load.sum(axis=1)
    return load, need


def fixed_point(
    links: Links,
    band: Band,
    shares: FloatArray,
    *,
    start: FloatArray | None = None,
    tolerance: float = 1e-12,
    most: int = 10_000,
) -> tuple[FloatArray, FloatArray]:
    """Return load and need [K, N] when no cell's load moves by more than the tolerance.

    Args:
        links: of the active users.
        band: what the cells share.
        shares: of each slice in the cell's blocks [K, N].
        start: load of the cells [K]; none from all others.
        tolerance: of a cell's load.
        most: iterations.

    Raises:
        SettingError: the tolerance is not reached.
    """
    cell_load = np.zeros(len(shares)) if start is None else start
    for _ in range(most):
        load, need = coupled_load(links, band, shares, start=cell_load, iterations=1)
        moved, cell_load = np.abs(load.sum(axis=1) - cell_load).max(initial=0.0), load.sum(axis=1)
        if moved <= tolerance:
            return load, need
    raise SettingError(f"a tolerance that {most} iterations reach is required, got {tolerance}: last step {moved:.3g}")
