"""How good: the test score of what Netgraft picks against the models people use today, at their defaults.

    python -m benchmarks.quality [--part main|small] [--seeds 5] [--budget 60] [--tables NAME,...] [--methods NAME,...]
                                 [--shard 0/2] [--quick] [--report]

Part ``main``: 20,000 rows, LightGBM, CatBoost, XGBoost, scikit-learn's MLP. Part ``small``: 1,000 rows, because TabM-D
takes more than eight minutes per fit of 5,000 on one core, with RealMLP-TD-S and TabM-D of pytabkit as well. Scores are
R2 or accuracy on test rows that no method sees before; for how they differ from train rows see `benchmarks.tables`.
``netgraft`` is the picked point, which may be a network, trees or
a stack; ``netgraft network`` the network with the least validation error; ``netgraft 5k`` that among networks with at
most 5,000 stored numbers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.page import markdown_table, page
from benchmarks.peers import PEERS
from benchmarks.raw import Raw, Row
from benchmarks.tables import Sample, named, sample

TABLES = [
    "itu_energy",
    "kth_mesh",
    "kth_boutique",
    "kth_apps",
    "tractor",
    "ucc",
    "uji",
    "nsl_kdd",
    "covertype",
    "adult",
    "letter",
    "houses",
    "house_16h",
    "pol",
]
SMALL_TABLES = [
    "itu_energy",
    "kth_mesh",
    "kth_boutique",
    "kth_apps",
    "tractor",
    "ucc",
    "nsl_kdd",
    "covertype",
    "letter",
    "houses",
]
METHODS = {
    "main": ("netgraft", "lightgbm", "catboost", "xgboost", "sklearn_mlp"),
    "small": ("netgraft", "lightgbm", "catboost", "xgboost", "sklearn_mlp", "realmlp_td_s", "tabm_d"),
}
ROWS = {"main": 20_000, "small": 1_000}
SMALL_NETWORK = 5_000
NEAR = 0.01


def run_netgraft(rows: Sample, seed: int, budget_s: float) -> Row:
    """Search a front and return its points' test scores; the picked one's is the score."""
    from netgraft.lifecycle.search import SearchSettings, search_front
    from netgraft.tables import Task

    task = Task.read(rows.train, target=rows.target, kind=rows.kind, group=rows.group, test=rows.test, seed=seed)
    front = search_front(task, SearchSettings(budget_s=budget_s, seed=seed, jobs=1))
    points = [
        {
            "id": point.id,
            "family": point.family,
            "parameters": point.model.parameters,
            "size": point.values["size"],
            "validation": 1 - point.values["error"],
            "score": 1 - point.test["error"],
        }
        for point in front.points
        if point.test is not None
    ]
    picked = next(point for point in points if point["id"] == front.picked)
    return {
        "score": picked["score"],
        "picked": picked["family"],
        "evaluations": front.archive.trained,
        "points": points,
    }


def run_cell(rows: Sample, method: str, seed: int, budget_s: float) -> Row:
    """Fit one method and return its score and costs."""
    cpu, wall = time.process_time(), time.monotonic()
    if method == "netgraft":
        result = run_netgraft(rows, seed, budget_s)
    else:
        fitted = PEERS[method](rows, seed)
        result = {"fit_cpu_s": round(time.process_time() - cpu, 3), "score": rows.score(fitted.predict(rows.test))}
    return result | {"cpu_s": round(time.process_time() - cpu, 3), "wall_s": round(time.monotonic() - wall, 3)}


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every cell of this shard that is not done."""
    methods = given.methods.split(",") if given.methods else METHODS[given.part]
    default = TABLES if given.part == "main" else SMALL_TABLES
    shard, shards = map(int, given.shard.split("/"))
    pairs = [(seed, source) for seed in range(given.seeds) for source in named(given.tables, default)]
    for seed, source in pairs[shard::shards]:
        rows = None
        for method in methods:
            cell = {"table": source.name, "method": method, "seed": seed, "rows": given.rows}
            cell["budget"] = given.budget if method == "netgraft" else None
            if raw.has(**cell):
                continue
            rows = rows if rows is not None else sample(source, seed=seed, rows=given.rows)
            result = _attempt(rows, method, seed, given.budget)
            about = {"train": len(rows.train), "test": len(rows.test), "features": len(rows.features)}
            raw.add(cell | about | result)
            shown = result.get("score", result.get("failed"))
            print(
                f"{source.name} seed {seed} {method}: {shown} in {result['cpu_s']} CPU-s", file=sys.stderr, flush=True
            )


