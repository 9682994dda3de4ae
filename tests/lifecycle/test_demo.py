"""The demo, end to end with little time."""

from __future__ import annotations

from pathlib import Path

import pytest

from netgraft.errors import OutputError
from netgraft.lifecycle.demo import FEW, GROUP, LATER, LATER_STEPS, NEW, PAST, STEPS, TARGET, cells_tables, search_demo


def test_tables_are_the_same_every_time_and_tell_no_outcome_but_the_target() -> None:
    past, few, later = cells_tables(1)
    again = cells_tables(1)
    assert all(a.equals(b) for a, b in zip((past, few, later), again, strict=True))
    assert not past.equals(cells_tables(2)[0])
    assert (len(past), len(few), len(later)) == (11 * STEPS, FEW, LATER_STEPS)
    assert set(past.columns) == {*few.columns, "cell"}
    told = [name for name in few.columns if name not in (TARGET, GROUP)]
    assert all(name.startswith(("mask", "users", "demand", "share", "last_load", "neighbour_load")) for name in told)


@pytest.mark.slow
def test_a_new_cell_starts_from_the_others(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    found = search_demo(out, budget_s=20, seed=0)
    assert {path.name for path in out.iterdir()} == {PAST, NEW, LATER, "cells", "new-cell", "from-nothing"}
    assert found.front.transfer is not None
    assert len(found.front.transfer["sources"]) == 3
    assert found.cold.transfer is None
    warm, cold = found.test_errors
    assert warm < cold
    with pytest.raises(OutputError, match="empty folder is required"):
        search_demo(out, budget_s=20, seed=0)
