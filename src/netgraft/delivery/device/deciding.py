"""Two ways to a plan: the device decides itself, or asks a server that knows the same head."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

from netgraft.delivery.device.holding import Holding
from netgraft.delivery.device.installing import slot_bytes
from netgraft.delivery.exchange.tiers import Tiers
from netgraft.delivery.format.head import CutRow, Head
from netgraft.delivery.planning.costs import costs_of
from netgraft.delivery.planning.planned import Plan
from netgraft.delivery.planning.planner import plan
from netgraft.delivery.planning.situation import Situation
from netgraft.delivery.strict_json import read_json
from netgraft.errors import BudgetError, DeliveryError

_MOST_PLAN_BYTES = 1_048_576
_BESIDE = ("head", "version", "chunks_url")


def plan_here(head: Head, situation: Situation, holding: Holding) -> Plan:
    """Return the plan that the device makes itself; a cut's files of its slot count for the storage, too.

    Raises:
        BudgetError: nothing fits the situation.
    """
    least: int | None = None  # bytes that the cuts which were left out need
    while head.cuts:
        try:
            made = _plan_of_downloads(head, situation, holding)
        except BudgetError:
            if least is None:
                raise
            break
        row = next((row for row in head.cuts if row.id == made.cut), None)
        needed = 0 if row is None or row.id == holding.live else holding.stored_bytes + _written_bytes(head, row, made)
        if situation.storage_bytes is None or needed <= situation.storage_bytes:
            return made
        least = needed if least is None else min(least, needed)
        head = replace(head, cuts=tuple(other for other in head.cuts if other is not row))
    raise BudgetError(
        f"{least} bytes of storage are required for what is kept and the smallest cut that fits otherwise, "
        f"got {situation.storage_bytes}"
    )


def _plan_of_downloads(head: Head, situation: Situation, holding: Holding) -> Plan:
    return plan(
        head,
        situation,
        held=holding.held,
        deltas_from=holding.deltas_from,
        costs=costs_of(situation, head),
        answers=holding.live is not None,
        live=holding.live,
        live_memory_bytes=holding.live_memory_bytes,
        stored_bytes=holding.stored_bytes,
    )


def _written_bytes(head: Head, row: CutRow, made: Plan) -> int:
    """Return what a plan writes: chunks, those that a delta makes, and the slot of its cut."""
    by_delta = set(row.chunks) - set(made.chunks) if made.delta is not None else set()
    return made.download_bytes + sum(head.chunks[i].decoded_bytes for i in by_delta) + slot_bytes(row)


class ServerPlanner:
    """Asks a server for the plan. What comes is a wish: it counts only as far as the device's own limits allow."""

    def __init__(self, tiers: Tiers) -> None:
        """Name the servers."""
        self._tiers = tiers

    def __call__(self, head: Head, situation: Situation, holding: Holding) -> Plan:
        """Return the plan of the first server that makes one.

        Raises:
            DeliveryError: the answer is no plan for this version.
            BudgetError: nothing fits the situation.
            LinkError: no server makes one.
        """
        asked = {"situation": situation.to_json(), "held": list(holding.hashes), "version": head.version}
        if holding.live is not None:
            asked["live"] = holding.live
        path = f"/v1/models/{quote(head.name, safe='')}/plan"
        body = json.dumps(asked).encode()
        made = self._tiers.read(path, lambda data: _read(data, head), most_bytes=_MOST_PLAN_BYTES, body=body)
        return _checked(head, situation, holding, made)


def _read(data: bytes, head: Head) -> Plan:
    """Return the plan in an answer.

    Raises:
        DeliveryError: it is none for this version.
    """
    value = read_json(data, "a plan", DeliveryError)
    if not isinstance(value, dict) or value.get("version") != head.version:
        raise DeliveryError(f"a plan for version {head.version} is required, got one for another")
    return Plan.from_json({key: entry for key, entry in value.items() if key not in _BESIDE})


def _checked(head: Head, situation: Situation, holding: Holding, made: Plan) -> Plan:
    """Return a server's plan with the device's own figures; the device's own where the server's cannot be followed.

    It is not followed where its cut misses a limit of the device, or is less accurate than what answers.

    Raises:
        BudgetError: nothing fits the situation.
    """
    row = next((row for row in head.cuts if row.id == made.cut), None)
    if row is None:
        return made
    # the deltas of smaller cuts help on the way to this one
    ways = {delta.cut for delta in head.deltas}
    smaller = {cut.id for cut in head.cuts if cut.id in ways and cut.accuracy < row.accuracy}
    kept = smaller | {row.id, holding.live}
    with suppress(BudgetError):
        own = plan_here(replace(head, cuts=tuple(cut for cut in head.cuts if cut.id in kept)), situation, holding)
        if own.cut == row.id and (holding.accuracy is None or row.accuracy >= holding.accuracy):
            return replace(own, reason=made.reason)
        if own.cut is not None and own.cut == holding.live:
            return own
    return plan_here(head, situation, holding)
