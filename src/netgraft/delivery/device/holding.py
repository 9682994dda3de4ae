"""What a planner is told and what a fetch gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from netgraft.delivery.format.head import Head
from netgraft.delivery.planning.planned import Plan
from netgraft.delivery.planning.situation import Situation


@dataclass(frozen=True)
class Holding:
    """What a device has already, for the planner.

    Attributes:
        held: indices of the head's chunks.
        deltas_from: SHA-256 of an earlier head -> ids of its cuts that are held.
        live: id of the head's cut that answers now.
        live_memory_bytes: of the model that answers now while the next one is made.
        stored_bytes: that everything kept takes: chunks, heads and slots, the version before's too.
        hashes: SHA-256 of the held chunks.
        accuracy: of what answers now, whatever its version; None where nothing does.
    """

    held: frozenset[int]
    deltas_from: dict[str, tuple[str, ...]]
    live: str | None
    live_memory_bytes: int
    stored_bytes: int
    hashes: tuple[str, ...]
    accuracy: float | None = None


class Planner(Protocol):
    """Decides what to run: here, or by asking a server."""

    def __call__(self, head: Head, situation: Situation, holding: Holding) -> Plan:
        """Return the plan."""
        ...


@dataclass(frozen=True)
class Fetched:
    """How a fetch ended.

    Attributes:
        decision: of the plan.
        reason: of the plan, in words.
        version: that answers now; None where none does.
        cut: its cut.
        accuracy: of that cut, as the head says.
        received_bytes: that came over the network.
        chunks: how many were fetched.
        seconds: that it took.
    """

    decision: str
    reason: str
    version: int | None
    cut: str | None
    accuracy: float | None
    received_bytes: int
    chunks: int
    seconds: float
