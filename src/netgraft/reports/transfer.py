"""The section on transfer: what the guard decided and why, what was gained, and how near the earlier models are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import duration, finite, percent, quantity, unbroken
from netgraft.reports.gain import Gain, Told, candidates_of, gain_of, sentences, signed
from netgraft.reports.markup import Markup, join, tag
from netgraft.reports.points import Front
from netgraft.reports.sections import number_cell, scroller, section
from netgraft.reports.similarity import curve_of, map_of

_STARTS: dict[Any, tuple[str, str]] = {True: ("warm", "with a source"), False: ("cold", "cold")}
_UNFOLDED = 8


def transfer(front: Front, details: Mapping[str, Any]) -> Markup | None:
    """Return the section on transfer, or None where the search had no library."""
    told = front.get("transfer")
    if told is None:
        return None
    gain = gain_of(told)
    words = tag("p", unbroken(" ".join(sentences(told, gain))), class_="verdict")
    pairs = [_side_by_side(_compared(told, gain), _curve(details)), _maps(told)]
    return section("transfer", "Transfer", words, _tiles(gain), *pairs, _entries(told))


def _tiles(gain: Gain) -> Markup | None:
    """Return the expected and the achieved gain as figures."""
    tiles = []
    if gain.expected is not None:
        source, value = gain.expected
        tiles.append(_tile("expected gain", signed(value), f"estimated, from {source}"))
    if gain.achieved is not None:
        would = f"; with a source {signed(gain.difference)}" if gain.difference is not None else ""
        tiles.append(
            _tile(
                "achieved gain",
                signed(gain.achieved),
                f"the cold start was kept{would}" if gain.decision == "refused" else "less error on held-out rows",
            )
        )
    return tag("dl", *tiles, class_="tiles small gains") if tiles else None


def _tile(name: str, value: str, note: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value, class_="value"), tag("dd", note, class_="note name"))


def _side_by_side(*blocks: Markup | None) -> Markup | None:
    known = [block for block in blocks if block is not None]
    return tag("div", *known, class_="halves") if known else None


def _compared(told: Told, gain: Gain) -> Markup | None:
    """Return the table of what the guard compared, the least error first."""
    candidates = candidates_of(told)
    if not candidates:
        return None
    head = tag(
        "tr",
        tag("th", "candidate", scope="col"),
        tag("th", "start", scope="col"),
        tag("th", "error", scope="col", class_="number"),
    )
    body = [_compared_row(each, best=each is gain.warm or each is gain.cold) for each in candidates]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="compared")
    lead = tag("p", "Error on held-out rows, least first; the best of each start is marked.", class_="lead")
    return tag("div", tag("h3", "What the guard compared"), lead, scroller("What the guard compared", table))


def _compared_row(candidate: Told, *, best: bool) -> Markup:
    kind, words = _STARTS.get(candidate.get("source"), ("", quantity(None)))
    badge = tag("span", "best", class_="badge") if best else None
    name = tag("th", tag("span", candidate.get("name", ""), class_="name"), badge, scope="row")
    return tag("tr", name, tag("td", words, class_=f"start {kind}".strip()), number_cell(candidate["error"]))


def _curve(details: Mapping[str, Any]) -> Markup | None:
    """Return the place where a script draws the learning curves."""
    curves = curve_of(details)
    if curves is None:
        return None
    goal = curves["cold"][-1]
    reached = next((pair[0] for pair in curves["with"] if (pair[1] or 0) <= (goal[1] or 0)), None)
    words = "Least error so far against seconds of search."
    if reached is not None:
        words += f" The cold start's last error is reached after {duration(reached)} instead of {duration(goal[0])}."
    lead = tag("p", unbroken(words), class_="lead")
    return tag("div", tag("h3", "With sources and cold"), lead, tag("div", id="curve-plot", class_="plot"))


def _maps(told: Told) -> Markup | None:
    """Return the places where a script draws the matrix of distances and the map."""
    known = map_of(told)
    if known is None:
        return None
    words = "Distance of each pair: the stronger the colour, the nearer. Point at a cell, or use arrows, to read it."
    heat = tag(
        "div",
        tag("h3", "Who is like whom"),
        tag("p", words, class_="lead"),
        tag("div", id="heat-plot", class_="plot"),
    )
    if known["places"] is None:
        return tag("div", heat, class_="maps")
    kept = f"a plane keeps {percent(known['kept'])} of their spread"
    words = f"The same distances laid out flat: {kept}. Directions mean nothing. Point at a mark to read it."
    place = tag(
        "div",
        tag("h3", "Map"),
        tag("p", unbroken(words), class_="lead"),
        tag("div", id="near-plot", class_="plot"),
    )
    return tag("div", heat, place, class_="maps")


def _entries(told: Told) -> Markup | None:
    """Return the table of the sources and the nearest entries; folded where it is long."""
    sources = {each.get("name"): each for each in told.get("sources") or []}
    ranked = list(told.get("ranked") or [])
    named = {each.get("name") for each in ranked}
    rows = [*enumerate(ranked, start=1), *((0, each) for name, each in sources.items() if name not in named)]
    if not rows:
        return None
    gains = any(finite(each.get("expected_gain")) is not None for each in ranked)
    names = [("", "number"), ("entry", None), ("distance", "number"), *([("expected gain", "number")] if gains else [])]
    head = tag("tr", *(tag("th", name, scope="col", class_=kind) for name, kind in names))
    body = [_entry_row(place, each, used=each.get("name") in sources, gains=gains) for place, each in rows]
    table = scroller("Nearest entries", tag("table", tag("thead", head), tag("tbody", *body), class_="entries"))
    title = f"The library's {len(rows)} nearest entries" if len(rows) > 1 else "The library's nearest entry"
    words = tag("p", _measured(sources), class_="lead") if sources else None
    if len(rows) <= _UNFOLDED:
        return join(tag("h3", title), words, table)
    return tag("details", tag("summary", title), words, table)


def _measured(sources: Mapping[Any, Told]) -> str:
    """Return which sources were tried, and how far they are by which measure."""
    told = ", ".join(
        f"{name} ({each['measure']} {quantity(each.get('distance'))})" if each.get("measure") else str(name)
        for name, each in sources.items()
    )
    return f"Tried, with the measure and its distance: {told}."


def _entry_row(place: int, entry: Told, *, used: bool, gains: bool) -> Markup:
    badge = tag("span", "tried", class_="badge") if used else None
    gain = tag("td", signed(finite(entry.get("expected_gain"))), class_="number") if gains else None
    cells = [
        tag("td", str(place) if place else "", class_="number place"),
        tag("th", tag("span", entry.get("name", ""), class_="name"), badge, scope="row"),
        number_cell(entry.get("distance")),
        gain,
    ]
    return tag("tr", *cells, class_="used" if used else None)
