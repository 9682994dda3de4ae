"""The checks of a slicing study: whether each goal holds, in words, with the figures it was judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import ABSENT, finite, unbroken
from netgraft.reports.markup import Markup, tag
from netgraft.reports.sections import section
from netgraft.reports.slicing_methods import METHODS, Measured, Results, brief, items, part

_MOST_VALUES = 16
_STATES = {True: ("holds", "✓"), False: ("does not hold", "✗")}


def checks(results: Results) -> Markup | None:
    """Return the checks one after another: whether each holds, in words, with its figures."""
    rows = [_check(each) for each in items(results, "checks") if isinstance(each, Mapping)]
    if not rows:
        return None
    lead = (
        "Each goal of the study as it came out, with the figures it was judged by. A difference is that of two methods"
        " period by period, so it can be certain where the intervals of their means overlap."
    )
    return section("checks", "What holds and what does not", tag("ul", *rows, class_="checks"), lead=lead)


def _check(check: Mapping[str, Any]) -> Markup:
    state, mark = _state(check)
    shown = [_value(name, value) for name, value in _joined(part(check, "values")).items()]
    return tag(
        "li",
        tag("span", tag("span", mark, aria_hidden="true"), f" {state}", class_="state"),
        tag("div", tag("b", check.get("name") or "", class_="name"), *_sentence(check.get("text"))),
        tag("dl", *shown[:_MOST_VALUES], class_="values") if shown else None,
        class_={"holds": "check-row held", "does not hold": "check-row failed"}.get(state, "check-row"),
    )


def _joined(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures with `x_low` and `x_high` as the interval of `x`."""
    found = dict(values)
    for name in values:
        low, high = f"{name}_low", f"{name}_high"
        if low in values and high in values:
            found[name] = {"mean": values[name], "low": found.pop(low), "high": found.pop(high)}
    return found


def _state(check: Mapping[str, Any]) -> tuple[str, str]:
    holds = check.get("holds")
    return _STATES[holds] if isinstance(holds, bool) else ("not known", "?")


def _sentence(text: object) -> list[Markup]:
    return [tag("p", unbroken(str(text)))] if text else []


def _value(name: str, value: object) -> Markup:
    label = METHODS[name].label if name in METHODS else name.replace("_", " ")
    return tag("div", tag("dt", label), tag("dd", value_text(value)))


def value_text(value: object) -> str:
    """Return a figure of a check as text: a number, a mean with its interval, several of them, or words.

    >>> value_text(0.81234), value_text({"mean": 0.8, "low": 0.75, "high": 0.85}), value_text([1, "a"])
    ('0.812', '0.8 (0.75 to 0.85)', '1, a')
    """
    number = finite(value)
    if number is not None:
        return brief(number)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return _named_text(value)
    if isinstance(value, list | tuple):
        more = [f"and {len(value) - _MOST_VALUES} more"] if len(value) > _MOST_VALUES else []
        return ", ".join([*map(value_text, value[:_MOST_VALUES]), *more])
    return ABSENT if value is None else str(value)


def _named_text(value: Mapping[str, Any]) -> str:
    if "mean" in value:
        found = Measured(*(finite(value.get(bound)) for bound in ("mean", "low", "high")))
        mean = value_text(found.mean)
        return f"{mean} ({brief(found.interval[0])} to {brief(found.interval[1])})" if found.interval else mean
    return ", ".join(f"{name} {value_text(each)}" for name, each in value.items())
