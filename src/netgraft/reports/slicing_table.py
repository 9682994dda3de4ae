"""The table of a slicing study's methods beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence

from netgraft.reports.figures import unbroken
from netgraft.reports.markup import Markup, join, tag
from netgraft.reports.sections import scroller, section, sort_head
from netgraft.reports.slicing_methods import (
    Measured,
    Results,
    items,
    measure_text,
    measured,
    method,
    of_paper,
    ordered,
    paper_text,
    part,
)

_MEASURES = {"satisfaction": "satisfaction", "below_0.95": "below 0.95", "delay_ms": "delay, ms"}


def methods_table(results: Results) -> Markup | None:
    """Return the sortable table of the methods, the paper's numbers beside ours."""
    names = ordered({**part(results, "methods"), **part(results, "paper")})
    if not names:
        return None
    told = [key for key in _MEASURES if any(of_paper(results, name, key) is not None for name in names)]
    heads = [sort_head("method"), sort_head("reward", "number"), tag("th", "", scope="col")]
    for key, label in _MEASURES.items():
        heads.append(sort_head(label, "number"))
        heads += [sort_head("paper", "number paper")] if key in told else []
    scale = _scale([measured(results, name, "reward") for name in names])
    rows = [_row(results, name, told, scale) for name in names]
    caption = tag("caption", "Methods and what they reached", class_="unseen")
    table = tag(
        "table", caption, tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="sortable points methods"
    )
    return section("methods", "Methods", scroller("All methods", table), lead=_lead(results))


def _lead(results: Results) -> str:
    words = (
        "Means over cells and steps of the evaluation, all methods under the same traffic: reward (eq. 2), throughput"
        " satisfaction of the slice that is worst off, share of cells and steps where it is below 0.95, greatest delay"
        " of a slice."
    )
    known = (
        measured(results, name, key).interval for name in part(results, "methods") for key in ("reward", *_MEASURES)
    )
    seeds = len(items(results, "seeds")) or 1
    told = f" Below a mean: its 95 % interval (block bootstrap of the periods of {seeds} seed{'s' * (seeds > 1)})."
    return words + unbroken(told if any(known) else "")


def _row(results: Results, name: str, told: Sequence[str], scale: tuple[float, float] | None) -> Markup:
    shown = method(name)
    reward = measured(results, name, "reward")
    cells = [
        tag(
            "th",
            tag("span", shown.label, class_=f"family name {shown.kind}"),
            tag("small", shown.note) if shown.note else None,
            scope="row",
            data_sort=shown.label,
        ),
        _cell(reward, "reward"),
        tag("td", _whisker(reward, scale, shown.kind), class_="whisker"),
    ]
    for key in _MEASURES:
        cells.append(_cell(measured(results, name, key), key))
        cells += [_paper_cell(of_paper(results, name, key), key)] if key in told else []
    return tag("tr", *cells)


def _cell(value: Measured, key: str) -> Markup:
    interval = tag("small", _interval_text(value.interval, key)) if value.interval else None
    sort = "" if value.mean is None else repr(value.mean)
    return tag("td", measure_text(value.mean, key), interval, class_="number", data_sort=sort)


def _paper_cell(value: float | None, key: str) -> Markup:
    shown = paper_text(value, key).removesuffix(" ms")
    return tag("td", shown, class_="number paper", data_sort="" if value is None else repr(value))


def _interval_text(interval: tuple[float, float], key: str) -> str:
    low, high = (measure_text(bound, key) for bound in interval)
    return f"{low.removesuffix(' %')} to {high}"


def _scale(values: Sequence[Measured]) -> tuple[float, float] | None:
    """Return the least and greatest reward to draw, or None where there is no spread."""
    known = [bound for value in values for bound in (value.mean, *(value.interval or ())) if bound is not None]
    return (min(known), max(known)) if known and min(known) < max(known) else None


def _whisker(value: Measured, scale: tuple[float, float] | None, kind: str) -> Markup | None:
    """Return a mark at the mean on a bar from low to high, on the scale of all methods."""
    if scale is None or value.mean is None:
        return None
    low, high = ((96 * (bound - scale[0]) / (scale[1] - scale[0])) for bound in value.interval or (value.mean,) * 2)
    mean = 96 * (value.mean - scale[0]) / (scale[1] - scale[0])
    drawn = [
        tag("rect", x="0", y="6.5", width="100", height="1", class_="rail"),
        tag("rect", x=f"{low + 1:.1f}", y="4", width=f"{max(high - low, 0) + 2:.1f}", height="6", class_="span"),
        tag("rect", x=f"{mean + 1.2:.1f}", y="0", width="1.6", height="14", class_="mean"),
    ]
    return tag("svg", join(*drawn), viewBox="0 0 100 14", preserveAspectRatio="none", aria_hidden="true", class_=kind)
