"""What could be done for a device in its situation, and which limits each of these offers misses.

An offer is one of: a cut on the device; a cut on the device whose features a server finishes (split); a server that
gets the raw inputs; the cut that answers already (stay). Nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from netgraft.delivery.format.head import CutRow, Head
from netgraft.delivery.planning.costs import feature_bits, raw_bits
from netgraft.delivery.planning.request import LEAST_BPS, Request
from netgraft.delivery.planning.situation import Situation

Decision = Literal["device", "split", "server", "stay"]
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
class Way:
    """How to get a cut onto the device, and what it costs there.

    Attributes:
        row: the cut; None for none.
        delta: index of the delta that is used, or None.
        bytes: of chunks and delta to fetch.
        wire_bits: the same in expected bits over the link.
        covered: the chunks that the delta stands for.
        cost: seconds and joules of one prediction, or None.
    """

    row: CutRow | None
    delta: int | None = None
    bytes: int = 0
    wire_bits: float = 0.0
    covered: frozenset[int] = frozenset()
    cost: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that could be done.

    Attributes:
        decision: what kind.
        way: the cut on the device and how it gets there.
        accuracy: of the answers.
        upload_bits: per prediction.
        total_bits: bits of head, download and all uploads, without repetitions: what decides between equals.
        wire_bytes: expected bytes over the link for all of it, with the head and with repetitions.
        download_s: expected seconds of the download; None where the rate is unknown.
        latency_s: seconds of one prediction, or None.
        misses: the limits it does not meet.
    """

    decision: Decision
    way: Way
    accuracy: float
    upload_bits: int
    total_bits: float
    wire_bytes: float
    download_s: float | None
    latency_s: float | None
    misses: tuple[Miss, ...] = ()

    @property
    def row(self) -> CutRow | None:
        """Return the cut on the device; None for a server alone."""
        return self.way.row


def offers(request: Request) -> Iterator[Offer]:
    """Yield everything that could be done, whether it meets the limits or not."""
    head, situation = request.head, request.situation
    priced = situation.max_latency_s is not None or situation.power_w is not None
    ways = [(row, _way(request, row, priced)) for row in head.cuts]
    for row, way in ways:
        yield _offer(request, "stay" if row is request.live else "device", way, row.accuracy, 0)
    if not request.asks_server or not head.cuts:
        return
    yield _offer(request, "server", Way(None), max(row.accuracy for row in head.cuts), raw_bits(head))
    for row, way in ways:
        finished = _finished(head, row)
        if finished is not None:
            yield _offer(request, "split", way, finished, feature_bits(head, row))


def _way(request: Request, row: CutRow, priced: bool) -> Way:
    """Return the way that fetches the fewest bytes."""
    cost = request.cost_of(row) if priced else None
    if row is request.live:
        return Way(row, cost=cost)
    plain, wire = request.plain_bytes, request.wire_bits
    best = Way(row, None, sum([plain[i] for i in row.chunks]), sum([wire[i] for i in row.chunks]), _NONE, cost)
    for index, size, bits, covered in request.deltas:
        rest = [i for i in row.chunks if i not in covered]
        total = size + sum([plain[i] for i in rest])
        if total < best.bytes:
            best = Way(row, index, total, bits + sum([wire[i] for i in rest]), covered, cost)
    return best


def _finished(head: Head, row: CutRow) -> float | None:
    """Return the accuracy when a server runs the layers after a cut at its own shell and planes.

    The server has every plane of those layers, so this is what the table can vouch for, not the most there may be.
    None where there are no layers to run, or they would not help.
    """
    if row.depth == 0:
        return None
    shell, planes = row.shell, row.planes
    deeper = [c.accuracy for c in head.cuts if c.depth > row.depth and c.shell == shell and c.planes == planes]
    best = max(deeper, default=row.accuracy)
    return best if best > row.accuracy else None


def _offer(request: Request, decision: Decision, way: Way, accuracy: float, upload_bits: int) -> Offer:
    """Return an offer with what it takes and the limits it misses."""
    situation, samples = request.situation, request.samples
    head_bytes = request.head_bytes if decision in ("device", "split") else 0
    fetched = way.wire_bits + 8.0 * head_bytes
    total_bits = 8 * (way.bytes + head_bytes) + samples * upload_bits
    wire_bytes = (fetched + samples * upload_bits) / 8
    seconds = _download_s(situation, fetched), _latency_s(situation, way, upload_bits)
    made = Offer(decision, way, accuracy, upload_bits, total_bits, wire_bytes, *seconds)
    misses = _misses(request, made)
    if not misses:
        return made
    return Offer(decision, way, accuracy, upload_bits, total_bits, wire_bytes, *seconds, misses)


def _download_s(situation: Situation, bits: float) -> float | None:
    """Return the seconds until so many bits are there; None where the rate is unknown."""
    if not bits:
        return 0.0
    if situation.rate_bps is None:
        return None
    arrives = situation.rate_bps >= LEAST_BPS
    return (situation.latency_s or 0.0) + bits / situation.rate_bps if arrives else float("inf")


def _latency_s(situation: Situation, way: Way, upload_bits: int) -> float | None:
    """Return the seconds of one prediction, those on the link included; None where the device's are unknown."""
    on_device = 0.0 if way.row is None else None if way.cost is None else way.cost[0]
    if on_device is None or not upload_bits:
        return on_device
    return on_device + (situation.latency_s or 0.0) + upload_bits / (situation.uplink_bps or 1.0)


def _misses(request: Request, offer: Offer) -> tuple[Miss, ...]:
    """Return the limits that an offer does not meet."""
    situation = request.situation
    needs: list[tuple[str, float, float | None]] = [
        ("data_budget_bytes", offer.wire_bytes, situation.data_budget_bytes),
        ("deadline_s", offer.download_s or 0.0, situation.deadline_s),
        ("max_latency_s", offer.latency_s or 0.0, situation.max_latency_s),
    ]
    if offer.decision != "stay":
        head_bytes = 0 if offer.decision == "server" else request.head_bytes
        needs.append(("storage_bytes", request.stored_bytes + offer.way.bytes + head_bytes, situation.storage_bytes))
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
    if situation.power_w is not None and offer.way.cost and offer.way.cost[0]:
        power = offer.way.cost[1] / max(offer.way.cost[0], situation.max_latency_s or 0.0)
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
    skipped = request.held | offer.way.covered
    return tuple(index for index in sorted(offer.row.chunks) if index not in skipped)
