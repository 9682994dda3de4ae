"""Policies as entries of a library: what a cell learned, where its data lie, and what a new cell may begin from.

An entry has kind ``policy``; its domain is the cell. Its sketch and moments are those of the cell's default-action
samples, by the names of what a cell sees, so a new cell that has run under equal shares for a while finds the nearest
policies by the index alone.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.agents import Agent, Policy
from netgraft.errors import ModelError, SettingError, unknown_name
from netgraft.library import Draft, Entry, Library, LibraryPort
from netgraft.lifecycle.slicing.drl import agents_from
from netgraft.lifecycle.slicing.measured import evaluation_from
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.settings import StudySettings
from netgraft.lifecycle.slicing.study import KEPT, SEEDS, STUDY
from netgraft.lifecycle.slicing.transfers import source_map
from netgraft.ran import Scenario
from netgraft.records import sha256_hex
from netgraft.transfer import moments_of, sketch_distances, sketch_of

KIND = "policy"
POLICY, AGENT = "policy.safetensors", "agent.safetensors"
_PACKAGES = ("netgraft", "numpy", "numba")
Floats = NDArray[np.floating[Any]]


def add_policies(
    library: Library, folder: Path, *, seed: int = 0, method: str = "drl", licence: str | None = None
) -> list[Entry]:
    """Add the policies of all cells of a study to a library, one entry each.

    Args:
        library: where to.
        folder: of the study.
        seed: of the study's seeds.
        method: ``drl`` or ``tl_similar``.
        licence: of the data.

    Raises:
        ModelError: the folder is no study, or has not done this seed.
        SettingError: no policies of such a method are kept.
        LibraryError: a name is taken, or the library cannot be written.
    """
    if method not in KEPT:
        raise SettingError(unknown_name("a method with policies", method, KEPT))
    work, fingerprint = _work(folder, seed)
    tensors, samples = work.read(method), work.read("similarity")["samples"]
    reward = evaluation_from(tensors).reward.mean(axis=0)
    agents, sources = agents_from(tensors, work.scenario.slices), source_map(work, 0.0)
    drafts = [
        Draft(
            name=entry_name(work, method, cell),
            domain=f"cell_{cell}",
            kind=KIND,
            target="shares",
            metric="1 - reward",
            error=1 - float(reward[cell]),
            rows=len(tensors["training.reward"]),
            columns=tuple((name, "number") for name in column_names(work.scenario)),
            licence=licence,
            lineage={
                "sources": [] if method == "drl" else [entry_name(work, "drl", sources[cell])],
                "fingerprint": fingerprint,
                "seed": seed,
                "versions": {package: importlib.metadata.version(package) for package in _PACKAGES},
            },
            facts={
                "method": method,
                "scenario": work.scenario.payload(),
                "cell": cell,
                "moments": moments_of(*_columns(work.scenario, samples[cell]), "regression"),
            },
            blobs={POLICY: agent.policy().to_bytes(), AGENT: agent.to_bytes()},
            sketch=sketch_of(*_columns(work.scenario, samples[cell]), "regression"),
        )
        for cell, agent in enumerate(agents)
    ]
    return [library.add(draft) for draft in drafts]


def entry_name(work: SeedWork, method: str, cell: int) -> str:
    """Return the name of the entry of a cell's policy."""
    return f"{work.scenario.name} {method} seed {work.seed} cell {cell}"


def nearest_policies(library: LibraryPort, scenario: Scenario, samples: Floats) -> list[tuple[str, float]]:
    """Return name and distance of the policies in a library, the nearest first, from the index alone.

    Args:
        library: of earlier models.
        scenario: of the cell, for the names of its slices.
        samples: default-action samples [n, D + 1] of the cell (`netgraft.lifecycle.slicing.similarity.samples_of`).

    Raises:
        TableError: fewer than 20 samples.
    """
    names, sketches = library.sketches(KIND)
    if not names:
        return []
    distances = sketch_distances(sketches, sketch_of(*_columns(scenario, samples), "regression"))
    return [(names[i], float(distances[i])) for i in np.argsort(distances, kind="stable")]


def load_policy(library: LibraryPort, name: str) -> Policy:
    """Return what an entry does.

    Raises:
        SettingError: there is no such entry, or it is no policy.
        LibraryError, ModelError: its file is missing or damaged.
    """
    return Policy.from_bytes(library.read(library.get(name), POLICY))


def load_agent(library: LibraryPort, name: str) -> Agent:
    """Return what an entry has learned, so that another cell can go on from it.

    Raises:
        SettingError: there is no such entry, or it is no policy.
        LibraryError, ModelError: its file is missing or damaged.
    """
    return Agent.from_bytes(library.read(library.get(name), AGENT))


def column_names(scenario: Scenario) -> list[str]:
    """Return the names of what a cell sees, in the order of `netgraft.ran.observation`."""
    what = ("throughput_mbps", "load", "users", "neighbour_load")
    return [f"{each}_{name}" for each in what for name in scenario.slice_names]


def _columns(scenario: Scenario, samples: Floats) -> tuple[Mapping[str, NDArray[Any]], NDArray[Any]]:
    """Return samples as columns by name, and the reward."""
    values = np.asarray(samples, np.float64)
    return dict(zip(column_names(scenario), values[:, :-1].T, strict=True)), values[:, -1]


def _work(folder: Path, seed: int) -> tuple[SeedWork, str]:
    """Return the work on a seed of a study, and the hash of the study's record."""
    try:
        data = (folder / STUDY).read_bytes()
        study = json.loads(data)
        scenario, settings = Scenario.from_payload(study["scenario"]), StudySettings(**study["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"a folder of a study is required, got {folder} without a {STUDY} that can be read") from error
    return SeedWork(folder / SEEDS / str(seed), scenario, settings, seed), sha256_hex(data)
