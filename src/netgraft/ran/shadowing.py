"""Correlated shadowing on a grid.

A field is Gaussian with mean 0, variance 1 and autocorrelation exp(-distance / shadowing_distance_m) (Gudmundson 1991).
Sites share part of it: shadowing of a site is a common field and a private one, weighted so that two sites have
correlation ``site_correlation`` at one place (TR 36.814, table A.2.1.1-2: 0.5). Sectors of a site see the same.

Fields are drawn by the Fourier transform on a torus that is five correlation distances wider than the grid, so that
opposite borders do not see each other (Wood and Chan 1994).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from netgraft.ran.scenario import Scenario
from netgraft.seeds import generator

_WIDER = 5
Floats = NDArray[np.float64]


def site_shadowing(scenario: Scenario, shape: tuple[int, int]) -> Iterator[Floats]:
    """Yield the shadowing of each site, [height, width], with standard deviation 1."""
    shared = scenario.site_correlation
    common = math.sqrt(shared) * _field(scenario, shape, "shadowing", "common")
    for site in range(scenario.sites):
        yield common + math.sqrt(1 - shared) * _field(scenario, shape, "shadowing", site)


def site_sight(scenario: Scenario, shape: tuple[int, int], site: int) -> Floats:
    """Return a Gaussian field [height, width] whose normal probabilities decide on a site's line of sight."""
    return _field(scenario, shape, "sight", site)


def gaussian_field(shape: tuple[int, int], step_m: float, distance_m: float, random: np.random.Generator) -> Floats:
    """Return a field [height, width] with mean 0, variance 1 and exponential autocorrelation.

    Args:
        shape: height and width of the grid.
        step_m: between grid points.
        distance_m: at which the correlation has fallen to 1/e.
        random: draws the field.
    """
    pad = math.ceil(_WIDER * distance_m / step_m)
    height, width = (fft.next_fast_len(size + pad, real=True) for size in shape)
    powers = _powers(height, width, step_m / distance_m)
    noise = fft.rfft2(random.standard_normal((height, width)))
    return np.ascontiguousarray(fft.irfft2(noise * np.sqrt(powers), s=(height, width))[: shape[0], : shape[1]])


def _field(scenario: Scenario, shape: tuple[int, int], *names: str | int) -> Floats:
    random = generator(scenario.map_seed, *names)
    return gaussian_field(shape, scenario.map_step_m, scenario.shadowing_distance_m, random)


def _powers(height: int, width: int, step: float) -> Floats:
    """Return the spectrum of exp(-distance) on a torus, scaled to variance 1."""
    rows, columns = (np.minimum(np.arange(size), size - np.arange(size)) * step for size in (height, width))
    correlation = np.exp(-np.sqrt(rows[:, None] ** 2 + columns**2))
    powers = np.maximum(fft.fft2(correlation).real, 0)
    return powers[:, : width // 2 + 1] / powers.mean()