def _attempt(rows: Sample, method: str, seed: int, budget_s: float) -> Row:
    """Return the result of a cell; a failure is a result too."""
    started = time.process_time()
    try:
        return run_cell(rows, method, seed, budget_s)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:300], "cpu_s": round(time.process_time() - started, 3)}


def scores(rows: list[Row]) -> dict[str, dict[str, dict[int, float]]]:
    """Return method -> table -> seed -> score; the networks of Netgraft's front count as methods, failures as -inf."""
    found: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row["method"]][row["table"]][row["seed"]] = row.get("score", -np.inf)
        networks = [point for point in row.get("points", ()) if point["family"] == "network"]
        small = [point for point in networks if point["parameters"] <= SMALL_NETWORK]
        for name, points in (("netgraft network", networks), ("netgraft 5k", small)):
            if points:
                best = max(points, key=lambda point: point["validation"])
                found[name][row["table"]][row["seed"]] = best["score"]
    return found


def summary(rows: list[Row], budget: float) -> str:
    """Return the tables of the page."""
    rows = [row for row in rows if row["budget"] in (None, budget)]
    if not rows:
        return "no rows"
    found = scores(rows)
    methods = [name for name in ("netgraft", *PEERS) if name in found]
    tables = sorted({row["table"] for row in rows}, key=lambda name: [*TABLES, *SMALL_TABLES, name].index(name))
    shown = [*methods, *(name for name in ("netgraft network", "netgraft 5k") if name in found)]
    parts = [
        f"Netgraft searched {budget:g} s of wall time in one process.",
        "## Mean ranks",
        _ranks(found, methods, tables),
    ]
    parts += ["## Median test score per table (least to most over seeds)", _medians(found, shown, tables)]
    parts += [
        "## Wins and losses of the picked point, table by table, on the median over seeds",
        _wins(found, methods, tables),
    ]
    parts += ["## Small networks", _near(rows, found, methods, tables)]
    parts += [
        "## CPU-seconds per fit, median over tables and seeds; for Netgraft the whole search",
        _costs(rows, methods),
    ]
    return "\n\n".join(parts)


def _ranks(found: Any, methods: list[str], tables: list[str]) -> str:
    """Return mean ranks over tables and seeds where all methods ran, and over medians."""
    every, by_median = [], []
    for table in tables:
        shared = set.intersection(*(set(found[method][table]) for method in methods))
        every += [rankdata([-round(found[name][table][seed], 4) for name in methods]) for seed in sorted(shared)]
        if shared:
            by_median.append(rankdata([-round(_median(found[method][table], shared), 4) for method in methods]))
    head = ["method", f"mean rank of {len(methods)}", "standard error", "mean rank of medians", "first places"]
    ranks, middle = np.array(every), np.array(by_median)
    lines = [
        [
            method,
            f"{ranks[:, i].mean():.2f}",
            f"{middle[:, i].std(ddof=1) / np.sqrt(len(middle)):.2f}" if len(middle) > 1 else "",
            f"{middle[:, i].mean():.2f}",
            f"{(middle[:, i] == middle.min(axis=1)).sum()} of {len(middle)}",
        ]
        for i, method in enumerate(methods)
    ]
    return markdown_table(head, sorted(lines, key=lambda line: float(line[1])))


def _median(by_seed: dict[int, float], seeds: set[int] | None = None) -> float:
    return float(np.median([score for seed, score in by_seed.items() if seeds is None or seed in seeds]))


def _medians(found: Any, shown: list[str], tables: list[str]) -> str:
    """Return the median scores, the best peer or picked point in bold."""
    lines = []
    for table in tables:
        middle = {name: _median(found[name][table]) for name in shown if found[name][table]}
        best = max(value for name, value in middle.items() if name in ("netgraft", *PEERS))
        cells = []
        for name in shown:
            values = list(found[name][table].values())
            text = f"{middle[name]:.4f} ({min(values):.3f} to {max(values):.3f})" if values else ""
            cells.append(
                f"**{text}**" if values and name in ("netgraft", *PEERS) and middle[name] >= best - 5e-5 else text
            )
        lines.append([table, *cells])
    return markdown_table(["table", *shown], lines)


