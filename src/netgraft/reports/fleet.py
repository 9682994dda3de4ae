"""One self-contained HTML page of a fleet: the domains in one table, each with a link to its own report beside it.

The page needs no script to be read; a short one sorts the table. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any
from urllib.parse import quote

from netgraft.reports.document import document
from netgraft.reports.figures import duration, finite, quantity, unbroken
from netgraft.reports.fleet_domains import (
    Domain,
    Fleet,
    by_error,
    describe_fleet,
    domains_of,
    error_name,
    is_warm,
    start_of,
)
from netgraft.reports.markup import Markup, finite_only, join, tag
from netgraft.reports.results import bar
from netgraft.reports.searched import settings_list
from netgraft.reports.sections import fact, notes, number_cell, scroller, section, sort_head, tile

_SCRIPTS = ("table.js", "fleet.js")
_STYLES = ("page.css", "fleet.css")


def render_fleet(fleet: Mapping[str, Any]) -> str:
    """Return the report of a fleet as one HTML page that opens offline.

    Args:
        fleet: the content of `fleet.json`.
    """
    fleet = finite_only(fleet)
    task = fleet.get("task") or {}
    return document(
        title=f"{task.get('target') or 'Fleet'} by {fleet.get('by') or 'domain'}",
        about="fleet of small networks",
        kicker="Netgraft report of a fleet",
        facts=_facts(fleet),
        picked="All domains",
        headline=join(_tiles(fleet), tag("p", unbroken(" ".join(describe_fleet(fleet))), class_="verdict")),
        sections=join(_table(fleet), _unsearched(fleet), _settings(fleet), notes(fleet)),
        footer="Errors are those of each domain's picked point on its validation rows unless said otherwise.",
        end=join(),
        styles=_STYLES,
        scripts=_SCRIPTS,
    )


def _facts(fleet: Fleet) -> Markup:
    task = fleet.get("task") or {}
    settings = fleet.get("settings") or {}
    shown = {
        "Task": task.get("kind"),
        "Error": error_name(fleet) if task else None,
        "Table": fleet.get("table"),
        "Rows": quantity(sum(domain.get("rows") or 0 for domain in fleet.get("domains") or [])),
        "Device": settings.get("device"),
        "Time": duration(fleet["seconds"]) if finite(fleet.get("seconds")) is not None else None,
    }
    return tag("dl", *(fact(name, value) for name, value in shown.items() if value), class_="facts")


def _tiles(fleet: Fleet) -> Markup:
    done, total = domains_of(fleet, "done"), len(fleet.get("domains") or [])
    errors = [domain["error"] for domain in by_error(fleet)]
    sizes = [size for domain in done if (size := finite(domain.get("size"))) is not None]
    tiles = [("domains", quantity(len(done)), f"of {quantity(total)} done")]
    if any(domain.get("sources") for domain in done):
        tiles.append(("grafted", quantity(sum(map(is_warm, done))), "started from earlier models"))
    if errors:
        tiles.append(("error", quantity(median(errors)), "median of the domains"))
    if sizes:
        tiles.append(("size", quantity(median(sizes), "byte"), "median of the picked points"))
    tiles.append(("evaluations", quantity(sum(domain.get("evaluations") or 0 for domain in done)), "in all"))
    return tag("dl", *(tile(*each) for each in tiles), class_="tiles")


def _table(fleet: Fleet) -> Markup | None:
    """Return the sortable table of the domains that are done."""
    done = domains_of(fleet, "done")
    if not done:
        return None
    tested = any(finite(domain.get("test_error")) is not None for domain in done)
    numbers = ["error", *(["test error"] if tested else []), "size", "evaluations", "seconds"]
    heads = [
        sort_head(str(fleet.get("by") or "domain")), sort_head("rows", "number"), tag("th", "", scope="col"),
        *(sort_head(name, "number") for name in numbers), sort_head("start", "start"),
    ]  # fmt: skip
    longest = max([domain["error"] for domain in by_error(fleet)], default=0.0)
    rows = [_row(domain, longest, tested=tested) for domain in done]
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="sortable points fleet")
    return section("domains", "Domains", scroller("All domains", table), lead="Each leads to its own report.")


def _row(domain: Domain, longest: float, *, tested: bool) -> Markup:
    name, error = str(domain.get("value", "")), finite(domain.get("error"))
    link = tag("a", name, href=f"{quote(str(domain.get('folder', '')))}/report.html", class_="name")
    cells = [
        tag("th", link, scope="row", data_sort=name, title=name),
        number_cell(domain.get("rows")),
        tag("td", bar(error / longest) if error is not None and longest > 0 else None, class_="bar"),
        number_cell(error),
        number_cell(domain.get("test_error")) if tested else None,
        number_cell(domain.get("size"), "byte"),
        number_cell(domain.get("evaluations")),
        number_cell(domain.get("seconds")),
    ]
    start = start_of(domain)
    kind = "start accepted" if is_warm(domain) else "start"
    return tag("tr", *cells, tag("td", start, class_=kind, title=start))


def _unsearched(fleet: Fleet) -> Markup | None:
    """Return the domains without a front, and why."""
    rows = [
        tag(
            "tr",
            tag("th", domain.get("value", ""), scope="row", class_="name"),
            number_cell(domain.get("rows")),
            tag("td", domain.get("state")),
            tag("td", domain.get("reason") or "not searched yet"),
        )
        for domain in domains_of(fleet, "failed", "skipped", "open")
    ]
    if not rows:
        return None
    names = (("text", str(fleet.get("by") or "domain")), ("number", "rows"), ("text", "state"), ("text", "reason"))
    heads = [tag("th", name, scope="col", class_=kind) for kind, name in names]
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="unsearched")
    return section("unsearched", "Domains without a front", scroller("Domains without a front", table))


def _settings(fleet: Fleet) -> Markup | None:
    shown = settings_list(fleet)
    return section("searched", "How each was searched", shown) if shown else None
