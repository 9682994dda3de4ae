"""How fast: CPU-seconds until the front is as good on test rows as that of Optuna's NSGA-II and DeepHyper's CBO.

    python -m benchmarks.search_speed [--seeds 5] [--budget 150] [--netgraft-budget 30] [--embedding quantile|linear]
                                      [--tables NAME,...] [--methods NAME,...] [--shard 0/2] [--ablation] [--quick]
                                      [--report]

All search one space with the same rows, batch sizes and epoch caps, each in one process with one thread. After every
evaluation (Netgraft: every batch) the front on validation rows is judged on test rows. A target is the final value of
the better peer, or 95 % of it; the time is the first at which a curve reaches it, for the peers as for Netgraft. A
search of Netgraft that never reaches a target counts as one that needs infinitely long. ``--ablation`` runs the peers
with Netgraft's batched training as well (one seed).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from typing import Any

import numpy as np
import torch

from benchmarks.curves import Curve, final, first_reached
from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.searchers import Problem, search_deephyper, search_netgraft, search_optuna
from benchmarks.tables import ROWS, named, sample
from netgraft.lifecycle.prepare import prepare
from netgraft.tables import Task

TABLES = ["itu_energy", "kth_mesh", "kth_boutique", "tractor", "ucc", "nsl_kdd", "covertype", "houses"]
METHODS = ("netgraft", "optuna", "deephyper")
PEERS = ("optuna", "deephyper")
SHARES = (1.0, 0.95)


def run_cell(task: Task, method: str, seed: int, given: argparse.Namespace) -> Row:
    """Run one search and return its curve."""
    problem = Problem(prepare(task, seed=seed, teacher_s=None), given.embedding)
    started = time.monotonic()
    if method == "netgraft":
        watched = search_netgraft(problem, task, seed, given.netgraft_budget)
    else:
        search = search_optuna if method.startswith("optuna") else search_deephyper
        watched = search(problem, seed, given.budget, batched=method.endswith("batched"))
    curve = watched.curve
    return {
        "evaluations": curve[-1][2] if curve else 0,
        "cpu_s": curve[-1][0] if curve else 0.0,
        "wall_s": round(time.monotonic() - started, 2),
        "hypervolume": final(curve),
        "bounds": list(problem.bounds),
        "curve": thinned(curve),
    }


def thinned(curve: Curve) -> Curve:
    """Return the points of a curve at which the hypervolume changes, and the last."""
    kept = [point for i, point in enumerate(curve) if i == 0 or point[1] != curve[i - 1][1]]
    return kept if not curve or kept[-1] == curve[-1] else [*kept, curve[-1]]


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every cell of this shard that is not done."""
    methods = given.methods.split(",") if given.methods else list(METHODS)
    cells = [
        (seed, source, method)
        for seed in range(given.seeds)
        for source in named(given.tables, TABLES)
        for method in methods
    ]
    if given.ablation:
        cells += [(0, source, f"{peer}_batched") for source in named(given.tables, TABLES) for peer in PEERS]
    shard, shards = map(int, given.shard.split("/"))
    for seed, source, method in cells[shard::shards]:
        budget = given.netgraft_budget if method == "netgraft" else given.budget
        cell = {
            "table": source.name,
            "method": method,
            "seed": seed,
            "rows": given.rows,
            "budget": budget,
            "embedding": given.embedding,
        }
        if raw.has(**cell):
            continue
        rows = sample(source, seed=seed, rows=given.rows)
        task = Task.read(
            rows.train,
            target=rows.target,
            kind=rows.kind,
            group=rows.group,
            test=rows.test,
            seed=seed,
            target_transform="none",
        )
        try:
            result = run_cell(task, method, seed, given)
        except Exception as error:
            result = {
                "failed": f"{type(error).__name__}: {error}"[:300],
                "curve": [],
                "hypervolume": 0.0,
                "evaluations": 0,
            }
        raw.add(cell | result)
        shown = f"{result['hypervolume']:.4f} after {result['evaluations']} evaluations {result.get('failed', '')}"
        print(f"{source.name} seed {seed} {method}: {shown}", file=sys.stderr, flush=True)


