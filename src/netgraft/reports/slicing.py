"""One self-contained HTML page of a slicing study: what holds, methods beside the paper, figures 3 to 8, the network.

Words and tables stand in the HTML; drawings are made by a script from embedded JSON. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from netgraft.reports.document import document
from netgraft.reports.figures import duration, finite, quantity, unbroken
from netgraft.reports.markup import Markup, finite_only, join, script_json, tag
from netgraft.reports.searched import settings_list
from netgraft.reports.sections import fact, section, tile
from netgraft.reports.slicing_checks import checks
from netgraft.reports.slicing_drawn import drawn
from netgraft.reports.slicing_figures import figures
from netgraft.reports.slicing_methods import (
    DRL,
    SIMILAR,
    Results,
    items,
    measure_text,
    measured,
    of_paper,
    paper_text,
    part,
)
from netgraft.reports.slicing_network import network_section
from netgraft.reports.slicing_table import methods_table
from netgraft.reports.slicing_words import describe

_SCRIPTS = (
    "figures.js", "draw.js", "front.js", "charts.js", "transfer.js", "table.js",
    "slicing_lines.js", "slicing_matrix.js", "slicing_map.js", "slicing_player.js", "slicing.js",
)  # fmt: skip
_LONGEST_SETTING = 1500
_TILES = {"reward": "reward", "satisfaction": "satisfaction", "below_0.95": "below 0.95", "delay_ms": "delay"}
_STYLES = ("page.css", "transfer.css", "slicing.css")


def render_slicing(results: Mapping[str, Any]) -> str:
    """Return the report of a slicing study as one HTML page that opens offline.

    Args:
        results: the content of `results.json`; every key is optional, and numbers that are not finite read as absent.

    Returns:
        HTML of some 200 KB.
    """
    results = finite_only(results)
    shown = drawn(results)
    return document(
        title=part(results, "scenario").get("name") or "Sliced network",
        about="slicing study",
        kicker="Netgraft report of a slicing study",
        facts=_facts(results),
        picked="What came out",
        headline=_headline(results),
        sections=_sections(results, shown),
        footer="All values are simulated. What the paper is said to say is Hu et al. 2022, section V; the numbers here"
        " are those of results.json beside this page.",
        end=_end(shown),
        styles=_STYLES,
        scripts=_SCRIPTS,
    )


def _sections(results: Results, shown: Mapping[str, Any]) -> Markup:
    needs = tag("noscript", tag("p", "The drawings need JavaScript; words and tables do not.", class_="lead"))
    return join(
        needs,
        checks(results),
        methods_table(results),
        network_section(shown["network"]),
        figures(results, shown),
        _settings(results),
    )


def _end(shown: Mapping[str, Any]) -> Markup:
    """Return the box for what the pointer is on, and what is drawn."""
    tip = tag("div", id="tip", class_="tip", role="status", hidden=True)
    return join(tip, tag("script", Markup(script_json(shown)), type="application/json", id="data"))


def _facts(results: Results) -> Markup:
    cells, seeds = items(part(results, "network"), "cells"), items(results, "seeds")
    shown = {
        "Cells": quantity(len(cells)) if cells else None,
        "Slices": ", ".join(map(str, items(part(results, "masks"), "slices"))) or None,
        "Seeds": ", ".join(map(str, seeds)) or None,
        "Updates per step": quantity(results.get("updates_per_step")) if results.get("updates_per_step") else None,
        "Time": duration(results["seconds"]) if finite(results.get("seconds")) is not None else None,
    }
    return tag("dl", *(fact(name, value) for name, value in shown.items() if value), class_="facts")


def _headline(results: Results) -> Markup:
    sentences = (tag("p", unbroken(sentence), class_="verdict") for sentence in describe(results))
    return join(_tiles(results), *sentences)


def _tiles(results: Results) -> Markup | None:
    """Return what the transfer from a similar source reached, or DRL where nothing was transferred."""
    name = next((each for each in (SIMILAR, DRL) if part(part(results, "methods"), each)), None)
    told = [each for each in items(results, "checks") if isinstance(each, Mapping)]
    held = sum(each.get("holds") is True for each in told)
    tiles = [tile("checks", f"{held} of {len(told)}", "hold")] if told else []
    who = "transfer" if name == SIMILAR else "DRL"
    tiles += [_reached(results, name, key, f"{who}: {label}") for key, label in _TILES.items() if name is not None]
    return tag("dl", *tiles, class_="tiles") if tiles else None


def _reached(results: Results, name: str, key: str, label: str) -> Markup:
    value, paper = measured(results, name, key).mean, paper_text(of_paper(results, name, key), key)
    unit = " ms" if key == "delay_ms" and value is not None else ""
    return tile(label, measure_text(value, key) + unit, f"paper {paper}" if paper else None)


def _shortened(value: object) -> object:
    """Return a setting as it is, or how long it is where it is too long to read, as a table of masks."""
    text = json.dumps(value, default=str)
    return value if len(text) <= _LONGEST_SETTING else f"{text[:_LONGEST_SETTING]}… ({len(text):,} characters)"


def _settings(results: Results) -> Markup | None:
    """Return how the network and the training were set, folded."""
    scenario, training = (
        {name: _shortened(value) for name, value in part(results, key).items()} for key in ("scenario", "settings")
    )
    blocks = [
        join(tag("h3", title), listed)
        for title, values in (("Scenario", scenario), ("Training", training))
        if (listed := settings_list({"settings": values})) is not None
    ]
    return section("run", "How it was run", *blocks) if blocks else None
