"""One self-contained HTML page of a front: text and tables in the HTML, drawings by a script from embedded JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.document import asset, document
from netgraft.reports.figures import percent, plain, unbroken
from netgraft.reports.markup import Markup, finite_only, join, script_json, tag
from netgraft.reports.payload import payload
from netgraft.reports.points import Front, points_of
from netgraft.reports.results import by_group, confusion
from netgraft.reports.searched import searched
from netgraft.reports.sections import commands, facts, headline, notes, points_table, section
from netgraft.reports.similarity import drawn
from netgraft.reports.transfer import transfer

_SCRIPTS = ("figures.js", "draw.js", "front.js", "charts.js", "transfer.js", "table.js", "page.js")
_STYLES = ("page.css", "transfer.css")


def render_front(front: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """Return the report of a front as one HTML page that opens offline.

    Args:
        front: the content of `front.json`.
        details: what else is known, as `Details` says; every key is optional.

    Returns:
        HTML of less than 2 MB for fronts of up to some hundred points; 100 to 200 KB as a rule.
    """
    front, details = finite_only(front), finite_only(details)
    task = front.get("task") or {}
    return document(
        title=task.get("target") or "Front",
        about="front of small networks",
        kicker="Netgraft report",
        facts=facts(front),
        picked="The picked point",
        headline=headline(front, details),
        sections=_sections(front, details),
        footer="Values are exact, measured or modelled as marked. Errors are on validation rows unless said otherwise.",
        end=_end({**payload(front, details), "transfer": drawn(front, details)}),
        styles=_STYLES,
        scripts=_SCRIPTS,
    )


def _end(data: Mapping[str, Any]) -> Markup:
    """Return the box for what the pointer is on, and what is drawn."""
    tip = tag("div", id="tip", class_="tip", role="status", hidden=True)
    return join(tip, tag("script", Markup(script_json(data)), type="application/json", id="data"))


def _sections(front: Front, details: Mapping[str, Any]) -> Markup:
    return join(
        Markup(asset("front.html")),
        points_table(front) if points_of(front) else None,
        commands(front, details),
        tag("div", *_halves(front, details), class_="halves"),
        transfer(front, details),
        searched(front, details),
        notes(details),
    )


def _halves(front: Front, details: Mapping[str, Any]) -> list[Markup]:
    """Return the sections that stand side by side where there is room."""
    blocks = [_predicted(details), confusion(details), _calibration(details), by_group(details), _history(front)]
    return [block for block in blocks if block is not None]


def _drawing(identity: str) -> Markup:
    return tag("div", id=f"{identity}-plot", class_="plot")


def _predicted(details: Mapping[str, Any]) -> Markup | None:
    shown = details.get("predicted") or {}
    if not shown.get("true") or not shown.get("predicted"):
        return None
    conformal = details.get("conformal") or {}
    on = f" {shown['on']}" if shown.get("on") else ""
    words = [f"The picked point on {len(shown['true']):,}{on} rows; a perfect prediction lies on the diagonal."]
    if conformal.get("level") is not None:
        words.append(f"Lines are {percent(conformal['level'])} prediction intervals (split conformal)")
        covered = conformal.get("coverage_test")
        words[-1] += f"; on test rows they covered {percent(covered)}." if covered is not None else "."
    return section("predicted", "Predicted against true", _drawing("predicted"), lead=unbroken(" ".join(words)))


def _calibration(details: Mapping[str, Any]) -> Markup | None:
    told = details.get("calibration") or {}
    parts = {
        "temperature": "Temperature {}", "ece_before": "calibration error before {}", "ece_after": "after {}",
    }  # fmt: skip
    words = ", ".join(text.format(plain(told[name])) for name, text in parts.items() if told.get(name) is not None)
    if not words and not told.get("bins"):
        return None
    lead = f"{words}. " if words else ""
    plot = _drawing("calibration") if told.get("bins") else None
    how = "Of the rows given a confidence (across), the share that was right (up)." if plot else ""
    return section("calibration", "Can the probabilities be trusted?", plot, lead=lead + how)


def _history(front: Front) -> Markup | None:
    if len(front.get("history") or []) < 2:
        return None
    lead = "Hypervolume of the networks found so far on validation rows: more is better, 1 is the most there can be."
    return section("history", "Progress of the search", _drawing("history"), lead=lead)
