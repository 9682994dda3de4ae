"""Real tables are read as their notes say; skipped where the data is not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netgraft.tables import Task

DATA = Path(os.environ.get("NETGRAFT_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
pytestmark = pytest.mark.skipif(not (DATA / "itu_5g_energy").is_dir(), reason="NETGRAFT_DATA has no tables")


def read(path: str, **arguments: Any) -> Task:
    return Task.read(DATA / path, **arguments)


def kinds(task: Task) -> dict[str, str]:
    return {column.name: column.kind for column in task.encoding.columns}


def dropped(task: Task) -> dict[str, str]:
    return {column.name: column.reason for column in task.dropped}


def test_energy() -> None:
    task = read("itu_5g_energy/energy.parquet", target="Energy", group="BS")
    found = kinds(task)
    assert dropped(task) == {"ESMode4": "constant"}
    assert found["Time"] == "datetime"
    assert found["RUType"] == found["Mode"] == "categorical"
    assert found["hour"] == found["load_mean"] == "numeric"
    assert "BS" not in found
    assert len(task.splits) == 1
    assert len(task.splits[0].validation) > 10_000


def test_throughput_with_lags() -> None:
    task = read("ucc_5g_production/traces.parquet", target="DL_bitrate", group="trace", lag=2)
    found = kinds(task)
    assert task.heavy_tailed
    assert found["CellID"] == found["CellID__lag2"] == "code"
    assert found["RAWCELLID"] == "categorical", "float32 cannot tell neighbouring cells apart"
    assert found["DL_bitrate__lag1"] == "numeric"
    assert found["Speed"] == "numeric"
    assert task.rows.groups is not None
    split = task.splits[0]
    assert not set(task.rows.groups[split.train]) & set(task.rows.groups[split.validation])
    inputs = task.encoding.apply({name: cells[:1000] for name, cells in task.rows.raw.items()})
    assert np.isfinite(inputs.numeric).all()


def test_intrusions() -> None:
    task = read("nsl_kdd/flows.parquet", target="attack_class", drop=["split", "difficulty"])
    found = kinds(task)
    assert task.classes == ("dos", "normal", "probe", "r2l", "u2r")
    assert dropped(task) == {"num_outbound_cmds": "constant"}
    assert any(note.startswith("attack: each of its values comes with one class only") for note in task.notes)
    assert found["service"] == "categorical"
    assert found["land"] == "boolean"
    assert found["num_root"] == found["src_bytes"] == "numeric"


def test_fingerprints() -> None:
    task = read(
        "uji_indoorloc/fingerprints.parquet", target="FLOOR", na=["100"], drop=["split", "LONGITUDE", "LATITUDE"]
    )
    found = kinds(task)
    assert all(kind == "numeric" for name, kind in found.items() if name.startswith("WAP"))
    assert all(found[name] == "code" for name in ("BUILDINGID", "SPACEID", "USERID", "PHONEID"))
    assert found["TIMESTAMP"] == "datetime"
    assert set(dropped(task).values()) == {"all cells are missing"}
    assert max(float(np.nanmax(cells)) for name, cells in task.rows.raw.items() if name.startswith("WAP")) <= 0


def test_service_mesh() -> None:
    task = read("kth_service_mesh/cnsm2022_two_services.parquet", target="d11", drop=["d12", "d21", "d22"])
    assert dropped(task) == {"step": "row identifier: distinct integers in order"}
    small = read("kth_service_mesh/tnsm2024_scaling.parquet", target="d1", group="trace")
    assert len(small.splits) == 3
    apps = read("kth_microservices/four_apps.parquet", target="d", group="app")
    assert dropped(apps) == {"trace": "each of its values occurs in one group only", "drops": "constant"}
    assert apps.heavy_tailed


def test_integer_codes_and_quantities() -> None:
    adult = kinds(read("pmlb_generic/adult.parquet", target="target"))
    named = {"workclass", "education", "marital-status", "occupation", "relationship", "race", "native-country"}
    assert {name for name, kind in adult.items() if kind == "code"} == named
    assert adult["sex"] == "boolean"
    cover = kinds(read("covertype_ramp/covertype.parquet", target="Cover_Type"))
    assert {name for name, kind in cover.items() if kind == "code"} == {"wilderness", "soil"}
    assert set(kinds(read("pmlb_generic/sleep.parquet", target="target")).values()) == {"numeric"}
    pol = read("pmlb_generic/pol_reg.parquet", target="target")
    assert pol.kind == "regression"
    assert set(kinds(pol).values()) == {"numeric"}
