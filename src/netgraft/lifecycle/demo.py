"""The demo: in a radio network that the package simulates, a new cell's load is predicted from other cells' models.

Eleven of the twelve cells of the preset ``paper`` have a past, the twelfth was measured now and then. What predicts
the load of a cell from its traffic and shares is what a controller asks before it changes the shares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from netgraft.lifecycle.fleet import LIBRARY, search_fleet
from netgraft.lifecycle.folder import claim
from netgraft.lifecycle.job import search_into
from netgraft.lifecycle.search import Front, SearchSettings
from netgraft.ran import kpi_table, preset
from netgraft.ran.kpi_table import outcome_columns
from netgraft.seeds import generator
from netgraft.tables import Task
from netgraft.tables.settings import Settings

PAST, NEW, LATER = "cells.parquet", "new-cell.parquet", "later.parquet"
TARGET, GROUP = "cell_load", "block"
#: Periods of the past, those of them in which the new cell was measured, and later ones for the test.
STEPS, FEW, LATER_STEPS = 600, 60, 600
KEPT_ROWS = 500
# Periods near in time are alike: so many in a row train or validate together.
_BLOCK_STEPS = 10
_NEW_CELL = 11
# Shares of the budget: for all searches of the cells with a past, and for each of the two of the new cell.
_PAST_SHARE, _NEW_SHARE = 0.5, 0.25


@dataclass(frozen=True)
class Demo:
    """What the demo found.

    Attributes:
        front: of the new cell, from the others' models.
        cold: of the new cell, from nothing.
        folder: of the first of them.
    """

    front: Front
    cold: Front
    folder: Path

    @property
    def test_errors(self) -> tuple[float, float]:
        """Return the errors of both picked points on later rows of the new cell."""
        found = [each.point().test for each in (self.front, self.cold)]
        assert found[0] is not None
        assert found[1] is not None
        return found[0]["error"], found[1]["error"]


def cells_tables(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the tables of the cells with a past, of the new cell's few measured periods, and of its later ones.

    Args:
        seed: of the traffic and of the shares, which change at random.
    """
    scenario = preset("paper")
    table = pl.DataFrame(kpi_table(scenario, seed=seed, steps=STEPS + LATER_STEPS))
    others = [name for name in outcome_columns(scenario) if name != TARGET]
    block = (pl.col("step") // _BLOCK_STEPS).alias(GROUP)
    table = table.with_columns(block).drop(*others, "site", "group")
    past = table.filter((pl.col("cell") != _NEW_CELL) & (pl.col("step") <= STEPS)).drop("step")
    own = table.filter(pl.col("cell") == _NEW_CELL).drop("cell")
    seen, later = own.filter(pl.col("step") <= STEPS), own.filter(pl.col("step") > STEPS)
    few = np.sort(generator(seed, "measured periods").choice(len(seen), FEW, replace=False))
    return past, seen[few].drop("step"), later.drop("step")


def search_demo(
    out: Path, *, budget_s: float, seed: int, jobs: int = 2, on_progress: Callable[[str, float], None] | None = None
) -> Demo:
    """Return the fronts of the new cell after they, those of the other cells and all tables were written to a folder.

    Args:
        out: the folder; it must not hold anything.
        budget_s: time for all searches.
        seed: of the tables and the searches.
        jobs: cells with a past that are searched at once.
        on_progress: called with a text and the share done, 0 to 1.

    Raises:
        OutputError: the folder cannot be used.
    """
    told = on_progress or (lambda _text, _share: None)
    past, few, later = cells_tables(seed)
    cells = past["cell"].n_unique()

    def part(first: float, share: float) -> Callable[[str, float], None]:
        """Return what tells of a part of the work."""
        return lambda text, done: told(text, first + share * done)

    def searched(name: str, first: float, library: str | None) -> Front:
        settings = SearchSettings(budget_s=_NEW_SHARE * budget_s, seed=seed, library=library)
        progress = part(first, _NEW_SHARE)

        def read() -> Task:
            return Task.read(few, target=TARGET, group=GROUP, test=later, seed=seed)

        return search_into(out / name, read, settings, on_progress=progress)

    claim(out, resume=False)
    for name, table in ((PAST, past), (NEW, few), (LATER, later)):
        table.write_parquet(out / name)
    settings = SearchSettings(budget_s=_PAST_SHARE * budget_s * jobs / cells, seed=seed, jobs=jobs)
    reading = Settings(TARGET, group=GROUP, seed=seed)
    search_fleet(
        out / "cells",
        out / PAST,
        settings,
        by="cell",
        reading=reading,
        keep_rows=KEPT_ROWS,
        on_progress=part(0.0, _PAST_SHARE),
    )
    front = searched("new-cell", _PAST_SHARE, str(out / "cells" / LIBRARY))
    return Demo(front, searched("from-nothing", 1 - _NEW_SHARE, None), out / "new-cell")


def free_folder(name: str = "netgraft-demo") -> Path:
    """Return the first of NAME, NAME-2, NAME-3, ... that does not exist."""
    path, number = Path(name), 2
    while path.exists():
        path, number = Path(f"{name}-{number}"), number + 1
    return path
