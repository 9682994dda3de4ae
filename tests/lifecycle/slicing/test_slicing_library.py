from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_studies import SMALL, Finished

from netgraft.errors import LibraryError, ModelError, SettingError
from netgraft.library import Library
from netgraft.lifecycle.slicing.library import add_policies, column_names, load_agent, load_policy, nearest_policies
from netgraft.lifecycle.slicing.transfers import source_map


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.init(tmp_path / "library")


def test_every_cell_becomes_an_entry(finished: Finished, library: Library) -> None:
    added = add_policies(library, finished.out, method="tl_similar", licence="CC0")
    assert [entry.name for entry in added] == [f"small tl_similar seed 0 cell {cell}" for cell in range(SMALL.cells)]
    entry = added[2]
    assert (entry.kind, entry.domain, entry.licence) == ("policy", "cell_2", "CC0")
    assert 0 <= entry.error <= 1
    assert [name for name, _ in entry.columns] == column_names(SMALL)
    source = source_map(finished.work(), 0.0)[2]
    assert entry.lineage["sources"] == [f"small drl seed 0 cell {source}"]
    assert len(library.list(kind="policy")) == SMALL.cells
    assert library.list(kind="regression") == []


def test_a_policy_comes_back_as_it_was(finished: Finished, library: Library) -> None:
    add_policies(library, finished.out, seed=1)
    name = "small drl seed 1 cell 4"
    policy, agent = load_policy(library, name), load_agent(library, name)
    seen = np.linspace(0, 1, 16)
    np.testing.assert_array_equal(policy.act(seen), agent.policy().act(seen))
    np.testing.assert_array_equal(agent.parameters, finished.work(1).read("drl")["agents.parameters"][4])


def test_a_cell_finds_its_own_policy_first(finished: Finished, library: Library) -> None:
    assert nearest_policies(library, SMALL, finished.work().read("similarity")["samples"][0]) == []
    add_policies(library, finished.out)
    for cell, samples in enumerate(finished.work().read("similarity")["samples"]):
        ranked = nearest_policies(library, SMALL, samples)
        assert ranked[0][0] == f"small drl seed 0 cell {cell}"
        assert [distance for _, distance in ranked] == sorted(distance for _, distance in ranked)


def test_what_is_refused(finished: Finished, library: Library, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="a method with policies must be one of drl, tl_similar, got 'equal'"):
        add_policies(library, finished.out, method="equal")
    with pytest.raises(ModelError, match=r"a folder of a study is required, got .* without a study.json"):
        add_policies(library, tmp_path)
    with pytest.raises(ModelError, match="a stage's file is required"):
        add_policies(library, finished.out, seed=7)
    add_policies(library, finished.out)
    with pytest.raises(LibraryError, match="a name that is free is required"):
        add_policies(library, finished.out)
