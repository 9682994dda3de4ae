"""How many planes must stay exact: what a root loses when its tolerant planes are damaged or lost, measured.

The publisher plays the link before anything goes out: tolerant chunks with wrong bits and with packets lost, each cut
judged on rows that trained nothing. Planes are made tolerant from the lowest up, as long as no
cut loses more than it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.coverage import cut_regions
from netgraft.delivery.format.cut_table import cut_id
from netgraft.delivery.format.head import CutRow, Head, OpenedHead
from netgraft.delivery.link.channel import Channel, Independent, Received
from netgraft.errors import SettingError
from netgraft.runtime.model import Model
from netgraft.seeds import generator

#: From a model to its accuracy (1 - error) with a low and a high end.
Judge = Callable[[Model], tuple[float, float, float]]
#: From how many planes are exact to a head with all its chunks by their SHA-256.
Coding = Callable[[int], tuple[OpenedHead, Mapping[str, bytes]]]


@dataclass(frozen=True)
class Tolerance:
    """What the tolerant planes of a root must bear.

    Attributes:
        most_lost: accuracy that any cut may lose in any draw, or by the loss of any one packet.
        bit_error_rate: of independent bit errors.
        packet_loss: the share of packets that are lost.
        packet_bytes: of a packet.
        draws: of each kind of damage.
        seed: of the draws.
    """

    most_lost: float = 0.005
    bit_error_rate: float = 1e-3
    packet_loss: float = 0.05
    packet_bytes: int = 1_024
    draws: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SettingError: accuracy or draws are out of range.
            SituationError: a rate or the packet is.
        """
        if not 0 < self.most_lost <= 1:
            raise SettingError(f"most_lost must be above 0 and at most 1, got {self.most_lost!r}")
        if self.draws < 1:
            raise SettingError(f"draws must be at least 1, got {self.draws!r}")
        assert self.channels

    @property
    def channels(self) -> tuple[Channel, Channel]:
        """Return the links that are played: one with bit errors, one that loses packets."""
        lossy = Channel(packet_loss=self.packet_loss, packet_bytes=self.packet_bytes)
        return Channel(Independent(self.bit_error_rate)), lossy


@dataclass(frozen=True)
class Endured:
    """What a tolerant coding was found to bear.

    Attributes:
        exact_planes: the highest planes that are exact.
        lost: accuracy that the worst cut lost in the worst draw.
    """

    exact_planes: int
    lost: float

    def to_json(self, tolerance: Tolerance) -> dict[str, Any]:
        """Return it as JSON values, with what was played."""
        return {
            "exact_planes": self.exact_planes,
            "lost": round(self.lost, 4),
            "bit_error_rate": tolerance.bit_error_rate,
            "packet_loss": tolerance.packet_loss,
            "draws": tolerance.draws,
        }


def fewest_exact(code: Coding, judge: Judge, tolerance: Tolerance, planes: int) -> Endured:
    """Return the fewest exact planes with which no cut loses more than it may, from all of them down.

    Args:
        code: makes the root's chunks.
        judge: of models.
        tolerance: what is to be borne.
        planes: bits of a magnitude.
    """
    found = Endured(planes, 0.0)
    for exact in range(planes - 1, 0, -1):
        lost = worst_loss(*code(exact), judge, tolerance, exact)
        if lost > tolerance.most_lost:
            break
        found = Endured(exact, lost)
    return found


def worst_loss(
    opened: OpenedHead, chunks: Mapping[str, bytes], judge: Judge, tolerance: Tolerance, exact: int
) -> float:
    """Return the accuracy that the worst cut loses in the worst draw, at least 0; the first that is too much ends it.

    Args:
        opened: a head.
        chunks: all of it.
        judge: of models.
        tolerance: what is played.
        exact: how many of the highest planes are exact.
    """
    cuts = [cut for cut in cuts_of(opened.head) if cut.planes > exact]
    if not cuts or all(row.protection == "exact" for row in opened.head.chunks):
        return 0.0
    clean = arrival(opened, chunks, Channel(), generator(tolerance.seed, "clean"))
    before = [judge(clean.model(cut))[0] for cut in cuts]
    worst = 0.0
    for lost, came in _draws(opened, chunks, tolerance):
        for cut, accuracy in zip(cuts, before, strict=True):
            if lost is not None and not _holds(opened.head, cut, lost):
                continue
            worst = max(worst, accuracy - judge(came.model(cut))[0])
            if worst > tolerance.most_lost:
                return worst
    return worst


