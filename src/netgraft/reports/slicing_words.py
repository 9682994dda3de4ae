"""A slicing study in words: what came out, and what each figure says beside what the paper says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from netgraft.reports.figures import finite, percent
from netgraft.reports.points import MINUS
from netgraft.reports.slicing_methods import (
    BASELINE,
    COMPARED,
    DISSIMILAR,
    DRL,
    SATISFIED,
    SIMILAR,
    Results,
    brief,
    items,
    masks_of,
    measure_text,
    measured,
    of_paper,
    paper_text,
    part,
)

_START_STEPS = 200.0
_END_STEPS = 500.0
_SHORT = {
    BASELINE: "the baseline with perfect demand",
    "drl_4000": "DRL stopped at the transfer's steps",
    DRL: "DRL",
    DISSIMILAR: "transfer from a dissimilar source",
    SIMILAR: "transfer from a similar source",
}


def describe(results: Results) -> list[str]:
    """Return sentences on the study: how many checks hold, the order in reward, the distance from the paper."""
    said = [*_checked(results), *_order(results), *_beside_the_paper(results), *_seeds(results)]
    return said or ["The study has no result yet."]


def _checked(results: Results) -> list[str]:
    found = [each for each in items(results, "checks") if isinstance(each, Mapping)]
    failed = [str(each.get("name")) for each in found if each.get("holds") is False]
    unknown = sum(not isinstance(each.get("holds"), bool) for each in found)
    if not found:
        return []
    held = len(found) - len(failed) - unknown
    said = f"{held} of {len(found)} checks hold" if len(found) > 1 else f"{held} of 1 check holds"
    if failed:
        said += f"; not so: {', '.join(failed)}"
    return [f"{said}; {unknown} could not be judged." if unknown else f"{said}."]


def _order(results: Results) -> list[str]:
    """Return the compared methods by reward, and which neighbours have intervals that are apart."""
    rewards = {name: measured(results, name, "reward") for name in COMPARED}
    known = sorted((name for name in COMPARED if rewards[name].mean is not None), key=lambda n: rewards[n].mean or 0.0)
    if len(known) < 2:
        return []
    told = ", ".join(f"{_SHORT[name]} {measure_text(rewards[name].mean, 'reward')}" for name in known)
    said = [f"Reward, least first: {told}."]
    bounds = [rewards[name].interval for name in known]
    pairs = list(zip(pairwise(known), pairwise(bounds), strict=True))
    if not all(bounds):
        return said
    apart = [f"{_SHORT[a]} and {_SHORT[b]}" for (a, b), (low, high) in pairs if low and high and high[0] > low[1]]
    if len(apart) == len(pairs):
        return [*said, "No two neighbours' intervals overlap."]
    if not apart:
        return [*said, "All neighbours' intervals overlap."]
    return [*said, f"Of neighbours, the intervals of {'; of '.join(apart)} are apart."]


def _beside_the_paper(results: Results) -> list[str]:
    told = [
        f"{_SHORT[name]} {measure_text(ours, 'satisfaction')} (paper {paper_text(theirs, 'satisfaction')})"
        for name in reversed(COMPARED)
        if (ours := measured(results, name, "satisfaction").mean) is not None
        and (theirs := of_paper(results, name, "satisfaction")) is not None
    ]
    return [f"Mean throughput satisfaction: {', '.join(told)}."] if told else []


def _seeds(results: Results) -> list[str]:
    seeds = items(results, "seeds")
    return ["It is one seed: intervals tell of its periods, not of other seeds."] if len(seeds) == 1 else []


def masks_here(results: Results) -> str:
    """Return what figure 3 shows: between which values, and when the slices ask for most together."""
    masks = list(masks_of(results).values())
    values = [value for mask in masks for value in mask if value is not None]
    if not values:
        return ""
    sums = [sum(value or 0.0 for value in row) for row in zip(*masks, strict=False)]
    most, least = (pick(range(len(sums)), key=sums.__getitem__) for pick in (max, min))
    return (
        f"Values lie between {brief(min(values))} and {brief(max(values))}; the slices ask for most together at step"
        f" {most} ({brief(sums[most])} of {len(masks)}) and for least at step {least} ({brief(sums[least])})."
    )


def training_here(results: Results) -> str:
    """Return what figure 4 shows: the rewards of the first and of the last steps of each curve."""
    curves = {name: _pairs(part(part(results, "curves"), name)) for name in (SIMILAR, DISSIMILAR, DRL, BASELINE)}
    starts = {name: _mean(y for x, y in pairs if x <= _START_STEPS) for name, pairs in curves.items()}
    ends = {name: _mean(y for x, y in pairs if x > pairs[-1][0] - _END_STEPS) for name, pairs in curves.items()}
    said = [(f"first {brief(_START_STEPS)}", starts), (f"last {brief(_END_STEPS)}", ends)]
    return " ".join(f"Mean of the {when} steps: {told}." for when, values in said if (told := _rewards(values)))


def _rewards(values: Mapping[str, float | None]) -> str:
    known = {name: value for name, value in values.items() if value is not None}
    return ", ".join(f"{_SHORT[name]} {measure_text(value, 'reward')}" for name, value in known.items())


def _pairs(curve: Mapping[str, Any]) -> list[tuple[float, float]]:
    steps, rewards = (map(finite, items(curve, key)) for key in ("step", "reward"))
    return sorted((x, y) for x, y in zip(steps, rewards, strict=False) if x is not None and y is not None)


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None


def satisfaction_here(results: Results) -> str:
    """Return what figure 5 shows: who misses 0.95 how often."""
    return _three(results, "below_0.95", f"Below {SATISFIED}:", "of cells and steps")


def delay_here(results: Results) -> str:
    """Return what figure 6 shows: mean of the greatest delay."""
    return _three(results, "delay_ms", "Mean of the greatest delay:", "ms")


def _three(results: Results, key: str, before: str, after: str) -> str:
    told = [
        f"{_SHORT[name]} {measure_text(value, key)}"
        for name in (SIMILAR, DRL, BASELINE)
        if (value := measured(results, name, key).mean) is not None
    ]
    return f"{before} {', '.join(told)} {after}." if told else ""


def similarity_here(results: Results) -> str:
    """Return what figure 7 shows: how often the nearest source makes the same promises, by each measure."""
    told = part(results, "similarity")
    shares = {str(name): finite(part(told, name).get("nearest_in_group")) for name in told if part(told, name)}
    known = [f"{name} {percent(share)}" for name, share in shares.items() if share is not None]
    if not known:
        return ""
    chosen = f" Sources were chosen by {told['chosen']}." if isinstance(told.get("chosen"), str) else ""
    return f"Cells whose nearest source has the same targets: {', '.join(known)}.{chosen}"


def gain_here(results: Results) -> str:
    """Return what figure 8 shows: the gains of the nearest and the farthest source, early and late."""
    gain = part(results, "gain")
    steps = [finite(step) for step in items(gain, "steps")]
    pairs = {kind: dict(zip(steps, map(finite, items(gain, kind)), strict=False)) for kind in ("similar", "dissimilar")}
    shared = [step for step in steps if step is not None and all(each.get(step) is not None for each in pairs.values())]
    if not shared:
        return ""
    ends = dict.fromkeys((min(shared, key=lambda step: abs(step - _START_STEPS)), max(shared)))
    told = [
        f"after {brief(step)} steps {_gained(pairs['similar'][step])} from the similar and"
        f" {_gained(pairs['dissimilar'][step])} from the dissimilar source"
        for step in ends
    ]
    return f"Gain in reward over DRL {', '.join(told)}."


def _gained(share: float | None) -> str:
    gained = round(100 * (share or 0.0), 1)
    return f"{MINUS if gained < 0 else '+'}{abs(gained):.1f} %"
