"""What a device's client tells while it works."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

#: ``pinned``: a root key was believed because it came first. ``corrupt``: what came failed its checks and is fetched
#: again. ``damaged``: a tolerant chunk came with wrong bits and was taken. ``retried``: an answer was refused, late or
#: cut short. ``rolled-back``: the version before answers, because the newest is damaged here or was refused by hand.
#: The others mark the way of a fetch; one of ``done`` and ``failed`` is the last.
Kind = Literal[
    "pinned", "started", "corrupt", "damaged", "retried", "rolled-back", "usable", "improved", "done", "failed"
]


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: what.
        seconds: since the fetch began.
        received_bytes: that came over the network so far, retries and refused answers included.
        version: of the model that is meant; None before it is known.
        cut: id of the cut that answers now.
        accuracy: of that cut as the head says.
        text: in words.
        fault: what went wrong, in one word: the class of an error, or how a question failed; empty where nothing did.
    """

    kind: Kind
    seconds: float
    received_bytes: int
    version: int | None = None
    cut: str | None = None
    accuracy: float | None = None
    text: str = ""
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON values, without what is not known."""
        return {key: value for key, value in asdict(self).items() if value not in (None, "")}
