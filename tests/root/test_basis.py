"""Bins and frequencies."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from netgraft.root import FINEST_BINS, Basis, quantile_edges, random_frequencies
from netgraft.runtime.network import Architecture, basis_values

columns = arrays(np.float32, st.tuples(st.integers(3, 60), st.integers(1, 4)), elements=st.floats(-30, 30, width=32))


@settings(max_examples=60, deadline=None)
@given(columns)
def test_edges_rise_and_cover_the_rows(numeric):
    for column, edges in zip(numeric.T, quantile_edges(numeric), strict=True):
        assert (np.diff(edges) > 0).all()
        assert 2 <= len(edges) <= FINEST_BINS + 1
        assert edges[0] <= column.min() + 1e-3


@settings(max_examples=60, deadline=None)
@given(columns, st.sampled_from([1, 4, 8, 16, 32]))
def test_a_coarse_basis_is_a_linear_map_of_the_finest(numeric, bins):
    """Projecting the coarse basis equals projecting the finest one with the refined projection."""
    basis = Basis("quantile", quantile_edges(numeric))
    d = numeric.shape[1]
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(d, FINEST_BINS, 2)).astype(np.float32)
    counts = basis.counts(bins)
    for j, count in enumerate(counts):
        coarse[j, count:] = 0
    fine = basis.refinement(bins) @ coarse
    finest = basis.values(torch.from_numpy(numeric)).numpy()  # [d, bins, n]
    through_fine = np.einsum("dbn,dbk->dnk", finest, fine)
    tensors = basis.tensors(bins)
    own = basis_values(Architecture(d, (), 1, bins=bins), tensors, numeric)
    ends = np.cumsum(counts)
    for j, (end, count) in enumerate(zip(ends, counts, strict=True)):
        direct = own[:, end - count : end] @ coarse[j, :count]
        np.testing.assert_allclose(through_fine[j], direct, atol=2e-3)


def test_periodic_values_match_the_runtime():
    numeric = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    basis = Basis("periodic", frequencies=random_frequencies(3, np.random.default_rng(1)))
    own = basis_values(Architecture(3, (), 1, basis="periodic", bins=FINEST_BINS), basis.tensors(FINEST_BINS), numeric)
    fine = basis.values(torch.from_numpy(numeric)).numpy().transpose(2, 0, 1).reshape(7, -1)
    np.testing.assert_allclose(own, fine, atol=1e-5)
    assert (np.diff(basis.frequencies, axis=1) >= 0).all()


def test_constant_columns_get_one_bin():
    (edges,) = quantile_edges(np.full((5, 1), 2.0, np.float32))
    assert edges.tolist() == [2.0, 3.0]
