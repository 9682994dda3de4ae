"""What a planner is asked, and what follows from that: which bytes are missing, and what they cost over the link."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.head import CutRow, Head
from netgraft.delivery.link.fec import best_code
from netgraft.delivery.planning.situation import REED_SOLOMON, Situation

#: Seconds and joules of one prediction of a cut, or None where nobody knows.
Costs = Callable[[CutRow], tuple[float, float] | None]
#: A link below this rate is down.
LEAST_BPS = 1.0
_ALWAYS = frozenset({"raw", "zstd"})


@dataclass(frozen=True)
class Request:
    """What is asked for; the arguments of `netgraft.delivery.planning.planner.plan`, checked and completed."""

    head: Head
    situation: Situation
    held: frozenset[int]
    deltas_from: Mapping[str, Collection[str]]
    costs: Costs | None
    server: bool
    live: CutRow | None
    live_memory_bytes: int
    stored_bytes: int
    head_bytes: int

    @cached_property
    def plain_bytes(self) -> list[int]:
        """Return the bytes to fetch for each chunk; a held one needs none."""
        return [0 if index in self.held else row.bytes for index, row in enumerate(self.head.chunks)]

    @cached_property
    def wire_bits(self) -> list[float]:
        """Return the expected bits over the link for each chunk."""
        chunks = enumerate(self.head.chunks)
        return [0.0 if index in self.held else wire_bits(row, self.situation) for index, row in chunks]

    @cached_property
    def unreadable(self) -> frozenset[int]:
        """Return the missing chunks of a codec that the device has not declared."""
        known = _ALWAYS | set(self.situation.codecs or ())
        return frozenset(i for i, row in enumerate(self.head.chunks) if row.codec not in known and i not in self.held)

    @cached_property
    def deltas(self) -> list[tuple[int, int, float, frozenset[int]]]:
        """Return of each delta that can be applied: index, bytes, expected wire bits, the chunks it stands for."""
        chunks_of = {row.id: frozenset(row.chunks) for row in self.head.cuts} if self.deltas_from else {}
        known = _ALWAYS | set(self.situation.codecs or ())
        return [
            (
                index,
                sum(row.bytes for row in delta.chunks),
                sum(wire_bits(row, self.situation) for row in delta.chunks),
                chunks_of[delta.cut],
            )
            for index, delta in enumerate(self.head.deltas)
            if delta.cut in self.deltas_from.get(delta.parent, ())
            and delta.cut in chunks_of
            and all(row.codec in known for row in delta.chunks)
        ]

    @property
    def samples(self) -> float:
        """Return the expected predictions, as an int where they are whole so that products are exact."""
        given = self.situation.expected_samples or 0.0
        return int(given) if float(given).is_integer() else given

    @property
    def link_down(self) -> bool:
        """Return whether nothing can be fetched: the rate is below a bit per second."""
        return self.situation.rate_bps is not None and self.situation.rate_bps < LEAST_BPS

    @property
    def asks_server(self) -> bool:
        """Return whether a server may be asked for predictions."""
        known = self.situation.expected_samples is not None and (self.situation.uplink_bps or 0.0) >= LEAST_BPS
        return self.server and known and not self.link_down

    def cost_of(self, row: CutRow | None) -> tuple[float, float] | None:
        """Return the seconds and joules of one prediction of a cut on the device, where they are known."""
        return self.costs(row) if self.costs is not None and row is not None else None


def wire_bits(row: ChunkRow, situation: Situation) -> float:
    """Return the expected bits until a chunk is there whole: repeated or with Reed-Solomon, whichever takes fewer."""
    bits, errors = 8.0 * row.bytes, situation.bit_error_rate
    if not errors:
        return bits
    intact = (1.0 - errors) ** bits
    again = bits / intact if intact > 0 else float("inf")
    if situation.codecs is not None and REED_SOLOMON not in situation.codecs:
        return again
    return min(again, 8.0 * best_code(errors, row.bytes).expected_bytes(errors, row.bytes))