def ratios(rows: list[Row], share: float, ours: str = "netgraft", peers: tuple[str, ...] = PEERS) -> list[Row]:
    """Return for each table and seed the target, the times to it, and how many times sooner Netgraft reached it."""
    cells: dict[tuple[str, int], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        cells[row["table"], row["seed"]][row["method"]] = row
    made = []
    for (table, seed), by_method in sorted(cells.items()):
        if ours not in by_method or not all(peer in by_method for peer in peers):
            continue
        target = share * max(by_method[peer]["hypervolume"] for peer in peers)
        times = {name: first_reached(by_method[name]["curve"], target) for name in (ours, *peers)}
        theirs = min((seconds for peer in peers if (seconds := times[peer]) is not None), default=np.inf)
        if not np.isfinite(theirs):  # both peers failed
            continue
        mine = times[ours]
        budget = max(by_method[peer]["budget"] for peer in peers)
        made.append(
            {
                "table": table,
                "seed": seed,
                "target": target,
                "peer_s": theirs,
                "netgraft_s": mine,
                "ratio": 0.0 if mine is None else theirs / mine,
                "budget_ratio": 0.0 if mine is None else budget / mine,
                "finals": {name: by_method[name]["hypervolume"] for name in (ours, *peers)},
            }
        )
    return made


def summary(rows: list[Row]) -> str:
    """Return the tables of the page."""
    parts = []
    for share in SHARES:
        found = ratios(rows, share)
        parts.append(f"## To {share:.0%} of the better peer's final test hypervolume")
        parts.append(_spread(found) if found else "not all methods have run")
    return "\n\n".join([*parts, _by_table(rows), _finals(rows), _ablation(rows)])


def _spread(found: list[Row]) -> str:
    """Return the median ratio and its spread in words."""
    sooner, whole = (np.array([row[name] for row in found]) for name in ("ratio", "budget_ratio"))
    missed = sum(row["netgraft_s"] is None for row in found)
    low, high = np.quantile(sooner, [0.25, 0.75])
    return (
        f"Netgraft is **{np.median(sooner):.1f} times** sooner than the better peer (median of {len(found)} pairs of "
        f"table and seed; quartiles {low:.1f} and {high:.1f}; least {sooner.min():.1f}, most {sooner.max():.1f}); "
        f"slower in {int((sooner < 1).sum())} of {len(found)}, of which {missed} never reached it. Against the whole "
        f"budget of the peers the median is {np.median(whole):.1f}."
    )


def _by_table(rows: list[Row]) -> str:
    """Return the medians table by table."""
    lines = []
    by_share = {share: ratios(rows, share) for share in SHARES}
    for table in dict.fromkeys(row["table"] for row in by_share[1.0]):
        cells: list[str] = [table]
        for share in SHARES:
            own = [row for row in by_share[share] if row["table"] == table]
            times = [np.inf if row["netgraft_s"] is None else row["netgraft_s"] for row in own]
            cells += [f"{np.median([row['peer_s'] for row in own]):.1f}", f"{np.median(times):.1f}"]
            cells += [f"{np.median([row['ratio'] for row in own]):.1f}"]
        lines.append(cells)
    head = ["table"] + [
        f"{what} ({share:.0%})"
        for share in SHARES
        for what in ("better peer, CPU-s", "Netgraft, CPU-s", "times sooner")
    ]
    return "## By table, medians over seeds\n\n" + markdown_table(head, lines)


def _finals(rows: list[Row]) -> str:
    """Return the final hypervolumes, evaluations and failures of each method."""
    lines = []
    methods = list(dict.fromkeys(row["method"] for row in rows))
    for table in dict.fromkeys(row["table"] for row in rows):
        cells: list[str] = [table]
        for method in methods:
            own = [row for row in rows if row["table"] == table and row["method"] == method]
            values = [row["hypervolume"] for row in own]
            count = np.median([row["evaluations"] for row in own]) if own else 0
            failed = sum("failed" in row for row in own)
            text = f"{np.median(values):.4f} ({min(values):.3f} to {max(values):.3f}; {count:.0f})" if own else ""
            cells.append(text + (f" {failed} failed" if failed else ""))
        lines.append(cells)
    head = ["table", *methods]
    return "## Final test hypervolume: median (least to most; evaluations)\n\n" + markdown_table(head, lines)


def _ablation(rows: list[Row]) -> str:
    """Return the comparison with peers that have the batched engine."""
    peers = tuple(f"{peer}_batched" for peer in PEERS)
    parts = []
    for share in SHARES:
        found = ratios([row for row in rows if row["seed"] == 0], share, peers=peers)
        if found:
            parts.append(f"To {share:.0%}: " + _spread(found))
    if not parts:
        return ""
    return (
        "## The peers with Netgraft's batched training (one seed): what the search itself is worth\n\n"
        + "\n\n".join(parts)
    )


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=150.0, help="CPU-seconds of each peer")
    parser.add_argument("--netgraft-budget", type=float, default=30.0, help="CPU-seconds of Netgraft")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--embedding", choices=("quantile", "linear"), default="quantile", help="of numbers, for all")
    parser.add_argument("--tables", help=f"comma-separated; default {','.join(TABLES)}")
    parser.add_argument("--methods", help=f"comma-separated; default {','.join(METHODS)}")
    parser.add_argument("--shard", default="0/1", help="run only this share of the cells, such as 0/2")
    parser.add_argument("--ablation", action="store_true", help="also the peers with Netgraft's batched training")
    parser.add_argument("--quick", action="store_true", help="one seed, 8,000 rows, 12 s for all; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        values: dict[str, Any] = {"seeds": 1, "rows": 8_000, "budget": 12.0, "netgraft_budget": 6.0}
        given = argparse.Namespace(**vars(given) | values | {"tables": given.tables or "kth_mesh,nsl_kdd"})
    torch.set_num_threads(1)
    raw = Raw("search_speed", ("table", "method", "seed", "rows", "budget", "embedding"), quick=given.quick)
    if not given.report:
        run(given, raw)
    wanted = {given.budget, given.netgraft_budget}
    rows = [row for row in raw.rows() if row["rows"] == given.rows and row["budget"] in wanted]
    text = summary([row for row in rows if row["embedding"] == given.embedding])
    if given.report:
        page("search_speed", "Search speed against Optuna and DeepHyper", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
