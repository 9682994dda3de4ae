"""Real tables: half of a domain is nearer to its other half than to any other domain."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from netgraft.transfer import Sample, compare, moments_distances, moments_of, sketch_of

DATA = Path(os.environ.get("NETGRAFT_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
pytestmark = pytest.mark.skipif(not (DATA / "itu_5g_energy").is_dir(), reason="NETGRAFT_DATA has no tables")
LEFT_OUT = {"BS", "Time", "RUType", "Mode", "Energy"}
TYPES = ["Type2", "Type3", "Type4", "Type5", "Type6"]


def halves() -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """Return two disjoint samples of 1,000 rows per radio-unit type."""
    frame = pl.read_parquet(DATA / "itu_5g_energy" / "energy.parquet")
    drawn = [frame.filter(pl.col("RUType") == kind).sample(2_000, shuffle=True, seed=0) for kind in TYPES]
    return [(part[:1_000], part[1_000:]) for part in drawn]


def test_halves_of_radio_unit_types() -> None:
    parts = halves()
    columns = [name for name in parts[0][0].columns if name not in LEFT_OUT]
    whole = np.concatenate([half.select([*columns, "Energy"]).to_numpy() for pair in parts for half in pair])
    scale = np.where(whole.std(axis=0) > 0, whole.std(axis=0), 1)

    def raw(half: pl.DataFrame) -> tuple[dict[str, np.ndarray], np.ndarray]:
        return {name: half[name].cast(pl.Float32).to_numpy() for name in columns}, half["Energy"].to_numpy()

    def sample(half: pl.DataFrame) -> Sample:
        rows = (half.select([*columns, "Energy"]).to_numpy() - whole.mean(axis=0)) / scale
        return Sample(x=rows[:, :-1], y=rows[:, -1:], sketch=sketch_of(*raw(half), "regression"))

    sources = [sample(first) for first, _ in parts]
    records = [moments_of(*raw(first), "regression") for first, _ in parts]
    for k, (_, second) in enumerate(parts):
        measures = ["vae-debiased", "energy", "mmd", "moments", "sketch"]
        for name, distances in compare(sources, sample(second), measures).items():
            assert distances.argmin() == k, (name, TYPES[k], distances)
        assert moments_distances(records, moments_of(*raw(second), "regression")).argmin() == k
