"""What happened in the network, as a file that a search can learn from."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from netgraft.errors import OutputError, SettingError, unknown_name
from netgraft.lifecycle.interrupts import undisturbed
from netgraft.ran import Kpis, Scenario, SlicingEnv, kpi_table
from netgraft.ran.kpi_table import POLICIES
from netgraft.records import write_bytes

_WRITERS: dict[str, Callable[[pl.DataFrame, io.BytesIO], Any]] = {
    ".parquet": pl.DataFrame.write_parquet,
    ".csv": pl.DataFrame.write_csv,
}
_TOLD_EVERY = 50


def write_kpi_table(
    out: Path,
    scenario: Scenario,
    *,
    seed: int = 0,
    steps: int = 1_000,
    shares: str = "random",
    on_progress: Callable[[str, float], None] | None = None,
) -> pl.DataFrame:
    """Write the KPI table of an episode (`netgraft.ran.kpi_table`), one row per cell and step, and return it.

    Args:
        out: a .parquet or .csv file; a failure leaves an old one.
        scenario: what is simulated.
        seed: of users, traffic and shares.
        steps: periods.
        shares: ``random`` or ``equal``.
        on_progress: called with a text and the share done, 0 to 1.

    Raises:
        SettingError: steps below 1, or no such shares.
        OutputError: the ending is another, or the file cannot be written.
    """
    if out.suffix.lower() not in _WRITERS:
        raise OutputError(f"the table must go to a {' or '.join(_WRITERS)} file, got {out}")
    if out.is_dir():
        raise OutputError(f"a file to write to is required, got the folder {out}")
    if shares not in POLICIES:
        raise SettingError(unknown_name("shares", shares, POLICIES))
    table = kpi_table(scenario, seed=seed, steps=steps, shares=_told(scenario, seed, steps, shares, on_progress))
    frame, data = pl.DataFrame(table), io.BytesIO()
    _WRITERS[out.suffix.lower()](frame, data)
    with undisturbed():
        write_bytes(out, data.getvalue())
    return frame


def _told(
    scenario: Scenario, seed: int, steps: int, shares: str, on_progress: Callable[[str, float], None] | None
) -> Callable[[SlicingEnv, Kpis], Any]:
    """Return the named policy, which tells how far the episode is."""
    policy, done = POLICIES[shares](scenario, seed), 0

    def decide(env: SlicingEnv, last: Kpis) -> Any:
        nonlocal done
        done += 1
        if on_progress is not None and done % _TOLD_EVERY == 0:
            on_progress(f"{done:,} of {steps:,} steps", done / steps)
        return policy(env, last)

    return decide
