"""Two ways to a plan: the device decides itself, or asks a server that knows the same head."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

from netgraft.delivery.costs import costs_of
from netgraft.delivery.head import Head
from netgraft.delivery.holding import Holding
from netgraft.delivery.planned import Plan
from netgraft.delivery.planner import plan
from netgraft.delivery.situation import Situation
from netgraft.delivery.tiers import Tiers
from netgraft.errors import BudgetError, DeliveryError

_MOST_PLAN_BYTES = 1_048_576
_BESIDE = ("head", "version", "chunks_url")


def plan_here(head: Head, situation: Situation, holding: Holding) -> Plan:
    """Return the plan that the device makes itself.

    Raises:
        BudgetError: nothing fits the situation.
    """
    # A device on which nothing of this head answers has chunk 0 all the same. Were it named as held, the planner would
    # take the cut that it makes for one that answers, and let it stay whatever the limits say.
    fresh = holding.live is None
    first = head.chunks[0].bytes if fresh else 0
    budget = situation.data_budget_bytes
    made = plan(
        head,
        replace(situation, data_budget_bytes=None if budget is None else budget + first),
        held=holding.held - {0} if fresh else holding.held,
        deltas_from=holding.deltas_from,
        costs=costs_of(situation, head),
        live=holding.live,
        live_memory_bytes=holding.live_memory_bytes,
        stored_bytes=holding.stored_bytes - first,
    )
    if 0 not in made.chunks:
        return made
    rest = max(0.0, made.wire_bytes - first)
    return replace(made, chunks=made.chunks[1:], download_bytes=made.download_bytes - first, wire_bytes=rest)


class ServerPlanner:
    """Asks a server for the plan. What comes is a wish: whatever is fetched by it is checked against the head."""

    def __init__(self, tiers: Tiers) -> None:
        """Name the servers."""
        self._tiers = tiers

    def __call__(self, head: Head, situation: Situation, holding: Holding) -> Plan:
        """Return the plan of the first server that makes one.

        Raises:
            DeliveryError: the answer is no plan for this version.
            BudgetError: its cut does not fit into the device's memory.
            LinkError: no server makes one.
        """
        asked = {"situation": situation.to_json(), "held": list(holding.hashes), "version": head.version}
        path = f"/v1/models/{quote(head.name, safe='')}/plan"
        data = self._tiers.ask(path, most_bytes=_MOST_PLAN_BYTES, body=json.dumps(asked).encode())
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DeliveryError("a plan in JSON is required, got something else") from error
        if not isinstance(value, dict) or value.get("version") != head.version:
            raise DeliveryError(f"a plan for version {head.version} is required, got one for another")
        made = Plan.from_json({key: entry for key, entry in value.items() if key not in _BESIDE})
        _check_memory(head, situation, holding, made)
        return made


def _check_memory(head: Head, situation: Situation, holding: Holding, made: Plan) -> None:
    """Check that what a server wants fits the device; its data budget is watched with every byte that comes.

    Raises:
        BudgetError: it does not.
    """
    row = next((row for row in head.cuts if row.id == made.cut), None)
    if row is None or situation.memory_bytes is None or row.id == holding.live:
        return
    needed = row.memory_bytes + holding.live_memory_bytes
    if needed > situation.memory_bytes:
        raise BudgetError(f"a plan within {situation.memory_bytes} bytes of memory is required, got one of {needed}")
