"""What the page of the delivery figures draws: for each drawing its series and axes, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.delivery_parts import items, part
from netgraft.reports.figures import finite, round_to

#: Bit error rates, as the results name them.
RATES = ("1e-05", "0.001", "0.01")
_KINDS = ("s0", "s1", "s2", "s3", "s4", "s5")
_SIZE_AXIS = {"label": "per cent of the float32 root", "unit": "", "log": True}
_ACCURACY_AXIS = {"label": "accuracy, %", "unit": ""}
Shown = Mapping[str, Any]


def drawn(results: Shown) -> dict[str, Any]:
    """Return the drawings of both figures by name, and the titles of those of figure 4."""
    plots: dict[str, Any] = {}
    for index, shown in enumerate(items(part(results, "figure_3"), "sets")):
        for number, level in enumerate(items(shown, "levels")):
            if isinstance(level, Mapping):
                plots |= _level(f"set-{index}-{number}", level)
    rates, titles = _rates(part(results, "figure_4"))
    return {"plots": plots | rates, "titles": titles}


def _level(identity: str, level: Shown) -> dict[str, Any]:
    """Return the drawings of one level, one for each bit error rate with something to draw."""
    lines = [line for line in items(level, "lines") if isinstance(line, Mapping)]
    plots = {}
    for rate in ("clean", *RATES):
        series = [made for index, line in enumerate(lines) for made in _series(index, line, rate)]
        if series:
            label = f"{level.get('title')}, bit error rate {0 if rate == 'clean' else rate}"
            plots[f"{identity}-{rate}"] = {"label": label, "series": series, "x": _SIZE_AXIS, "y": _ACCURACY_AXIS}
    return plots


def _series(index: int, line: Shown, rate: str) -> list[dict[str, Any]]:
    """Return the series of a line at a bit error rate: hardened and, not shown at first, naive."""
    kind = _KINDS[index % len(_KINDS)]
    label = f"{line.get('method')}{', trained for it' if line.get('retrained') else ''}"
    points = [point for point in items(line, "points") if isinstance(point, Mapping)]
    if rate == "clean":
        return _one(f"line{index}", label, kind, [(_sizes(p, "percent_exact"), part(p, "clean")) for p in points])
    hardened = [(_sizes(p, "percent_hardened"), part(part(p, "hardened"), rate)) for p in points]
    naive = [(finite(p.get("percent")), part(part(p, "naive"), rate)) for p in points]
    shown = _one(f"line{index}", label, kind, hardened)
    return shown + _one(f"naive{index}", f"{label}, naive", kind, naive, on=False)


def _sizes(point: Shown, key: str) -> float | None:
    """Return the size of a form where it has one of its own, else that of its plain form."""
    own = finite(point.get(key))
    return own if own is not None else finite(point.get("percent"))


def _one(
    name: str, label: str, kind: str, points: list[tuple[float | None, Shown]], *, on: bool = True
) -> list[dict[str, Any]]:
    """Return a series in order of size, or none where nothing is known."""
    known = sorted(
        (size, 100 * mean, 100 * worst)
        for size, reached in points
        if size is not None and size > 0
        and (mean := finite(reached.get("mean"))) is not None and (worst := finite(reached.get("worst"))) is not None
    )  # fmt: skip
    if not known:
        return []
    x, y, low = ([round_to(values[i], 4) for values in known] for i in range(3))
    return [{"name": name, "label": label, "kind": kind, "on": on, "x": x, "y": y, "low": low, "high": y}]


def _rates(fourth: Shown) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the drawings of figure 4, one for each application, and their titles."""
    plots, titles = {}, {}
    lines = [line for line in items(fourth, "lines") if isinstance(line, Mapping)]
    for index, name in enumerate(dict.fromkeys(str(line.get("application")) for line in lines)):
        own = [line for line in lines if str(line.get("application")) == name]
        series = [made for number, line in enumerate(own) for made in _rate_series(number, line)]
        if not series:
            continue
        xs = [x for each in series for x in each["x"]]
        for number, (level, rate) in enumerate(part(fourth, "levels").items()):
            if (value := finite(rate)) is not None and value > 0:
                ends = [min(xs), max(xs)]
                series.append(
                    {
                        "name": f"level{number}", "label": level, "kind": "baseline", "on": True, "level": True,
                        "x": ends, "y": [value, value],
                    }
                )  # fmt: skip
        axes = {
            "x": {"label": "per cent of the network", "unit": "", "log": True},
            "y": {"label": "rate, bit/s", "unit": "", "log": True},
        }
        plots[f"rate-{index}"] = {"label": f"Rates for {name}", "series": series, **axes}
        titles[f"rate-{index}"] = f"{name[:1].upper()}{name[1:]}, {_within(own[0])}"
    return plots, titles


def _rate_series(index: int, line: Shown) -> list[dict[str, Any]]:
    """Return the rates of one network."""
    pairs = [pair for pair in items(line, "points") if isinstance(pair, list) and len(pair) == 2]
    known = [(x, y) for a, b in pairs if (x := finite(a)) and (y := finite(b)) and x > 0 and y > 0]
    if not known:
        return []
    name = str(line.get("model"))
    return [
        {
            "name": f"network{index}", "label": name, "kind": _KINDS[index % 4], "on": True,
            "x": [round_to(x) for x, _ in known], "y": [round_to(y) for _, y in known],
        }
    ]  # fmt: skip


def _within(line: Shown) -> str:
    """Return the latency of an application in words."""
    latency = finite(line.get("latency_s"))
    if latency is None:
        return "no latency given"
    return f"within {latency:g} s" if latency >= 1 else f"within {1000 * latency:g} ms"
