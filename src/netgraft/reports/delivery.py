"""One self-contained HTML page of figures 3 and 4: accuracy against the size of a sub-model, and the rates it needs.

Words and tables stand in the HTML; drawings are made by a script from embedded JSON. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.delivery_drawn import RATES, drawn
from netgraft.reports.delivery_parts import items, part, percent_of, points_text, reached_text
from netgraft.reports.document import document
from netgraft.reports.figures import finite, quantity, unbroken
from netgraft.reports.markup import Markup, finite_only, join, script_json, tag
from netgraft.reports.sections import fact, number_cell, scroller, section, tile

_SCRIPTS = ("figures.js", "draw.js", "table.js", "slicing_lines.js", "delivery.js")
_STYLES = ("page.css", "slicing.css", "delivery.css")
Shown = Mapping[str, Any]


def render_delivery(results: Shown) -> str:
    """Return the report of figures 3 and 4 as one HTML page that opens offline.

    Args:
        results: ``figure_3`` and ``figure_4`` as the benchmark `delivery_figures` makes them; every key is optional,
            and numbers that are not finite read as absent.
    """
    results = finite_only(results)
    shown = drawn(results)
    third, fourth = part(results, "figure_3"), part(results, "figure_4")
    sets = [each for each in items(third, "sets") if isinstance(each, Mapping)]
    return document(
        title="Figures 3 and 4",
        about="in-situ model downloading",
        kicker="Netgraft report of the paper's experiments",
        facts=_facts(sets),
        picked="What came out",
        headline=_headline(sets),
        sections=join(
            tag("noscript", tag("p", "The drawings need JavaScript; words and tables do not.", class_="lead")),
            *(_set(index, each, shown) for index, each in enumerate(sets)),
            _rates(fourth, shown),
        ),
        footer="Accuracies are measured on test images, rates are computed; what is modelled says so. The paper is"
        " Huang et al., In-situ Model Downloading to Realize Versatile Edge AI in 6G Mobile Networks, section 4.",
        end=_end(shown),
        styles=_STYLES,
        scripts=_SCRIPTS,
    )


def _end(shown: Shown) -> Markup:
    """Return the box for what the pointer is on, and what is drawn."""
    tip = tag("div", id="tip", class_="tip", role="status", hidden=True)
    return join(tip, tag("script", Markup(script_json(shown)), type="application/json", id="data"))


def _facts(sets: list[Shown]) -> Markup:
    shown = {
        "Images": ", ".join(str(each.get("name")) for each in sets) or None,
        "Seeds": ", ".join(str(len(items(each, "seeds"))) for each in sets) or None,
        "Numbers of the root": ", ".join(quantity(each.get("numbers")) for each in sets) or None,
        "Root in float32": ", ".join(quantity(each.get("root_bytes"), "byte") for each in sets) or None,
    }
    return tag("dl", *(fact(name, value) for name, value in shown.items() if value), class_="facts")


def _headline(sets: list[Shown]) -> Markup:
    """Return how much smaller the best way is at equal accuracy, and how many claims hold, for each set."""
    tiles = []
    for each in sets:
        known = [row for row in items(each, "equal") if isinstance(row, Mapping) and finite(row.get("percent"))]
        if known:
            best = min(known, key=lambda row: row["percent"])
            note = f"{best.get('method')}, accuracy of float32 less 0.2 points"
            tiles.append(tile(f"{each.get('name')}: smaller", f"{100 / best['percent']:.1f} times", note))
        held = [row.get("holds") is True for row in items(each, "claims") if isinstance(row, Mapping)]
        if held:
            tiles.append(tile(f"{each.get('name')}: claims", f"{sum(held)} of {len(held)}", "hold"))
    if not tiles:
        return tag("p", "No experiment was run yet.", class_="verdict")
    return tag("dl", *tiles, class_="tiles")


def _set(index: int, shown: Shown, plots: Shown) -> Markup:
    """Return the sections of one set of images."""
    name = str(shown.get("name"))
    levels = [level for level in items(shown, "levels") if isinstance(level, Mapping)]
    return join(
        _claims(f"claims-{index}", f"{name}: what the paper says, and what came out", items(shown, "claims")),
        _equal(index, name, items(shown, "equal")),
        *(_level(f"set-{index}-{number}", name, level, plots) for number, level in enumerate(levels)),
    )


def _claims(identity: str, title: str, rows: list[Any]) -> Markup | None:
    """Return the table of claims."""
    made = []
    for row in rows:
        if isinstance(row, Mapping):
            holds = row.get("holds") is True
            cells = [tag("td", unbroken(str(row.get("ours")))), tag("td", "holds" if holds else "does not hold")]
            first = tag("th", unbroken(str(row.get("claim"))), scope="row")
            made.append(tag("tr", first, *cells, class_="held" if holds else "failed"))
    if not made:
        return None
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in ("claim", "here", ""))))
    return section(identity, title, scroller(title, tag("table", head, tag("tbody", *made), class_="claims")))


def _equal(index: int, name: str, rows: list[Any]) -> Markup | None:
    """Return the table of the least sizes with the accuracy of the float32 root."""
    made = []
    for row in rows:
        if isinstance(row, Mapping):
            share = finite(row.get("percent"))
            cells = [
                tag("td", row.get("method")),
                tag("td", "yes" if row.get("retrained") else "no"),
                number_cell(share),
                number_cell(100 / share if share else None),
                tag("td", percent_of(row.get("best")), class_="number"),
            ]
            made.append(tag("tr", tag("th", row.get("level"), scope="row"), *cells))
    if not made:
        return None
    heads = ("level", "method", "trained for it", "per cent of float32", "times smaller", "best accuracy")
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    title = f"{name}: the least size with the accuracy of float32, less 0.2 points"
    lead = "A dash where no size reaches it. All bytes count: norms, biases, scales, codebooks, masks."
    return section(
        f"equal-{index}", title, scroller(title, tag("table", head, tag("tbody", *made), class_="reached")), lead=lead
    )


def _level(identity: str, name: str, level: Shown, plots: Shown) -> Markup:
    """Return one panel of figure 3 at every bit error rate, and its numbers folded."""
    panels = [
        tag("div", tag("h3", title), tag("div", id=f"{identity}-{rate}-plot", class_="plot"))
        for rate, title in (("clean", "No bit errors"), *((rate, f"Bit error rate {rate}") for rate in RATES))
        if f"{identity}-{rate}" in plots["plots"]
    ]
    lead = (
        "Mean over seeds against per cent of the float32 root; the band reaches down to the worst. Solid: norms, biases"
        " and scales arrive as they are. Naive, where everything may be spoilt, is folded under each drawing."
    )
    table = tag("details", tag("summary", "All numbers"), _numbers(level))
    return section(identity, f"{name}. {level.get('title')}", tag("div", *panels, class_="panels"), table, lead=lead)


def _numbers(level: Shown) -> Markup:
    """Return all numbers of a level: accuracy, and in brackets the worst."""
    heads = ["way", "sub-model", "size", "in chunks", "no errors"]
    heads += [f"{kind} {rate}" for kind in ("naive", "hardened") for rate in RATES]
    rows = []
    for line in items(level, "lines"):
        for point in items(line, "points") if isinstance(line, Mapping) else []:
            if isinstance(point, Mapping):
                sizes = [
                    tag("td", points_text(point.get(key)), class_="number") for key in ("percent", "percent_exact")
                ]
                reached = [part(point, "clean")]
                reached += [part(part(point, kind), rate) for kind in ("naive", "hardened") for rate in RATES]
                cells = [tag("td", reached_text(each), class_="number") for each in reached]
                way = f"{line.get('method')}{', trained for it' if line.get('retrained') else ''}"
                first = tag("th", way, scope="row")
                rows.append(tag("tr", first, tag("td", point.get("label")), *sizes, *cells))
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    return scroller("All numbers", tag("table", head, tag("tbody", *rows), class_="reached"))


def _rates(fourth: Shown, plots: Shown) -> Markup | None:
    """Return figure 4: drawings, claims, the rates with our bytes, and where the paper does not agree with itself."""
    names = [name for name in plots["plots"] if name.startswith("rate-")]
    if not names:
        return None
    titles = part(plots, "titles")
    panels = [
        tag("div", tag("h3", titles[name]), tag("div", id=f"{name}-plot", class_="plot"))
        for name in names
        if name in titles
    ]
    notes = [tag("li", unbroken(str(note))) for note in items(fourth, "notes")]
    lead = "Rate that brings a share of a network over in time: numbers x 32 bits x share / latency. Computed."
    return join(
        section("rates", "Figure 4: data rates", tag("div", *panels, class_="panels"), lead=lead),
        _claims("rate-claims", "What the text says of figure 4", items(fourth, "claims")),
        _modelled(items(fourth, "modelled"), items(fourth, "bits")),
        section("rate-notes", "Where the paper's numbers do not agree", tag("ol", *notes, class_="footnotes"))
        if notes
        else None,
    )


def _modelled(rows: list[Any], bits: list[Any]) -> Markup | None:
    """Return the rates of whole networks with the bits per number that our roots need."""
    made = []
    for row in rows:
        if isinstance(row, Mapping):
            cells = [
                tag("td", row.get("model")), tag("td", row.get("application")), number_cell(row.get("rate_bps")),
                tag("td", percent_of(row.get("share_at_user_rate"), 0), class_="number"),
            ]  # fmt: skip
            made.append(tag("tr", tag("th", row.get("set"), scope="row"), *cells))
    if not made:
        return None
    said = "; ".join(
        f"{quantity(each.get('bits'))} bits on {each.get('set')}" for each in bits if isinstance(each, Mapping)
    )
    heads = ("bits measured on", "network", "application", "rate of the whole, bit/s", "fits 1 Gb/s")
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    lead = (
        f"Bits per number of our roots at the accuracy of float32 less 0.2 points: {said}. Modelled: that these"
        " networks would need as many was not measured."
    )
    table = scroller("Rates with our bytes", tag("table", head, tag("tbody", *made), class_="reached"))
    return section("modelled", "The same with our bytes (modelled)", table, lead=unbroken(lead))
