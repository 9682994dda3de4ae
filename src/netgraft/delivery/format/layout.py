"""Which cells lie in which chunk: along the chain first, then what other cuts need, each group together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from netgraft.delivery.format.chain import Triple
from netgraft.delivery.format.planes import Cell
from netgraft.runtime.nested import Region

Sizes = Callable[[Cell], float]


def cells_of(cut: Triple, regions: Sequence[Region], planes: int) -> set[Cell]:
    """Return the cells of a cut."""
    mine = [at for at, region in enumerate(regions) if region.depth <= cut.depth and region.shell <= cut.shell]
    return {(at, plane) for at in mine for plane in range(planes - cut.planes, planes)}


def ordered(cells: Iterable[Cell]) -> list[Cell]:
    """Return cells in blocks: neighbouring regions with the same planes together, in them by plane from the highest."""
    planes: dict[int, list[int]] = {}
    for region, plane in sorted(cells):
        planes.setdefault(region, []).append(plane)
    blocks = groupby(sorted(planes), key=lambda region: (planes[region], region - sorted(planes).index(region)))
    made = []
    for _, members in blocks:
        block = list(members)
        made += [(region, plane) for plane in reversed(planes[block[0]]) for region in block]
    return made


def chain_chunks(
    steps: Sequence[set[Cell]],
    size: Sizes,
    *,
    target_bytes: float,
    piece_bytes: float,
    first_bytes: float = float("inf"),
) -> tuple[list[list[Cell]], list[int]]:
    """Return the chunks of a chain, and which of its cuts end with a chunk.

    Small steps share a chunk, whose last cut alone can then be had; a large step has several.

    Args:
        steps: the cells that each cut adds.
        size: about how many bytes a cell takes.
        target_bytes: of a chunk that holds several small steps or groups.
        first_bytes: that the first chunk should not exceed where it can hold a step at all.
        piece_bytes: of the chunks of one that is larger.
    """
    chunks: list[list[Cell]] = []
    ends: list[int] = []
    gathered: list[Cell] = []
    for at, step in enumerate(steps):
        gathered = [*gathered, *ordered(step)]
        following = sum(map(size, steps[at + 1])) if at + 1 < len(steps) else float("inf")
        have = sum(map(size, gathered))
        is_full = have + following > 1.25 * target_bytes and have >= target_bytes / 3
        if is_full or at + 1 == len(steps) or (not chunks and have + following > first_bytes):
            chunks += pieces(gathered, size, piece_bytes)
            ends.append(at)
            gathered = []
    return chunks, ends


def other_chunks(
    cuts: Mapping[Triple, set[Cell]], held: set[Cell], size: Sizes, *, target_bytes: float, piece_bytes: float
) -> list[list[Cell]]:
    """Return the chunks of what cuts beside the chain need and it does not hold.

    Cells that the same cuts need lie together; those that more cuts need come first, and so do higher planes.

    Args:
        cuts: the cells of each.
        held: the cells of the chain.
        size: about how many bytes a cell takes.
        target_bytes: of a chunk that holds several small steps or groups.
        piece_bytes: of the chunks of one that is larger.
    """
    users: dict[Cell, int] = {}
    for at, cells in enumerate(cuts.values()):
        for cell in cells - held:
            users[cell] = users.get(cell, 0) | 1 << at
    groups: dict[int, set[Cell]] = {}
    for cell, mask in users.items():
        groups.setdefault(mask, set()).add(cell)
    chunks: list[list[Cell]] = []
    gathered: list[Cell] = []
    for mask in sorted(groups, key=lambda mask: (-mask.bit_count(), mask)):
        group = ordered(groups[mask])
        if gathered and sum(map(size, gathered)) + sum(map(size, group)) > target_bytes:
            chunks += pieces(gathered, size, piece_bytes)
            gathered = []
        gathered += group
    return chunks + (pieces(gathered, size, piece_bytes) if gathered else [])


def pieces(cells: Sequence[Cell], size: Sizes, target_bytes: float) -> list[list[Cell]]:
    """Return cells in order, in as many chunks of about equal size as it takes."""
    if not cells:
        return []
    whole = sum(map(size, cells))
    count = max(1, round(whole / target_bytes)) if whole > 1.5 * target_bytes else 1
    made: list[list[Cell]] = [[]]
    done = 0.0
    for cell in cells:
        if made[-1] and done >= len(made) * whole / count and len(made) < count:
            made.append([])
        made[-1].append(cell)
        done += size(cell)
    return made
