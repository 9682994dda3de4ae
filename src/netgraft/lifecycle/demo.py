"""A table the package makes itself: the power draw of simulated radio sites, hour by hour.

The power of a site follows the EARTH model: ``transceivers * (P0 + slope * P_max * load)``, or the sleep power for the
share of the hour a transceiver sleeps (Auer et al. 2011, "How much energy is needed to run a wireless network?",
equation 1 and table 2). Cooling above 25 degrees and a rectifier's loss are our additions, as are the course of the
load over the day and the noise of the meter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.lifecycle.job import search_into
from netgraft.lifecycle.search import Front, SearchSettings
from netgraft.seeds import generator
from netgraft.tables import Task

SITES, TEST_SITES, HOURS = 200, 60, 40
TRAIN, TEST = "train.parquet", "test.parquet"


@dataclass(frozen=True)
class Radio:
    """A type of radio unit: figures of one transceiver at full bandwidth, from the EARTH model's table 2."""

    name: str
    transceivers: tuple[int, ...]
    max_w: float
    idle_w: float
    slope: float
    sleep_w: float


RADIOS = (
    Radio("macro", (3, 6, 12), 20.0, 130.0, 4.7, 75.0),
    Radio("remote head", (3, 6, 12), 20.0, 84.0, 2.8, 56.0),
    Radio("micro", (2, 4), 6.3, 56.0, 2.6, 39.0),
    Radio("pico", (2, 4), 0.13, 6.8, 4.0, 4.3),
)


def sites_table(sites: int, seed: int, *, first: int = 0) -> pl.DataFrame:
    """Return a table with 40 hours of each of some sites.

    Args:
        sites: how many.
        seed: of all that is drawn; a site with one number is the same in every table of a seed.
        first: the first site's number.
    """
    return pl.concat([_site(number, seed) for number in range(first, first + sites)])


def _site(number: int, seed: int) -> pl.DataFrame:
    """Return the hours of one site."""
    rng = generator(seed, "site", number)
    radio = RADIOS[int(rng.choice(len(RADIOS), p=(0.4, 0.3, 0.2, 0.1)))]
    transceivers = int(rng.choice(radio.transceivers))
    bandwidth = int(rng.choice((5, 10, 20)))
    start = int(rng.integers(0, 24 * 300))
    hour = start + np.arange(HOURS)
    load = _load(hour % 24, rng)
    sleep = np.where(load < 0.12, np.round(rng.uniform(0.3, 0.9, HOURS), 2), 0.0) * (rng.random() < 0.6)
    temperature = 14 + 11 * np.sin(2 * np.pi * (hour / 8760 - 0.3)) + 6 * np.sin(2 * np.pi * (hour % 24 - 9) / 24)
    temperature = np.round(temperature + rng.normal(0, 1.5, HOURS), 1)
    awake = radio.idle_w * (0.7 + 0.3 * bandwidth / 20) + radio.slope * radio.max_w * load
    power = transceivers * ((1 - sleep) * awake + sleep * radio.sleep_w)
    power = power * (1 + 0.02 * np.maximum(temperature - 25, 0)) / 0.93
    time = [datetime(2025, 1, 1) + timedelta(hours=int(h)) for h in hour]  # noqa: DTZ001 - the site's local time
    return pl.DataFrame(
        {
            "site": [f"S{number:03d}"] * HOURS,
            "time": time,
            "radio": [radio.name] * HOURS,
            "transceivers": [transceivers] * HOURS,
            "bandwidth_mhz": [bandwidth] * HOURS,
            "load": np.round(load, 3),
            "sleep_share": sleep,
            "temperature_c": temperature,
            "power_w": np.round(power * rng.normal(1, 0.015, HOURS), 1),
        }
    )


def _load(hour: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the load of the hours of a day, 0 to 1: low at night, highest in the evening."""
    day = 0.5 - 0.35 * np.cos(2 * np.pi * (hour - 4) / 24) + 0.15 * np.exp(-(((hour - 20) / 2.5) ** 2))
    return np.clip(day * rng.uniform(0.2, 1.1) * rng.lognormal(0, 0.25, len(hour)), 0.0, 1.0)


def search_demo(
    out: Path, *, budget_s: float, seed: int, on_progress: Callable[[str, float], None] | None = None
) -> Front:
    """Return the front for simulated sites after it and its tables were written to a folder.

    Args:
        out: the folder.
        budget_s: time for the search.
        seed: of the tables and the search.
        on_progress: called with a text and the share done, 0 to 1.

    Raises:
        OutputError: the folder cannot be used.
    """
    train, test = sites_table(SITES, seed), sites_table(TEST_SITES, seed, first=SITES)

    def read() -> Task:
        return Task.read(train, target="power_w", test=test, group="site", seed=seed)

    front = search_into(out, read, SearchSettings(budget_s=budget_s, seed=seed), on_progress=on_progress)
    train.write_parquet(out / TRAIN)
    test.write_parquet(out / TEST)
    return front


def free_folder(name: str = "netgraft-demo") -> Path:
    """Return the first of NAME, NAME-2, NAME-3, ... that does not exist."""
    path, number = Path(name), 2
    while path.exists():
        path, number = Path(f"{name}-{number}"), number + 1
    return path
