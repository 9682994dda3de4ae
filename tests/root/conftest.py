"""Fixtures of a small table that networks can learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from learnable import made_data

from netgraft.root import Basis, Data, quantile_edges, random_frequencies


@pytest.fixture
def data_of() -> Callable[..., Data]:
    return made_data


@pytest.fixture(scope="session")
def bases_of() -> Callable[[Data], dict[str, Basis]]:
    def made(data: Data) -> dict[str, Basis]:
        numeric = data.inputs.numeric[data.folds[-1].train]
        edges = quantile_edges(numeric)
        frequencies = random_frequencies(numeric.shape[1], np.random.default_rng(0))
        return {
            "linear": Basis("linear"),
            "quantile": Basis("quantile", edges),
            "tree": Basis("tree", edges),
            "periodic": Basis("periodic", frequencies=frequencies),
        }

    return made