def _draws(
    opened: OpenedHead, chunks: Mapping[str, bytes], tolerance: Tolerance
) -> Iterator[tuple[ChunkRow | None, Assembly]]:
    """Yield what arrives in every draw, and when one packet alone is lost: of few packets, a rare and large loss.

    The chunk of that packet comes with it, None where any may be damaged.
    """
    for draw in range(tolerance.draws):
        for at, channel in enumerate(tolerance.channels):
            yield None, arrival(opened, chunks, channel, generator(tolerance.seed, "tolerance", at, draw))
    for index, row in enumerate(opened.head.chunks):
        if row.protection == "tolerant":
            for start in range(0, row.bytes, tolerance.packet_bytes):
                yield row, _arrived(opened, chunks, partial(_without, index, start, tolerance.packet_bytes))


def _holds(head: Head, cut: CutRow, chunk: ChunkRow) -> bool:
    """Return whether a cut has a cell of a chunk; what else is in the chunk changes none of its numbers."""
    regions = set(cut_regions(head.shape.regions, cut.depth, cut.shell))
    return any(region in regions and plane >= head.lowest(cut) for region, plane in chunk.cells)


def _without(chunk: int, start: int, packet_bytes: int, index: int, data: bytes) -> Received:
    """Return what arrives of a chunk when one packet of one chunk is lost."""
    lost = np.zeros(len(data), np.bool_)
    if index == chunk:
        lost[start : start + packet_bytes] = True
    return Received(np.where(lost, 0, np.frombuffer(data, np.uint8)).astype(np.uint8).tobytes(), lost)


def arrival(opened: OpenedHead, chunks: Mapping[str, bytes], channel: Channel, draws: np.random.Generator) -> Assembly:
    """Return what is held when tolerant chunks were taken as they came over a channel, and exact ones came right.

    Args:
        opened: a head.
        chunks: all of it, by SHA-256.
        channel: what becomes of tolerant chunks.
        draws: of the channel.
    """
    return _arrived(opened, chunks, lambda _index, data: channel.send(data, draws))


def _arrived(opened: OpenedHead, chunks: Mapping[str, bytes], receive: Callable[[int, bytes], Received]) -> Assembly:
    """Return what is held when tolerant chunks were taken as they came."""
    assembly = Assembly(opened)
    for index, row in enumerate(opened.head.chunks):
        data = chunks[row.sha256]
        if row.protection == "exact":
            assembly.add(index, data)
        else:
            received = receive(index, data)
            assembly.add(index, received.data, received.lost if received.lost.any() else None)
    return assembly


def cuts_of(head: Head) -> list[CutRow]:
    """Return the cuts of the table, and those that differ from the largest in depth, shell or planes alone."""
    made = {cut.id: cut for cut in head.cuts}
    for level in ("depth", "shell", "planes"):
        made |= {cut.id: cut for cut in along(head, level) if cut.id not in made}
    return list(made.values())


def along(head: Head, level: str) -> list[CutRow]:
    """Return the cuts that differ from the largest in one thing alone.

    Args:
        head: whose largest cut.
        level: ``depth``, ``shell`` or ``planes``.
    """
    top = largest(head)
    least = head.shape.least_depth if level == "depth" else int(level == "planes")
    made = []
    for value in range(least, getattr(top, level) + 1):
        place = {"depth": top.depth, "shell": top.shell, "planes": top.planes} | {level: value}
        made.append(replace(top, id=cut_id(**place), **place))  # type: ignore[arg-type]
    return made


def largest(head: Head) -> CutRow:
    """Return the largest cut of the table."""
    return max(head.cuts, key=lambda cut: (cut.depth, cut.shell, cut.planes))
