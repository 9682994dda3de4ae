from __future__ import annotations

import numpy as np
import pytest
from small_networks import SMALL, TWELVE

from netgraft.errors import InputError, SettingError
from netgraft.ran import SlicingEnv, kpi_table
from netgraft.ran.kpi_table import HELD_STEPS, outcome_columns
from netgraft.ran.kpis import Kpis
from netgraft.ran.shares import equal_shares
from netgraft.ran.traffic import mask_values

STEPS = 40


def by_step(table: dict[str, np.ndarray], name: str, cells: int = 3) -> np.ndarray:
    """Return a column of every slice as [steps, K, N]."""
    columns = [table[f"{name}_slice-{n}"] for n in range(1, 5)]
    return np.stack(columns, axis=-1).reshape(STEPS, cells, 4)


def test_rows_are_cells_and_steps() -> None:
    table = kpi_table(TWELVE, seed=1, steps=STEPS)
    assert {len(column) for column in table.values()} == {12 * STEPS}
    assert table["cell"][:13].tolist() == [*range(12), 0]
    assert table["step"][[0, 11, 12, -1]].tolist() == [1, 1, 2, STEPS]
    assert table["site"][:12].tolist() == [k // 3 for k in range(12)]
    np.testing.assert_array_equal(table["group"][:12], TWELVE.group_of_cell)
    np.testing.assert_array_equal(by_step(table, "mask", 12)[:, 4], mask_values(TWELVE, range(1, STEPS + 1)))
    assert set(outcome_columns(TWELVE)) < set(table)
    assert all(np.isfinite(column).all() for column in table.values())


def test_inputs_are_of_the_period_before_and_outcomes_of_this() -> None:
    table = kpi_table(SMALL, seed=2, steps=STEPS)
    load, last = by_step(table, "load"), by_step(table, "last_load")
    np.testing.assert_array_equal(last[1:], load[:-1])
    np.testing.assert_allclose(by_step(table, "neighbour_load")[:, 0], last[:, 1:].mean(axis=1))
    np.testing.assert_allclose(table["cell_load"], load.sum(axis=-1).reshape(-1))
    assert (load <= by_step(table, "share") + 1e-12).all()
    targets_mbps = SMALL.throughput_bps / 1e6
    np.testing.assert_allclose(by_step(table, "demand_mbps"), by_step(table, "users") * targets_mbps)
    env = SlicingEnv(SMALL, seed=2)
    env.reset()
    _, reward, kpis = env.step(by_step(table, "share")[0])
    np.testing.assert_allclose(by_step(table, "delay_ms")[0], kpis.delay_s * 1e3)
    np.testing.assert_array_equal(table["reward"][:3], reward)


def test_random_shares_change_now_and_then() -> None:
    shares = by_step(kpi_table(SMALL, steps=STEPS), "share")
    changes = (np.diff(shares, axis=0) != 0).any(axis=-1)
    assert np.flatnonzero(changes[:, 0]).tolist() == list(range(HELD_STEPS - 1, STEPS - 1, HELD_STEPS))
    assert (changes == changes[:, :1]).all()
    assert (shares[:, 0] != shares[:, 1]).any()


def test_a_seed_repeats_the_table() -> None:
    one, two, other = (kpi_table(SMALL, seed=seed, steps=STEPS) for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(one["reward"], other["reward"])
    slow = kpi_table(SMALL, seed=1, steps=STEPS, fast=False)
    for name in one:
        np.testing.assert_allclose(one[name], slow[name], rtol=1e-9)


def test_shares_may_come_from_a_policy() -> None:
    def hungry(env: SlicingEnv, kpis: Kpis) -> np.ndarray:
        shares = np.zeros_like(kpis.load)
        shares[:, 0] = 1.0
        return shares

    assert (by_step(kpi_table(SMALL, steps=STEPS, shares=hungry), "share")[..., 0] == 1).all()
    equal = by_step(kpi_table(SMALL, steps=STEPS, shares="equal"), "share")
    np.testing.assert_array_equal(equal[7], equal_shares(SMALL))


def test_bad_input_is_refused() -> None:
    with pytest.raises(SettingError, match="shares must be 'random' or 'equal' or a callable, got 'best'"):
        kpi_table(SMALL, shares="best")
    with pytest.raises(SettingError, match="steps must be >= 1, got 0"):
        kpi_table(SMALL, steps=0)
    with pytest.raises(InputError, match="shares of cell 0 must be finite"):
        kpi_table(SMALL, shares=lambda env, kpis: np.zeros((3, 4)))
