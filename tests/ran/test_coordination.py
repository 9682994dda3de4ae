from __future__ import annotations

import numpy as np
import pytest
from small_networks import SMALL, TWELVE, one_cell

from netgraft.errors import SettingError
from netgraft.ran.coordination import COORDINATIONS, coordination, neighbour_weights
from netgraft.ran.radio_map import radio_map

LOADS = np.random.default_rng(0).dirichlet(np.ones(4), (5, 12)) * 0.8


def test_mean_is_equation_5() -> None:
    heard = coordination("mean", TWELVE)
    assert heard.size == 4
    for cell in range(12):
        wanted = np.delete(LOADS, cell, axis=1).mean(axis=1)
        np.testing.assert_allclose(heard.features(LOADS)[:, cell], wanted)


def test_all_is_every_message_in_order() -> None:
    heard = coordination("all", TWELVE)
    assert heard.size == 44
    features = heard.features(LOADS)
    assert features.shape == (5, 12, 44)
    for cell in range(12):
        np.testing.assert_array_equal(features[:, cell].reshape(5, 11, 4), np.delete(LOADS, cell, axis=1))


def test_none_is_nothing() -> None:
    assert coordination("none", TWELVE).features(LOADS).shape == (5, 12, 0)


def test_coupled_counts_strong_neighbours_more() -> None:
    weights = neighbour_weights(TWELVE)
    np.testing.assert_allclose(weights.sum(axis=1), np.ones(12))
    assert not np.diagonal(weights).any()
    overlap = radio_map(TWELVE).cell_overlap
    assert weights[0].argmax() == np.delete(overlap[0], 0).argmax() + 1
    np.testing.assert_allclose(coordination("coupled", TWELVE).features(LOADS)[2, 3], weights[3] @ LOADS[2])


@pytest.mark.parametrize("name", COORDINATIONS)
@pytest.mark.parametrize("scenario", [SMALL, TWELVE, one_cell()], ids=["3 cells", "12 cells", "1 cell"])
def test_numbers_are_fractions_for_any_number_of_cells(name: str, scenario: object) -> None:
    heard = coordination(name, scenario)  # type: ignore[arg-type]
    full = np.full((scenario.cells, scenario.slices), 1.0)  # type: ignore[attr-defined]
    features = heard.features(full)
    assert features.shape == (scenario.cells, heard.size)  # type: ignore[attr-defined]
    assert ((features >= 0) & (features <= 1)).all()


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(SettingError, match="coordination must be one of all, coupled, mean, none, got 'meen'"):
        coordination("meen", SMALL)
