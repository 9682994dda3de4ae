from __future__ import annotations

import numpy as np
import pytest
from small_studies import SMALL, Finished

from netgraft.lifecycle.slicing.new_cell import with_new_site
from netgraft.ran import Scenario, preset
from netgraft.ran.layout import cell_azimuths_deg, cell_sites, site_positions_m


@pytest.mark.parametrize("scenario", [SMALL, *map(preset, ("three", "paper", "twenty-one"))], ids=lambda s: s.name)
def test_old_cells_stay_where_they_are_and_keep_their_promises(scenario: Scenario) -> None:
    network = with_new_site(scenario)
    greater, old = network.scenario, list(network.old)
    assert greater.cells == scenario.cells + scenario.sectors
    assert sorted([*old, *network.new]) == list(range(greater.cells))
    where = site_positions_m(greater)[cell_sites(greater)]
    np.testing.assert_allclose(where[old], site_positions_m(scenario)[cell_sites(scenario)], atol=1e-6)
    np.testing.assert_array_equal(cell_azimuths_deg(greater)[old], cell_azimuths_deg(scenario))
    np.testing.assert_array_equal(greater.throughput_bps[old], scenario.throughput_bps)
    assert (greater.group_of_cell[network.new] == 0).all()


def test_new_cells_learn_from_the_nearest_and_the_farthest(finished: Finished) -> None:
    work = finished.work()
    near, far, cold = (work.read(f"new_cell_{name}") for name in ("similar", "dissimilar", "cold"))
    assert near["final.reward"].shape == (finished.settings.evaluation_steps, SMALL.sectors)
    assert near["training.reward"].shape == (finished.settings.transfer_steps, SMALL.sectors)
    assert (near["sources"] != far["sources"]).all()
    assert (cold["sources"] == -1).all()
    # while it explores its evaluation is the same every time
    explored = cold["progress.rewards"][cold["progress.steps"] < finished.settings.explore_steps]
    assert len(set(explored)) == 1
