"""Decides what a device in its situation should run; a pure function, for a server or for the device itself.

The most accurate offer within all limits wins. Between offers of equal accuracy the one that moves fewer bits wins:
``download bits + expected samples * upload bits per sample``, the trade between downlink and uplink of Huang et al.,
"In-situ Model Downloading to Realize Versatile Edge AI in 6G Mobile Networks", section 2.1. A deeper download pays
beyond ``N* = difference of download bits / difference of upload bits per sample`` samples; at N* itself the smaller
download stays. A download is the head, where the device has none, and chunks; who sends a server all inputs needs no
head. What is not limited is not checked, and what cannot be known (the latency on a device that was not named) limits
nothing; the reason then says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from netgraft.delivery.format.head import CutRow, Head
from netgraft.delivery.planning.costs import completed, costs_of
from netgraft.delivery.planning.offers import Offer, missing_chunks, offers
from netgraft.delivery.planning.planned import Alternative, Plan
from netgraft.delivery.planning.reasons import nothing_fits, reason, stays, why_not, worst_miss
from netgraft.delivery.planning.request import Costs, Request
from netgraft.delivery.planning.situation import Situation
from netgraft.errors import BudgetError, SituationError

_MOST_ALTERNATIVES = 6


def plan(
    head: Head,
    situation: Situation,
    *,
    held: Collection[int] = frozenset(),
    deltas_from: Mapping[str, Collection[str]] | None = None,
    costs: Costs | None = None,
    server: bool = False,
    answers: bool = True,
    live: str | None = None,
    live_memory_bytes: int | None = None,
    stored_bytes: int | None = None,
    head_bytes: int = 0,
) -> Plan:
    """Return what a device should do.

    Args:
        head: of the version that is offered.
        situation: of the device.
        held: the chunks of the head that it has, beside those its situation names. Whoever has the head has chunk 0.
        deltas_from: SHA-256 of an earlier head -> the ids of its cuts that the device holds.
        costs: seconds and joules of one prediction of a cut on the device; by default modelled for the device that the
            situation names, whose memory and number formats hold where the situation says nothing of them.
        server: whether a server would answer predictions or finish features.
        answers: whether a cut of this head answers now; a device may hold chunks that it does not run yet.
        live: the cut of this head that answers now; by default the most accurate one whose chunks are held.
        live_memory_bytes: memory of the model that answers now, which stays in the other slot during a change; by
            default that of the live cut.
        stored_bytes: what takes up the device's storage already; by default the held chunks.
        head_bytes: bytes of the head, where it will be fetched with the chunks; it carries chunk 0.

    Raises:
        BudgetError: nothing fits, and nothing answers that could go on.
        SituationError: ``live`` is no cut of the head.
        SettingError: the situation's device is no profile of the catalogue.
    """
    situation = completed(situation)
    held = frozenset(held) | _named_chunks(head, situation)
    answering = _live(head, held, live) if answers else None
    memory_bytes = answering.memory_bytes if answering is not None else 0
    stored = sum(head.chunks[i].bytes for i in held) if stored_bytes is None else stored_bytes
    request = Request(
        head=head,
        situation=situation,
        held=held | {0} if head_bytes else held,
        deltas_from=deltas_from or {},
        costs=costs_of(situation, head) if costs is None else costs,
        server=server,
        live=answering,
        live_memory_bytes=memory_bytes if live_memory_bytes is None else live_memory_bytes,
        stored_bytes=stored,
        head_bytes=head_bytes,
    )
    found = list(offers(request))
    fitting = [offer for offer in found if not offer.misses]
    if not fitting:
        return _without_offer(request, found)
    best = max(fitting, key=_order)
    return _plan(request, best, found)


def _order(offer: Offer) -> tuple[float, float, bool, int, int]:
    """Return what is greatest for the best offer."""
    memory = offer.row.memory_bytes if offer.row is not None else 0
    return offer.accuracy, -offer.total_bits, offer.decision == "stay", -offer.way.bytes, -memory


def _named_chunks(head: Head, situation: Situation) -> frozenset[int]:
    """Return the chunks of the head that a situation says are held."""
    if not situation.held:
        return frozenset()
    named = frozenset(situation.held)
    return frozenset(index for index, row in enumerate(head.chunks) if row.sha256 in named)


def _live(head: Head, held: frozenset[int], live: str | None) -> CutRow | None:
    """Return the cut that answers now: the one that is named, else the most accurate whose chunks are held."""
    if live is None:
        ready = (row for row in head.cuts if held.issuperset(row.chunks))
        return max(ready, key=lambda row: row.accuracy, default=None)
    for row in head.cuts:
        if row.id == live:
            return row
    raise SituationError(f"the live cut must be one of the head's, got {live!r}")


def _without_offer(request: Request, found: Sequence[Offer]) -> Plan:
    """Return the plan to stay where no offer meets all limits.

    Raises:
        BudgetError: nothing answers that could go on, and the link would allow a download.
    """
    live = request.live
    if live is None and not request.deltas_from and not request.link_down:
        raise BudgetError(nothing_fits(found))
    cost = request.cost_of(live)
    return Plan(
        decision="stay",
        cut=None if live is None else live.id,
        chunks=(),
        delta=None,
        download_bytes=0,
        wire_bytes=0.0,
        download_s=0.0,
        latency_s=None if cost is None else cost[0],
        energy_j=None if cost is None else cost[1],
        upload_bits=0,
        accuracy=None if live is None else live.accuracy,
        reason=stays(request, found),
        alternatives=_alternatives(request, None, found),
    )


def _plan(request: Request, best: Offer, found: Sequence[Offer]) -> Plan:
    """Return the plan of an offer."""
    cost = request.cost_of(best.row)
    known = cost is not None and best.latency_s is None and not best.upload_bits
    return Plan(
        decision=best.decision,
        cut=None if best.row is None else best.row.id,
        chunks=missing_chunks(request, best),
        delta=best.way.delta,
        download_bytes=best.way.bytes,
        wire_bytes=best.wire_bytes,
        download_s=best.download_s,
        latency_s=cost[0] if known and cost is not None else best.latency_s,
        energy_j=None if cost is None else cost[1],
        upload_bits=best.upload_bits,
        accuracy=best.accuracy,
        reason=reason(request, best, found),
        alternatives=_alternatives(request, best, found),
    )


def _alternatives(request: Request, best: Offer | None, found: Sequence[Offer]) -> tuple[Alternative, ...]:
    """Return the best offer of each other kind, then the most accurate others that say something new."""
    others = sorted((o for o in found if o is not best), key=lambda o: (not o.misses, _order(o)))
    leading = {offer.decision: offer for offer in others}
    accurate = sorted(others, key=lambda o: -o.accuracy)
    chosen = list({id(offer): offer for offer in (*leading.values(), *accurate)}.values())[:_MOST_ALTERNATIVES]
    return tuple(
        Alternative(
            decision=offer.decision,
            cut=None if offer.row is None else offer.row.id,
            accuracy=offer.accuracy,
            download_bytes=offer.way.bytes,
            why=worst_miss(offer) if best is None else why_not(request, offer, best),
        )
        for offer in chosen
    )
