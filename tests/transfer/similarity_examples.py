"""Samples and tables of made-up domains, and slow readable references."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def mean_pairwise_kl_loop(source: tuple[Array, Array], target: tuple[Array, Array]) -> float:
    """Return eq. (7) with (8) as the paper writes it: two loops over (mean, log-variance) [n, l]."""
    total = 0.0
    for mean_n, log_n in zip(*source, strict=True):
        for mean_m, log_m in zip(*target, strict=True):
            variance_n, variance_m = np.exp(log_n), np.exp(log_m)
            determinants = (log_n - log_m).sum()
            mahalanobis = (np.square(mean_n - mean_m) / variance_m).sum()
            total += 0.5 * (-determinants - len(mean_n) + mahalanobis + (variance_n / variance_m).sum())
    return total / (len(source[0]) * len(target[0]))


def domain_rows(shift: float, scale: float, n: int, seed: int) -> tuple[Array, Array]:
    """Return x [n, 3] and y [n, 1] of a domain whose columns and outcome are shifted and scaled."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3)) * scale + shift
    return x, (x @ np.array([[1.0], [-0.5], [shift]])) + 0.1 * random.normal(size=(n, 1))


def domain_table(load: float, place: str, n: int, seed: int) -> tuple[dict[str, Array], Array]:
    """Return raw columns and an outcome of a domain: load, users, temperature, a text, a date-time."""
    random = np.random.default_rng(seed)
    users = random.poisson(20 * load, n).astype(np.float32)
    temperature = random.normal(18, 4, n).astype(np.float32)
    columns = {
        "load": random.beta(2, 5, n).astype(np.float32) * np.float32(load),
        "users": users,
        "temperature": temperature,
        "place": np.where(random.random(n) < 0.8, place, "other").astype(object),
        "time": np.arange(n, dtype=np.int64) * 3600,
    }
    return columns, (2 * load * users + temperature + random.normal(size=n)).astype(np.float32)


def part_of(columns: dict[str, Array], rows: Array) -> dict[str, Array]:
    """Return some rows of raw columns."""
    return {name: cells[rows] for name, cells in columns.items()}
