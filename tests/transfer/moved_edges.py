"""Bins of a target that are just those of a source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netgraft.root import Basis
from netgraft.transfer.align import NEW, Alignment


def moved_edges(source: Basis, target: Basis, alignment: Alignment) -> Basis:
    """Return the target's basis with the source's edges for matched features, on the target's scale."""
    edges = [
        target.edges[j] if i == NEW else source.edges[i] * alignment.slope[j] + alignment.shift[j]
        for j, i in enumerate(alignment.numeric)
    ]
    return replace(target, edges=tuple(np.asarray(each, np.float32) for each in edges))
