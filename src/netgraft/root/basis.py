"""Bins and frequencies of the numeric embeddings, made from training rows before any network is trained.

Every candidate of a population uses the same finest basis per kind; a coarser one is a fixed linear map of it, because
a coarse piecewise-linear bin is the width-weighted mean of the fine bins it covers. So candidates with different
numbers of bins train side by side on one tensor of basis values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from netgraft.root.boosting import GrownTrees, tree_edges
from netgraft.runtime.encoding import FloatArray

FINEST_BINS = 32
_FEW_EDGES = 5


@dataclass(frozen=True)
class Basis:
    """The finest basis of one kind for all d numeric features.

    Attributes:
        kind: ``linear``, ``quantile``, ``tree`` or ``periodic``.
        edges: per feature its float32 bin edges, strictly increasing (``quantile`` and ``tree``).
        frequencies: float32 [d, FINEST_BINS / 2] (``periodic``).
    """

    kind: str
    edges: tuple[FloatArray, ...] = ()
    frequencies: FloatArray | None = None

    def counts(self, bins: int) -> NDArray[np.int32]:
        """Return how many basis functions each feature has when at most ``bins`` are allowed; int32 [d]."""
        if self.kind == "periodic":
            assert self.frequencies is not None
            return np.full(len(self.frequencies), bins, np.int32)
        return np.array([min(bins, len(e) - 1) for e in self.edges], np.int32)

    def chosen(self, feature: int, bins: int) -> NDArray[np.int64]:
        """Return which of a feature's finest edges a coarser basis keeps."""
        finest = len(self.edges[feature]) - 1
        return np.round(np.linspace(0, finest, min(bins, finest) + 1)).astype(np.int64)

    def tensors(self, bins: int) -> dict[str, NDArray[np.float32] | NDArray[np.int32]]:
        """Return the stored arrays of a basis with at most ``bins`` functions per feature."""
        if self.kind == "linear":
            return {}
        counts = self.counts(bins)
        if self.kind == "periodic":
            assert self.frequencies is not None
            return {"frequencies": np.ascontiguousarray(self.frequencies[:, : bins // 2]), "bins": counts}
        kept = [self.edges[j][self.chosen(j, bins)] for j in range(len(self.edges))]
        return {"edges": np.concatenate(kept) if kept else np.zeros(0, np.float32), "bins": counts}

    def refinement(self, bins: int) -> FloatArray:
        """Return the map from a coarse basis' projection to the finest one's; float32 [d, FINEST_BINS, FINEST_BINS].

        ``fine = refinement @ coarse`` for projections padded with zeros to FINEST_BINS rows per feature.
        """
        d = len(self.counts(bins))
        map_ = np.zeros((d, FINEST_BINS, FINEST_BINS), np.float32)
        if self.kind == "periodic":
            half, finest = bins // 2, FINEST_BINS // 2
            map_[:, np.arange(half), np.arange(half)] = 1
            map_[:, finest + np.arange(half), half + np.arange(half)] = 1
            return map_
        for j, edges in enumerate(self.edges):
            chosen = self.chosen(j, bins)
            for coarse, (start, end) in enumerate(pairwise(chosen)):
                width = np.diff(edges[start : end + 1].astype(np.float64))
                map_[j, start:end, coarse] = width / width.sum()
        return map_

    def values(self, numeric: torch.Tensor) -> torch.Tensor:
        """Return the finest basis of some rows; numeric [b, d] -> [d, FINEST_BINS, b]."""
        columns = numeric.t().unsqueeze(1)  # [d, 1, b]
        first, second = self._prepared
        if self.kind == "periodic":
            angle = columns * first
            return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)
        return torch.addcmul(second, columns, first).clamp_(0, 1)

    @cached_property
    def _prepared(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return angular frequencies, or one over the width of each bin and minus its start in widths; [d, bins, 1]."""
        if self.kind == "periodic":
            assert self.frequencies is not None
            frequencies = torch.from_numpy(2 * np.pi * self.frequencies).unsqueeze(2).float()
            return frequencies, frequencies
        inverse = torch.zeros(len(self.edges), FINEST_BINS, 1)
        start = torch.zeros(len(self.edges), FINEST_BINS, 1)
        for j, edges in enumerate(self.edges):
            count = len(edges) - 1
            inverse[j, :count, 0] = torch.from_numpy(1 / np.diff(edges))
            start[j, :count, 0] = -torch.from_numpy(edges[:-1] / np.diff(edges))
        return inverse, start


def quantile_edges(numeric: FloatArray, bins: int = FINEST_BINS) -> tuple[FloatArray, ...]:
    """Return bin edges at quantiles of the training rows, without repeats; one float32 array per feature of [n, d]."""
    grid = np.linspace(0, 1, bins + 1)
    return tuple(_distinct(np.quantile(column, grid)) for column in numeric.T)


def tree_basis(numeric: FloatArray, grown: GrownTrees, bins: int = FINEST_BINS) -> Basis:
    """Return bins with edges at thresholds of trees, or at quantiles where trees hardly used a feature.

    Args:
        numeric: training rows [n, d].
        grown: trees grown on the same rows.
        bins: the most bins per feature.
    """
    made = []
    for j, column in enumerate(numeric.T):
        inner = tree_edges(grown, j, bins)
        few = len(inner) < _FEW_EDGES
        inner = np.concatenate([inner, np.quantile(column, np.linspace(0, 1, _FEW_EDGES))]) if few else inner
        made.append(_distinct(np.concatenate([[column.min()], inner, [column.max()]])))
    return Basis("tree", tuple(made))


def _distinct(values: NDArray[np.floating]) -> FloatArray:
    """Return the sorted distinct values in float32, at least two of them, a resolvable distance apart."""
    edges = np.unique(values.astype(np.float32))
    if len(edges) > 1:
        apart = np.concatenate([[True], np.diff(edges) > 1e-6 * max(1.0, float(np.abs(edges).max()))])
        edges = edges[apart]
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1], np.float32)


def random_frequencies(d: int, generator: np.random.Generator, scale: float = 0.5) -> FloatArray:
    """Return frequencies of the periodic basis, drawn once and kept; float32 [d, FINEST_BINS / 2].

    The first ones are the lowest, so that a smaller basis is the smooth part of a larger one.
    """
    drawn = np.abs(generator.normal(0, scale, (d, FINEST_BINS // 2))).astype(np.float32)
    return np.sort(drawn, axis=1)
