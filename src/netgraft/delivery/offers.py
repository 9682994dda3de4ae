"""What could be done for a device in its situation, and which limits each of these offers misses.

An offer is one of: a cut on the device; a cut on the device whose features a server finishes (split); a server that
gets the raw inputs; the cut that answers already (stay). Nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from netgraft.delivery.chunk import ChunkRow
from netgraft.delivery.costs import feature_bits, raw_bits
from netgraft.delivery.fec import RS_255_223
from netgraft.delivery.head import CutRow, Head
from netgraft.delivery.situation import REED_SOLOMON, Situation

Decision = Literal["device", "split", "server", "stay"]
#: Seconds and joules of one prediction of a cut, or None where nobody knows.
Costs = Callable[[CutRow], tuple[float, float] | None]
_ALWAYS = frozenset({"raw", "zstd"})
_NUMBER_FORMAT = "float32"
_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Miss:
    """A limit that an offer does not meet; ``needed`` and ``allowed`` are in the limit's unit."""

    limit: str
    needed: float
    allowed: float

    @property
    def excess(self) -> float:
        """Return by which part of the limit it is missed; infinite where nothing could be allowed instead."""
        if self.limit == "min_accuracy":
            return self.allowed - self.needed
        return self.needed / self.allowed - 1 if self.allowed > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that could be done.

    Attributes:
        decision: what kind.
        row: the cut on the device; None for a server alone.
        accuracy: of the answers.
        delta: index of the delta that is used, or None.
        covered: the chunks that the delta stands for.
        download_bytes: bytes of chunks and delta to fetch.
        total_bits: bits of the download and of all uploads, without repetitions: what decides between equals.
        wire_bytes: expected bytes over the link for all of it, with the head and with repetitions.
        download_s: expected seconds of the download; None where the rate is unknown.
        latency_s, energy_j: of one prediction, or None.
        upload_bits: per prediction.
        misses: the limits it does not meet.
    """

    decision: Decision
    row: CutRow | None
    accuracy: float
    delta: int | None
    covered: frozenset[int]
    download_bytes: int
    total_bits: float
    wire_bytes: float
    download_s: float | None
    latency_s: float | None
    energy_j: float | None
    upload_bits: int
    misses: tuple[Miss, ...]


@dataclass(frozen=True)
class Request:
    """What is asked for; the arguments of `netgraft.delivery.planner.plan`, checked and completed."""

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
        """Return whether nothing can be fetched."""
        return self.situation.rate_bps == 0

    @property
    def asks_server(self) -> bool:
        """Return whether a server may be asked for predictions."""
        known = self.situation.expected_samples is not None and bool(self.situation.uplink_bps)
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
    failing = RS_255_223.failure_probability(errors, row.bytes)
    coded = 8.0 * RS_255_223.encoded_bytes(row.bytes)
    return min(again, coded / (1.0 - failing) if failing < 1 else float("inf"))


def offers(request: Request) -> Iterator[Offer]:
    """Yield everything that could be done, whether it meets the limits or not."""
    head, situation = request.head, request.situation
    priced = situation.max_latency_s is not None or situation.power_w is not None
    ways = [_way(request, row, priced) for row in head.cuts]
    for way in ways:
        stays = way.row is request.live
        yield _offer(request, "stay" if stays else "device", way, way.accuracy, 0)
    if not request.asks_server or not head.cuts:
        return
    best = max(row.accuracy for row in head.cuts)
    yield _offer(request, "server", _Way(None, best, None, 0, 0.0, _NONE, None), best, raw_bits(head))
    for way in ways:
        finished = _finished(head, way.row)
        if way.row is not None and finished is not None:
            yield _offer(request, "split", way, finished, feature_bits(head, way.row))


@dataclass(frozen=True, slots=True)
class _Way:
    """How to get a cut onto the device: which delta, how many bytes, and what the cut then costs."""

    row: CutRow | None
    accuracy: float
    delta: int | None
    bytes: int
    wire_bits: float
    covered: frozenset[int]
    cost: tuple[float, float] | None


def _way(request: Request, row: CutRow, priced: bool) -> _Way:
    """Return the way that fetches the fewest bytes."""
    cost = request.cost_of(row) if priced else None
    if row is request.live:
        return _Way(row, row.accuracy, None, 0, 0.0, _NONE, cost)
    plain, wire = request.plain_bytes, request.wire_bits
    best = _Way(
        row, row.accuracy, None, sum([plain[i] for i in row.chunks]), sum([wire[i] for i in row.chunks]), _NONE, cost
    )
    for index, size, bits, covered in request.deltas:
        rest = [i for i in row.chunks if i not in covered]
        total = size + sum([plain[i] for i in rest])
        if total < best.bytes:
            best = _Way(row, row.accuracy, index, total, bits + sum([wire[i] for i in rest]), covered, cost)
    return best


def _finished(head: Head, row: CutRow | None) -> float | None:
    """Return the accuracy when a server runs the layers after a cut at its own shell and planes.

    The server has every plane of those layers, so this is what the table can vouch for, not the most there may be.
    None where there are no layers to run, or they would not help.
    """
    if row is None or row.depth == 0:
        return None
    shell, planes = row.shell, row.planes
    deeper = [c.accuracy for c in head.cuts if c.depth > row.depth and c.shell == shell and c.planes == planes]
    best = max(deeper, default=row.accuracy)
    return best if best > row.accuracy else None


def _offer(request: Request, decision: Decision, way: _Way, accuracy: float, upload_bits: int) -> Offer:
    """Return an offer with what it takes and the limits it misses."""
    situation, samples = request.situation, request.samples
    fetched = way.wire_bits + (8.0 * request.head_bytes if decision != "stay" else 0.0)
    download_s: float | None = 0.0
    if fetched and situation.rate_bps is None:
        download_s = None
    elif fetched:
        rate = situation.rate_bps or 0.0
        download_s = (situation.latency_s or 0.0) + fetched / rate if rate else float("inf")
    latency_s = way.cost[0] if way.cost is not None else None
    if upload_bits:
        on_link = (situation.latency_s or 0.0) + upload_bits / (situation.uplink_bps or 1.0)
        latency_s = on_link + (latency_s or 0.0) if latency_s is not None or way.row is None else None
    made = Offer(
        decision=decision,
        row=way.row,
        accuracy=accuracy,
        delta=way.delta,
        covered=way.covered,
        download_bytes=way.bytes,
        total_bits=8 * way.bytes + samples * upload_bits,
        wire_bytes=(fetched + samples * upload_bits) / 8,
        download_s=download_s,
        latency_s=latency_s,
        energy_j=way.cost[1] if way.cost is not None else None,
        upload_bits=upload_bits,
        misses=(),
    )
    misses = _misses(request, made)
    return replace(made, misses=misses) if misses else made


def _misses(request: Request, offer: Offer) -> tuple[Miss, ...]:
    """Return the limits that an offer does not meet."""
    situation = request.situation
    needs: list[tuple[str, float, float | None]] = [
        ("data_budget_bytes", offer.wire_bytes, situation.data_budget_bytes),
        ("deadline_s", offer.download_s or 0.0, situation.deadline_s),
        ("max_latency_s", offer.latency_s or 0.0, situation.max_latency_s),
    ]
    if offer.decision != "stay":
        needs.append(
            ("storage_bytes", request.stored_bytes + offer.download_bytes + request.head_bytes, situation.storage_bytes)
        )
    missed = [
        Miss(name, needed, allowed) for name, needed, allowed in needs if allowed is not None and needed > allowed
    ]
    if situation.min_accuracy is not None and offer.accuracy < situation.min_accuracy:
        missed.append(Miss("min_accuracy", offer.accuracy, situation.min_accuracy))
    if offer.wire_bytes == float("inf"):
        missed.append(Miss("bit_error_rate", 1.0, 0.0))
    elif offer.download_s == float("inf"):
        missed.append(Miss("rate_bps", 1.0, 0.0))
    return (*missed, *_misses_on_device(request, offer)) if offer.row is not None else tuple(missed)


def _misses_on_device(request: Request, offer: Offer) -> Iterator[Miss]:
    """Yield the limits that a cut misses because of what the device is."""
    situation, row = request.situation, offer.row
    assert row is not None
    beside = 0 if offer.row is request.live else request.live_memory_bytes
    needed = row.memory_bytes + beside
    if situation.memory_bytes is not None and needed > situation.memory_bytes:
        yield Miss("memory_bytes", needed, situation.memory_bytes)
    if situation.power_w is not None and offer.energy_j and offer.latency_s:
        power = offer.energy_j / max(offer.latency_s, situation.max_latency_s or 0.0)
        if power > situation.power_w:
            yield Miss("power_w", power, situation.power_w)
    if situation.formats is not None and _NUMBER_FORMAT not in situation.formats:
        yield Miss("formats", 1.0, 0.0)
    if not request.unreadable.isdisjoint(row.chunks) and not request.unreadable.isdisjoint(
        missing_chunks(request, offer)
    ):
        yield Miss("codecs", 1.0, 0.0)


def missing_chunks(request: Request, offer: Offer) -> tuple[int, ...]:
    """Return the chunks an offer must fetch beside its delta, the most useful first (the order of the head)."""
    if offer.row is None or offer.row is request.live:
        return ()
    skipped = request.held | offer.covered
    return tuple(index for index in sorted(offer.row.chunks) if index not in skipped)
