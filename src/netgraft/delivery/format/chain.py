"""Which cuts a head offers: a chain, each contained in the next, and others that nothing beats.

The chain begins at the smallest cut that is good enough to be used. From there the containing cut with the largest
gain of accuracy per added byte is taken, again and again, until the best: so whoever stops early has spent well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netgraft.delivery.format.planes import split_cell
from netgraft.runtime.grid import Codes
from netgraft.runtime.nested import Region
from netgraft.runtime.shapes import Shape, cost

#: Accuracy below which a gain is taken for chance when cuts beside the chain are compared.
_SLACK = 0.001


@dataclass(frozen=True, order=True)
class Triple:
    """A cut: depth, shell and how many of the highest planes."""

    depth: int
    shell: int
    planes: int

    def within(self, other: Triple) -> bool:
        """Return whether every cell of this cut is one of the other's."""
        return self.depth <= other.depth and self.shell <= other.shell and self.planes <= other.planes


@dataclass(frozen=True)
class Judged:
    """A cut, how good it is and about how large.

    Attributes:
        cut: which.
        accuracy, low, high: 1 - error and its interval.
        bytes: about, of its cells.
    """

    cut: Triple
    accuracy: float
    low: float
    high: float
    bytes: float


def every_cut(shape: Shape, planes: int) -> list[Triple]:
    """Return every cut of a network; at depth 0 all shells are the same."""
    return [
        Triple(depth, shell, kept)
        for depth in range(shape.least_depth, shape.depth + 1)
        for shell in range(shape.shells if depth else 1)
        for kept in range(1, planes + 1)
    ]


def cell_bytes(codes: Codes, plane: int) -> float:
    """Return about how many bytes an exact cell will take: the entropy of each of its runs."""
    first, later, signs = split_cell(codes, plane)
    return (_entropy_bits(first) + _entropy_bits(later) + len(signs)) / 8


def _entropy_bits(bits: np.ndarray) -> float:
    """Return the bits that a run of bits with its own probability takes."""
    ones = int(bits.sum())
    if ones in (0, len(bits)):
        return 0.0
    share = ones / len(bits)
    return len(bits) * float(-share * np.log2(share) - (1 - share) * np.log2(1 - share))


def cut_bytes(cut: Triple, regions: Sequence[Region], sizes: np.ndarray) -> float:
    """Return about how many bytes a cut takes, from those of every cell [regions, planes] (the lowest plane first)."""
    mine = [at for at, region in enumerate(regions) if region.depth <= cut.depth and region.shell <= cut.shell]
    return float(sizes[mine, sizes.shape[1] - cut.planes :].sum())


def choose_chain(judged: Mapping[Triple, Judged], usable_share: float) -> list[Triple]:
    """Return the chain.

    Args:
        judged: every cut.
        usable_share: the share of the best accuracy from which a cut is good enough to be used.
    """
    best = max(judged.values(), key=lambda one: (one.accuracy, -one.bytes))
    inside = [one for one in judged.values() if one.cut.within(best.cut)]
    usable = [one for one in inside if one.accuracy >= usable_share * best.accuracy] or [best]
    return [step.cut for step in _climb(min(usable, key=lambda one: (one.bytes, one.cut)), inside)]


def extend_chain(chain: Sequence[Triple], judged: Mapping[Triple, Judged]) -> list[Triple]:
    """Return a parent's chain, carried on to the best cut that contains its last one."""
    last = judged[chain[-1]]
    above = [one for one in judged.values() if last.cut.within(one.cut) and one.accuracy > last.accuracy + _SLACK]
    best = max(above, key=lambda one: (one.accuracy, -one.bytes), default=None)
    if best is None:
        return list(chain)
    steps = _climb(last, [one for one in judged.values() if one.cut.within(best.cut)])
    return [*chain, *(step.cut for step in steps[1:])]


def _climb(start: Judged, inside: Sequence[Judged]) -> list[Judged]:
    """Return the steps from a cut to the best, each with the largest gain per added byte."""
    chain = [start]
    while True:
        now = chain[-1]
        able = [one for one in inside if now.cut.within(one.cut) and one.accuracy > now.accuracy]
        if not able:
            return chain
        chain.append(
            max(able, key=lambda one: ((one.accuracy - now.accuracy) / max(one.bytes - now.bytes, 1), one.cut))
        )


def not_beaten(shape: Shape, judged: Mapping[Triple, Judged], chain: Sequence[Triple]) -> list[Triple]:
    """Return the cuts beside the chain that no other matches in accuracy at no more bytes, memory and operations."""
    figures = {}
    for cut, one in judged.items():
        costs = cost(shape, cut.depth, cut.shell)
        figures[cut] = (one.bytes, costs.memory_bytes, costs.operations)
    kept: list[Triple] = []
    # the chain first, then by accuracy: what beats a cut comes before it
    order = sorted(judged.values(), key=lambda one: (one.cut not in chain, -one.accuracy, one.bytes))
    for one in order:
        mine = figures[one.cut]
        beaten = any(
            judged[other].accuracy >= one.accuracy - _SLACK
            and all(a <= b for a, b in zip(figures[other], mine, strict=True))
            for other in kept
        )
        if one.cut in chain or not beaten:
            kept.append(one.cut)
    return [cut for cut in kept if cut not in chain]


def thinned(cuts: Sequence[Triple], judged: Mapping[Triple, Judged], most: int) -> list[Triple]:
    """Return at most so many cuts, spread evenly over their sizes."""
    ordered = sorted(cuts, key=lambda cut: (judged[cut].bytes, cut))
    if len(ordered) <= most:
        return ordered
    places = np.linspace(len(ordered) - 1, 0, max(most, 0)).round().astype(int)
    return [ordered[at] for at in places[::-1]]
