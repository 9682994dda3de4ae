"""Says in words why an offer was chosen, or why not; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from netgraft.delivery.planning.offers import Miss, Offer, missing_chunks
from netgraft.delivery.planning.request import Request
from netgraft.units import format_quantity

_UNITS = {
    "memory_bytes": ("memory of", "byte"),
    "storage_bytes": ("storage of", "byte"),
    "data_budget_bytes": ("traffic of", "byte"),
    "deadline_s": ("a download of", "s"),
    "max_latency_s": ("a latency of", "s"),
    "power_w": ("a power in watts of", ""),
}


def reason(request: Request, best: Offer, found: Sequence[Offer]) -> str:
    """Return why the best offer was chosen, in a sentence or two with numbers."""
    better = [offer for offer in found if offer.accuracy > best.accuracy]
    standing = "is the best that fits" if better else "is the best there is"
    nearest = max(better, key=lambda offer: offer.accuracy, default=best)
    accuracy = _apart(best.accuracy, nearest.accuracy)
    said = [f"{_doing(request, best)}: accuracy {accuracy} {standing}{_moving(request, best)}."]
    if better:
        reached = _apart(nearest.accuracy, best.accuracy)
        said.append(f"{_named(nearest)} would reach {reached}, but {worst_miss(nearest)}.")
    else:
        said += _compared(request, best, found)
    return " ".join([*said, *_unchecked(request, best)])


def stays(request: Request, found: Sequence[Offer]) -> str:
    """Return why what answers now stays, where no offer meets all limits."""
    if request.live is not None:
        start = f"Stay with {request.live.id} (accuracy {_apart(request.live.accuracy)})"
    elif request.deltas_from:
        start = "Stay with the version that is there"
    else:
        start = "Wait"
    if request.link_down:
        return f"{start}: the link is down (rate_bps below 1), and nothing that is held fits."
    return f"{start}: nothing fits; {closest(found)}."


def nothing_fits(found: Sequence[Offer]) -> str:
    """Return the text of the error when nothing can be done."""
    return f"a cut that fits the situation is required, got none; {closest(found)}"


def closest(found: Sequence[Offer]) -> str:
    """Return which offer misses its limits by least, and by how much."""
    if not found:
        return "the head has no cuts"
    nearest = min(found, key=lambda offer: (max(miss.excess for miss in offer.misses), -offer.accuracy))
    return f"the closest is {_named(nearest)}, but {' and '.join(map(_miss_words, nearest.misses))}"


def why_not(request: Request, offer: Offer, best: Offer) -> str:
    """Return why an offer was not chosen."""
    if offer.misses:
        return worst_miss(offer)
    if offer.accuracy < best.accuracy:
        return f"its accuracy is {_apart(best.accuracy - offer.accuracy, 0.0)} lower"
    more = (offer.total_bits - best.total_bits) / 8
    if more > 0:
        return f"as accurate, but it moves {format_quantity(more, 'byte')} more {_in_all(request)}".rstrip()
    return "as accurate, and it moves as much; what downloads less or is there already comes first"


def worst_miss(offer: Offer) -> str:
    """Return the limit that an offer misses by most, in words."""
    return _miss_words(max(offer.misses, key=lambda miss: miss.excess))


def _miss_words(miss: Miss) -> str:
    if miss.limit == "rate_bps":
        return "the link is down (rate_bps below 1)"
    if miss.limit == "bit_error_rate":
        return "it would never arrive whole at this bit_error_rate"
    if miss.limit == "codecs":
        return "its chunks need a codec that the situation does not name"
    if miss.limit == "formats":
        return "it computes in float32, which is not among the formats"
    if miss.limit == "min_accuracy":
        needed = _apart(miss.needed, miss.allowed)
        return f"its accuracy of {needed} is {miss.allowed - miss.needed:.3g} below min_accuracy"
    what, unit = _UNITS[miss.limit]
    if not math.isfinite(miss.needed):
        return "it would never arrive whole over this link"
    needed, over = format_quantity(miss.needed, unit), format_quantity(miss.needed - miss.allowed, unit)
    return f"it takes {what} {needed}, {over} more than {miss.limit} allows"


def _apart(accuracy: float, *others: float) -> str:
    """Return an accuracy with 3 digits, or as many as it takes to tell it from 1 and from the others."""
    different = [other for other in (1.0, *others) if other != accuracy]
    for digits in range(3, 17):
        text = f"{accuracy:.{digits}f}"
        if all(text != f"{other:.{digits}f}" for other in different):
            return text
    return repr(accuracy)


def _named(offer: Offer) -> str:
    if offer.row is None:
        return "a server alone"
    return f"{offer.row.id} with a server" if offer.decision == "split" else offer.row.id


def _doing(request: Request, best: Offer) -> str:
    if best.row is None:
        return "Ask the server"
    return {
        "stay": f"Stay with {best.row.id}",
        "device": f"Run {best.row.id} on the device",
        "split": f"Run {best.row.id} on the device and send its features to the server",
    }[best.decision]


def _moving(request: Request, best: Offer) -> str:
    """Return what is fetched for the best offer, after a semicolon."""
    if best.decision == "stay":
        return ", and it answers already"
    if best.row is None:
        return f"; nothing to download, {best.upload_bits} bits up per sample"
    count = len(missing_chunks(request, best))
    if not best.way.bytes:
        return "; all its chunks are held"
    parts = f"; {'a delta and ' if best.way.delta is not None else ''}{count} chunk{'' if count == 1 else 's'}"
    text = f"{parts}, {format_quantity(best.way.bytes, 'byte')}"
    timed = "" if best.download_s is None else f" in {format_quantity(best.download_s, 's')}"
    return text + timed + (f", {best.upload_bits} bits up per sample" if best.upload_bits else "")


def _compared(request: Request, best: Offer, found: Sequence[Offer]) -> list[str]:
    """Return what the runner-up of the same accuracy would move, where a server could have taken part."""
    rivals = [o for o in found if o is not best and not o.misses and o.accuracy == best.accuracy]
    if not request.asks_server or not rivals:
        return []
    rival = min(rivals, key=lambda offer: offer.total_bits)
    mine, other = (format_quantity(offer.total_bits / 8, "byte") for offer in (best, rival))
    return [f"That moves {mine} {_in_all(request)}, {_named(rival)} {other}."]


def _in_all(request: Request) -> str:
    samples = request.samples
    return f"for {samples:,g} expected samples" if request.asks_server else ""


def _unchecked(request: Request, best: Offer) -> list[str]:
    """Return the limits that could not be checked."""
    situation = request.situation
    said = []
    known = {"max_latency_s": best.latency_s, "power_w": best.way.cost and best.way.cost[1]}
    named = [key for key, value in known.items() if getattr(situation, key) is not None and not value]
    if best.row is not None and named:
        said.append(f"Not checked: {' and '.join(named)}, because the device's figures are unknown.")
    if situation.deadline_s is not None and best.download_s is None:
        said.append("Not checked: deadline_s, because rate_bps is unknown.")
    return said
