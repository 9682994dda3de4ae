"""Small tables and quick searches for the tests of the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

#: A search of a second or two that is the same every time.
QUICK = [
    "--device", "raspberry-pi-4", "--strategy", "random", "--evaluations", "3",
    "--set", "depth=0,1", "--set", "width_1=4,8", "--set", "members=1", "--set", "token=1", "--set", "bins=4,8",
]  # fmt: skip


@dataclass(frozen=True)
class Searched:
    """A finished search: its folder, table and test table."""

    folder: Path
    table: Path
    test: Path


def power_table(rows: int = 120, seed: int = 0) -> pl.DataFrame:
    """Return a regression table with numbers, text, dates, missing cells and groups."""
    rng = np.random.default_rng(seed)
    load = rng.uniform(0, 1, rows)
    radio = rng.choice(["macro", "micro", "pico"], rows)
    power = 100 * load + 50 * (radio == "macro") + rng.normal(0, 3, rows)
    times = pl.datetime_range(pl.datetime(2025, 1, 1), pl.datetime(2025, 1, 30), "1h", eager=True)[:rows]
    return pl.DataFrame(
        {
            "site": [f"S{i % 12}" for i in range(rows)],
            "time": times,
            "load": [None if i % 17 == 3 else float(value) for i, value in enumerate(load)],
            "radio": radio.tolist(),
            "power": power,
        }
    )


def fault_table(rows: int = 150, seed: int = 0) -> pl.DataFrame:
    """Return a classification table with three text labels."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    label = np.where(a > 0.4, "red", np.where(b > 0.3, "green", "blue"))
    return pl.DataFrame({"a": a, "b": b, "mode": rng.choice(["x", "y"], rows).tolist(), "fault": label.tolist()})


def without_times(folder: Path) -> dict[str, Any]:
    """Return a folder's front without what depends on the clock."""
    front = json.loads((folder / "front.json").read_text())
    del front["seconds"]
    for entry in front["history"]:
        del entry["seconds"]
    return front  # type: ignore[no-any-return]
