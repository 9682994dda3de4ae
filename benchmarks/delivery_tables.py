"""From the raw rows of figure 3 to its tables, its claims and what the report draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.page import markdown_table
from benchmarks.raw import Row

Shown = dict[str, Any]
RATES = ("1e-05", "0.001", "0.01")
LEVELS = ("depth", "parameter", "bit", "cuts")
_GRID = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0)
_EQUAL = 0.002
_TITLES = {
    "depth": "Depth level: the first blocks and a classifier",
    "parameter": "Parameter level: fewer weights",
    "bit": "Bit level: fewer bits per weight",
    "cuts": "All three levels: the chain of cuts of the nested root",
}


@dataclass(frozen=True)
class Figure:
    """A figure as a page and as what the report draws."""

    text: str
    shown: Shown


def figure_3(rows: Sequence[Row]) -> Figure:
    """Return figure 3 of all sets that were run."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["set"]].append(row)
    sets = [set_of(name, own) for name, own in sorted(found.items(), key=lambda pair: pair[0] != "digits")]
    return Figure("\n\n".join(map(_text, sets)) or "No rows yet.", {"sets": sets})


def set_of(name: str, rows: Sequence[Row]) -> Shown:
    """Return what one set of images shows; of several set-ups the one with the most rows."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        counts[row["wiring"], row["setup"]] += 1
    wiring, setup = max(counts, key=lambda key: counts[key])
    own = [row for row in rows if (row["wiring"], row["setup"]) == (wiring, setup)]
    root_bytes = own[0]["root_bytes"]
    lines: dict[tuple[str, str, bool], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in own:
        for point in row["points"]:
            if point["level"] != "cuts":
                lines[point["level"], point["method"], point["retrained"]][point["label"]].append(point)
    shown: Shown = {
        "name": name, "wiring": wiring, "setup": setup, "root_bytes": root_bytes, "numbers": own[0]["numbers"],
        "seeds": sorted({row["seed"] for row in own}), "roots": [], "levels": [],
        "leaving": _leaving([row["leaving"] for row in own if "leaving" in row]),
    }  # fmt: skip
    for (level, method, retrained), points in lines.items():
        line = {
            "method": method, "retrained": retrained,
            "points": sorted((_point(label, each, root_bytes) for label, each in points.items()), key=_size),
        }  # fmt: skip
        if level == "root":
            shown["roots"].append(line)
        else:
            _level(shown, level)["lines"].append(line)
    cuts = [row["points"] for row in own if row["part"] == "cuts"]
    if cuts:
        points_ = _chain(cuts, root_bytes)
        _level(shown, "cuts")["lines"].append({"method": "cuts", "retrained": True, "points": points_})
    shown["levels"].sort(key=lambda level: LEVELS.index(level["name"]))
    shown["claims"] = claims(shown)
    shown["equal"] = equal(shown)
    return shown


def _level(shown: Shown, name: str) -> Shown:
    """Return a level of a set, made if there is none."""
    levels: list[Shown] = shown["levels"]
    for level in levels:
        if level["name"] == name:
            return level
    levels.append({"name": name, "title": _TITLES[name], "lines": []})
    return levels[-1]


def _size(point: Shown) -> float:
    return float(point["percent"])


def _of(values: Sequence[float]) -> Shown:
    """Return mean and worst of accuracies."""
    return {"mean": float(np.mean(values)), "worst": float(np.min(values))}


def _point(label: str, points: Sequence[Row], root_bytes: float) -> Shown:
    """Return one point of a line over its seeds."""
    exact = [point["bytes_exact"] for point in points if point["bytes_exact"] is not None]
    return {
        "label": label,
        "percent": 100 * float(np.mean([point["bytes"] for point in points])) / root_bytes,
        "percent_hardened": 100 * float(np.mean([point["bytes_hardened"] for point in points])) / root_bytes,
        "percent_exact": 100 * float(np.mean(exact)) / root_bytes if exact else None,
        "clean": _of([point["accuracy"] for point in points]),
        "lost": {rate: max(p["accuracy"] - min(p["hardened"][rate]) for p in points) for rate in RATES},
        "naive": {rate: _of([a for point in points for a in point["naive"][rate]]) for rate in RATES},
        "hardened": {rate: _of([a for point in points for a in point["hardened"][rate]]) for rate in RATES},
    }


def _chain(chains: Sequence[Sequence[Row]], root_bytes: float) -> list[Shown]:
    """Return the largest cut of each seed's chain within some sizes, in chunks; only where every seed has one."""
    found = []
    for most in _GRID:
        within = [[p for p in points if 100 * p["bytes_exact"] / root_bytes <= most] for points in chains]
        if all(within):
            taken = [points[-1] for points in within]
            if found and found[-1]["cuts"] == [p["label"] for p in taken]:
                continue
            found.append(_point(f"within {most:g} %", taken, root_bytes) | {"cuts": [p["label"] for p in taken]})
    return found


