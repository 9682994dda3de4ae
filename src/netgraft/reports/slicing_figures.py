"""The sections with the paper's figures 3 to 8: a place to draw in, what the paper says, what came out here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import finite, percent, unbroken
from netgraft.reports.markup import Markup, join, tag
from netgraft.reports.sections import section
from netgraft.reports.slicing_methods import BASELINE, DRL, SIMILAR, Results, brief, of_paper, paper_text, part
from netgraft.reports.slicing_similarity import SWAPPED
from netgraft.reports.slicing_words import (
    delay_here,
    gain_here,
    masks_here,
    satisfaction_here,
    similarity_here,
    training_here,
)

_MASKS = "Four masks over the first 200 steps, shown as a drawing only: neither period nor phases are given."
_TRAINING = (
    "DRL comes to about the baseline's reward after long exploration. Both transfers begin far above it and soon pass"
    " the baseline, above all in busy periods; the more similar source begins higher, and both end alike."
)
_SIMILARITY = "By eq. (7) on latent features, cells with the same targets are near each other and far from the others."
_GAIN = (
    "Before 200 steps the nearest source gains about 3 % more than the farthest; the difference shrinks with training,"
    " and the nearest stays ahead."
)


def figures(results: Results, drawn: Mapping[str, Any]) -> Markup:
    """Return the sections whose data are there; each says what the paper says and what came out here."""
    halves = [
        _half(
            "satisfaction", "Figure 5: satisfaction", _satisfaction_paper(results), satisfaction_here(results), drawn
        ),
        _half("delay", "Figure 6: delay", _delay_paper(results), delay_here(results), drawn),
    ]
    known = [half for half in halves if half is not None]
    return join(
        _wide("masks", "Figure 3: traffic", _MASKS, masks_here(results), drawn),
        _wide("training", "Figure 4: reward while training", _TRAINING, training_here(results), drawn),
        tag("div", *known, class_="halves") if known else None,
        _similarity(results, drawn),
        _gain(results, drawn),
    )


def _place(identity: str) -> Markup:
    return tag("div", id=f"{identity}-plot", class_="plot")


def _said(paper: str, here: str, *, across: bool = False) -> Markup:
    """Return what the paper says beside what came out here."""
    rows = [("Paper", paper), ("Here", here)]
    blocks = [tag("div", tag("dt", name), tag("dd", unbroken(words))) for name, words in rows if words]
    return tag("dl", *blocks, class_="said across" if across else "said")


def _wide(identity: str, title: str, paper: str, here: str, drawn: Mapping[str, Any]) -> Markup | None:
    if not drawn.get(identity):
        return None
    return section(
        identity, title, tag("div", _place(identity), _said(paper, here), class_="beside"), lead=_LEADS[identity]
    )


def _half(identity: str, title: str, paper: str, here: str, drawn: Mapping[str, Any]) -> Markup | None:
    if not drawn.get(identity):
        return None
    return section(identity, title, _place(identity), _said(paper, here), lead=_LEADS[identity])


_LEADS = {
    "masks": "Share of each slice's users that may be active.",
    "training": "Mean reward of all cells, smoothed; bands reach from the least to the greatest seed. Point at the"
    " drawing, or use arrow keys on it, to read values.",
    "satisfaction": "Share of cells and steps (up) whose worst-off slice is better satisfied than (across).",
    "delay": "Share of cells and steps (up) whose slowest slice takes longer than (across).",
    "similarity": "Distance of a source (column) from a target (row): the stronger the colour, the nearer. A ring marks"
    " the nearest source of each row; lines part the groups of cells with the same targets.",
    "gain": "Reward of a transfer over that of DRL after as many steps.",
}


def _satisfaction_paper(results: Results) -> str:
    shares, means = _paper_words(results, "below_0.95"), _paper_words(results, "satisfaction")
    said = [f"Below 0.95: {shares}." if shares else "", f"Mean satisfaction: {means}." if means else ""]
    return " ".join(words for words in said if words)


def _delay_paper(results: Results) -> str:
    means = _paper_words(results, "delay_ms")
    return f"Mean of the greatest delay: {means}." if means else ""


def _paper_words(results: Results, key: str) -> str:
    names = {SIMILAR: "transfer", DRL: "DRL", BASELINE: "baseline"}
    known = {label: paper_text(of_paper(results, name, key), key) for name, label in names.items()}
    return ", ".join(f"{label} {text}" for label, text in known.items() if text)


def _similarity(results: Results, drawn: Mapping[str, Any]) -> Markup | None:
    """Return one matrix for each measure, the one that chose the sources first."""
    measures = (drawn.get("similarity") or {}).get("measures") or []
    if not measures:
        return None
    blocks = [
        tag(
            "div",
            tag(
                "h3",
                tag("span", each["name"], class_="name"),
                tag("span", "chose the sources", class_="badge") if each["chosen"] else None,
            ),
            tag("p", _told(part(part(results, "similarity"), each["name"]), each["name"]), class_="lead"),
            tag("div", id=f"matrix-{index}", class_="plot"),
        )
        for index, each in enumerate(measures)
    ]
    place = tag("div", *blocks, class_="matrices")
    said = _said(_SIMILARITY, similarity_here(results), across=True)
    return section("similarity", "Figure 7: who is like whom", said, place, lead=_LEADS["similarity"])


def _told(measure: Mapping[str, Any], name: str) -> str:
    if name == SWAPPED:
        return "What it costs the row's cell in reward to decide as the column's does; the ring is on the least."
    worth = finite(measure.get("rank_correlation"))
    share, ratio = finite(measure.get("nearest_in_group")), finite(measure.get("between_within"))
    words = [
        f"nearest in its group: {percent(share)}" if share is not None else "",
        f"between groups / within: {brief(ratio)}" if ratio is not None else "",
        f"rank correlation with what a swap of policies costs: {brief(worth)}" if worth is not None else "",
    ]
    return unbroken("; ".join(word for word in words if word)) or "distances"


def _gain(results: Results, drawn: Mapping[str, Any]) -> Markup | None:
    told = drawn.get("gain") or {}
    titles = {"by_step": "By steps of training", "by_distance": "By distance of the source"}
    blocks = [
        tag("div", tag("h3", titles[key]), tag("div", id=f"gain-{key.replace('_', '-')}-plot", class_="plot"))
        for key in titles
        if told.get(key)
    ]
    if not blocks:
        return None
    halves = tag("div", *blocks, class_="halves")
    return section(
        "gain", "Figure 8: gain by distance", _said(_GAIN, gain_here(results), across=True), halves, lead=_LEADS["gain"]
    )