def _wins(found: Any, methods: list[str], tables: list[str]) -> str:
    """Return against each peer how often the picked point is better, the same within 0.001, worse."""
    lines = []
    for method in methods[1:]:
        gaps = {
            t: _median(found["netgraft"][t]) - _median(found[method][t])
            for t in tables
            if found["netgraft"][t] and found[method][t]
        }
        better = [table for table, gap in gaps.items() if gap > 0.001]
        worse = [f"{table} ({gap:+.3f})" for table, gap in gaps.items() if gap < -0.001]
        same = len(gaps) - len(better) - len(worse)
        lines.append([method, str(len(better)), str(same), str(len(worse)), ", ".join(worse) or "none"])
    return markdown_table(["against", "better", "within 0.001", "worse", "where worse"], lines)


def _near(rows: list[Row], found: Any, methods: list[str], tables: list[str]) -> str:
    """Return where a small network of the front is near the best score of all methods."""
    lines, near, any_near = [], 0, 0
    for table in tables:
        best = max(_median(found[method][table]) for method in methods if found[method][table])
        chosen = _median(found["netgraft 5k"][table]) if found["netgraft 5k"][table] else float("nan")
        fronts = [row["points"] for row in rows if row["table"] == table and "points" in row]
        small = [
            max(
                (p["score"] for p in points if p["family"] == "network" and p["parameters"] <= SMALL_NETWORK),
                default=np.nan,
            )
            for points in fronts
        ]
        most = float(np.nanmedian(small)) if small and not np.all(np.isnan(small)) else float("nan")
        near += chosen >= best - NEAR
        any_near += most >= best - NEAR
        lines.append([table, f"{best:.4f}", f"{chosen:.4f}", f"{most:.4f}", "yes" if chosen >= best - NEAR else "no"])
    text = (
        f"Within {NEAR} of the best score of any method at no more than {SMALL_NETWORK} stored numbers (weights, "
        f"encoders and calibration): {near} of {len(tables)} tables when the network is chosen on validation rows; "
        f"{any_near} of {len(tables)} when any point of the front may serve."
    )
    head = ["table", "best of all", "small network, chosen on validation", "best small network of the front", "near"]
    return text + "\n\n" + markdown_table(head, lines)


def _costs(rows: list[Row], methods: list[str]) -> str:
    """Return the CPU-seconds of each method, and its failures."""
    lines = []
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        spent = [row["cpu_s"] for row in own if "score" in row]
        failed = [f"{row['table']}: {row['failed']}" for row in own if "failed" in row]
        text = [f"{np.median(spent):.2f}", f"{min(spent):.2f} to {max(spent):.1f}"] if spent else ["", ""]
        lines.append([method, *text, str(len(own)), "; ".join(sorted(set(failed))) or "none"])
    return markdown_table(["method", "median CPU-s", "least to most", "fits", "failures"], lines)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(METHODS), default="main")
    parser.add_argument("--seeds", type=int, help="default 5, and 2 for part small")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each Netgraft search")
    parser.add_argument("--tables", help="comma-separated names")
    parser.add_argument("--methods", help="comma-separated names")
    parser.add_argument("--shard", default="0/1", help="run only this share of the cells, such as 0/2")
    parser.add_argument("--quick", action="store_true", help="one seed, two tables, 2,500 rows, 5 s; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    values = {"seeds": given.seeds or (5 if given.part == "main" else 2), "rows": ROWS[given.part]}
    if given.quick:
        values = {"seeds": 1, "rows": 2_500, "budget": 5.0, "tables": given.tables or "kth_mesh,nsl_kdd"}
    given = argparse.Namespace(**vars(given) | values)
    name = "quality" if given.part == "main" else "quality_small"
    raw = Raw(name, ("table", "method", "seed", "rows", "budget"), quick=given.quick)
    if not given.report:
        run(given, raw)
    rows = [row for row in raw.rows() if row["rows"] == given.rows]
    text = summary(rows, given.budget)
    if given.report:
        page(name, f"Quality against today's models, part {given.part}", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