def _leaving(tables: Sequence[Sequence[Row]]) -> list[Shown]:
    """Return the means over seeds of the early exits."""
    return [
        {
            "confidence": rows[0]["confidence"],
            "accuracy": float(np.mean([row["accuracy"] for row in rows])),
            "operations": float(np.mean([row["operations"] for row in rows])),
            "left": np.mean([row["left"] for row in rows], axis=0).round(4).tolist(),
        }
        for rows in zip(*tables, strict=True)
    ]


def equal(shown: Shown) -> list[Shown]:
    """Return for each method the least size that reaches the ordinary float32 root's accuracy less 0.2 points."""
    roots = [line["points"][0]["clean"]["mean"] for line in shown["roots"] if not line["retrained"]]
    if not roots:
        return []
    found = []
    for level in shown["levels"]:
        for line in level["lines"]:
            sizes = [
                p["percent_exact"] or p["percent"] for p in line["points"] if p["clean"]["mean"] >= roots[0] - _EQUAL
            ]
            best = max(p["clean"]["mean"] for p in line["points"])
            found.append(
                {
                    "level": level["name"], "method": line["method"], "retrained": line["retrained"],
                    "percent": min(sizes) if sizes else None, "best": best,
                }
            )  # fmt: skip
    return found


def claims(shown: Shown) -> list[Shown]:
    """Return the paper's claims on figure 3, what came out here, and whether it holds."""
    roots = [line["points"][0] for line in shown["roots"] if not line["retrained"]]
    if not roots:
        return []
    whole, found = roots[0], []
    for level in shown["levels"]:
        if level["name"] == "cuts":
            continue
        small = [p for line in level["lines"] for p in line["points"] if (p["percent_exact"] or p["percent"]) <= 30]
        if small:
            lost = 100 * (whole["clean"]["mean"] - max(p["clean"]["mean"] for p in small))
            found.append(_claim(f"{level['name']} level: robust against compression (within 2 points at 30 % of the"
                                " root)", f"{lost:+.1f} points lost by the best", lost <= 2))  # fmt: skip
        for exposure in ("naive", "hardened"):
            drops = [
                100 * (p["clean"]["mean"] - p[exposure]["0.001"]["mean"])
                for line in level["lines"] for p in line["points"][-1:]
            ]  # fmt: skip
            said = f"{min(drops):.1f} to {max(drops):.1f} points lost by the largest sub-models, mean of seeds"
            text = f"{level['name']} level: a bit error rate of 1e-3 is sufficient (at most 1 point lost), {exposure}"
            found.append(_claim(text, said, max(drops) <= 1))
        ours = [line for line in level["lines"] if line["method"].endswith((" planes", "exact")) and line["retrained"]]
        if ours:
            lost = 100 * max(line["points"][-1]["lost"]["0.001"] for line in ours)
            text = f"{level['name']} level: our planes, 4 exact, lose at most 1 point at 1e-3, worst of all"
            found.append(_claim(text, f"{lost:.1f} points", lost <= 1))
    drop = 100 * (whole["clean"]["mean"] - whole["naive"]["1e-05"]["mean"])
    found.append(
        _claim(
            "even at 1e-5 naive float32 is not sufficient (our finding: more than 1 point lost)",
            f"{drop:.1f} points lost by the whole root, worst {whole['naive']['1e-05']['worst']:.3f}", drop > 1,
        )
    )  # fmt: skip
    return found


