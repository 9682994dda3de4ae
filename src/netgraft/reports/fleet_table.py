"""A fleet as a table for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from netgraft.reports.figures import quantity
from netgraft.reports.fleet_domains import Domain, Fleet, domains_of, error_name, start_of

_MOST = 40


def fleet_table(fleet: Fleet) -> Table:
    """Return the domains of a fleet as a rich table, in the order of the fleet.

    Args:
        fleet: the content of `fleet.json`.

    Returns:
        A table of up to 40 domains that are done.
    """
    target, done = (fleet.get("task") or {}).get("target", ""), domains_of(fleet, "done")
    more = f"; {len(done) - _MOST} more in fleet.json" if len(done) > _MOST else ""
    table = Table(
        title=Text(f"Fronts for {target} by {fleet.get('by', '')}"),
        caption=Text(f"error = {error_name(fleet)} of the picked point{more}"),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("domain", overflow="fold")
    for name in ("rows", "error", "size", "evaluations", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("start", overflow="fold")
    for domain in done[:_MOST]:
        table.add_row(*map(Text, _cells(domain)))
    return table


def _cells(domain: Domain) -> list[str]:
    texts = [str(domain.get("value", "")), quantity(domain.get("rows")), quantity(domain.get("error"))]
    texts += [quantity(domain.get("size"), "byte"), quantity(domain.get("evaluations"))]
    return [*texts, quantity(domain.get("seconds")), start_of(domain)]
