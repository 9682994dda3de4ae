from __future__ import annotations

import pytest
from cli_tables import QUICK, Searched, fault_table, power_table

from netgraft.cli import main


@pytest.fixture(scope="session")
def power(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Give a finished regression search with test rows and groups."""
    root = tmp_path_factory.mktemp("power")
    power_table().write_parquet(root / "power.parquet")
    power_table(60, seed=1).write_csv(root / "test.csv")
    words = ["search", str(root / "power.parquet"), "--target", "power", "--test", str(root / "test.csv")]
    assert main([*words, "--group", "site", *QUICK, "--out", str(root / "out")]) == 0
    return Searched(root / "out", root / "power.parquet", root / "test.csv")


@pytest.fixture(scope="session")
def fault(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Give a finished classification search."""
    root = tmp_path_factory.mktemp("fault")
    fault_table().write_csv(root / "fault.csv")
    fault_table(60, seed=1).write_csv(root / "test.csv")
    words = ["search", str(root / "fault.csv"), "--target", "fault", "--out", str(root / "out")]
    assert main([*words, *QUICK]) == 0
    return Searched(root / "out", root / "fault.csv", root / "test.csv")