def _claim(claim: str, ours: str, holds: bool) -> Shown:
    return {"claim": claim, "ours": ours, "holds": bool(holds)}


def _text(shown: Shown) -> str:
    """Return a set's part of the page."""
    parts = [
        f"## {shown['name']}",
        (
            f"Root of {shown['numbers']:,} numbers with all heads; {shown['root_bytes']:,} bytes in float32 with one"
            f" head. Wiring of the nested root: {shown['wiring']}. Seeds: {', '.join(map(str, shown['seeds']))}."
            f" Set-up: `{shown['setup']}`."
        ),
        _claims_table(shown["claims"]),
        "### Least size with the accuracy of the ordinary float32 root, less 0.2 points",
        markdown_table(
            ["level", "method", "trained for it", "per cent of float32", "times smaller", "best accuracy"],
            [
                [
                    row["level"],
                    row["method"],
                    "yes" if row["retrained"] else "no",
                    "never" if row["percent"] is None else f"{row['percent']:.1f}",
                    "" if row["percent"] is None else f"{100 / row['percent']:.1f}",
                    f"{row['best']:.4f}",
                ]
                for row in shown["equal"]
            ],
        ),
    ]
    for level in [{"title": "The roots in float32", "lines": shown["roots"]}, *shown["levels"]]:
        parts += [f"### {level['title']}", _level_table(level)]
    if shown["leaving"]:
        parts += ["### Early exits of the nested root: images leave at the first head that is sure enough",
                  _leaving_table(shown["leaving"])]  # fmt: skip
    return "\n\n".join(parts)


def _claims_table(rows: Sequence[Shown]) -> str:
    lines = [[row["claim"], row["ours"], "holds" if row["holds"] else "does not hold"] for row in rows]
    return markdown_table(["claim", "here", ""], lines)


def _level_table(level: Shown) -> str:
    """Return the table of a level: accuracy, mean of seeds and worst of all, by exposure and bit error rate."""
    head = ["method", "trained for it", "sub-model", "size %", "hardened %", "in chunks %", "BER 0"]
    head += [f"{exposure} {rate}" for exposure in ("naive", "hardened") for rate in RATES]
    lines = []
    for line in level["lines"]:
        for p in line["points"]:
            exact = f"{p['percent_exact']:.2f}" if p["percent_exact"] is not None else ""
            reached = [p["clean"], *(p[exposure][rate] for exposure in ("naive", "hardened") for rate in RATES)]
            lines.append(
                [
                    line["method"], "yes" if line["retrained"] else "no", p["label"], f"{p['percent']:.2f}",
                    f"{p['percent_hardened']:.2f}", exact,
                    *(f"{100 * r['mean']:.1f} ({100 * r['worst']:.1f})" for r in reached),
                ]
            )  # fmt: skip
    return markdown_table(head, lines)


def _leaving_table(rows: Sequence[Shown]) -> str:
    depths = len(rows[0]["left"])
    head = ["confidence", "accuracy", "operations of the whole", *(f"left at {d}" for d in range(depths))]
    lines = [
        [
            f"{r['confidence']:g}", f"{r['accuracy']:.4f}", f"{r['operations']:.2f}",
            *(f"{100 * share:.0f} %" for share in r["left"]),
        ]
        for r in rows
    ]  # fmt: skip
    return markdown_table(head, lines)
