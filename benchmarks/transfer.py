"""What earlier models are worth: targets of 50, 200 and 1,000 rows, with sources from the same table and without.

    python -m benchmarks.transfer [--seeds 3] [--budget 20] [--targets NAME,...] [--rows 50,200,1000]
                                  [--methods NAME,...] [--tabm-rows 200] [--shard 0/2] [--quick] [--report]

17 targets of 7 tables (`benchmarks.transfer_tasks`): a type of radio unit, a service, an application, a trial, a kind
of drive, a phone, an area. Up to 4 other domains of the table are its sources: 4,000 rows of each, searched once for
the budget and put into a library that keeps 1,000 rows of each. ``netgraft`` searches the target with that library and
chooses its sources itself, ``netgraft cold`` without. The peers (`benchmarks.transfer_peers`) have the target's rows,
the same kept rows, and models that were trained on all rows of the sources. Scores are R2 or accuracy on up to 4,000
test rows of groups that are in no training row of the target. TabM-D, which is slow, runs up to 200 rows.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from benchmarks.curves import first_reached
from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.transfer_peers import PEERS, Earlier
from benchmarks.transfer_search import curve, kept_rows, library_of, run_netgraft
from benchmarks.transfer_tasks import ROWS, case, targets_named

OURS, COLD = "netgraft", "netgraft cold"
METHODS = (OURS, COLD, *PEERS)
SLOW = "tabm_d"
FEW, NEAR = 200, 0.02
#: fewer rows with sources -> more rows cold, at most five times as many
STEPS = ((50, 200), (200, 1_000))
#: target -> rows -> method -> seed -> score
Scores = dict[str, dict[int, dict[str, dict[int, float]]]]


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every cell of this shard that is not done; all cells of a target and a seed are of one shard."""
    shard, shards = map(int, given.shard.split("/"))
    pairs = [(seed, target) for seed in range(given.seeds) for target in given.targets]
    earlier: dict[str, Earlier] = {}
    for seed, target in pairs[shard::shards]:
        for rows in given.rows:
            cells = [
                {"target": target, "rows": rows, "method": method, "seed": seed, "budget": given.budget}
                for method in given.methods
                if method != SLOW or rows <= given.tabm_rows
            ]
            missing = [cell for cell in cells if not raw.has(**cell)]
            if not missing:
                continue
            task = case(target, rows=rows, seed=seed)
            library = library_of(task, given.budget)
            if target not in earlier:
                earlier[target] = Earlier(task, kept_rows(task, library))
            for cell in missing:
                result = _attempt(cell, task, earlier[target], library)
                raw.add(cell | {"test": len(task.sample.test)} | result)
                shown = result.get("score", result.get("failed"))
                about = f"{target} {rows} rows seed {seed} {cell['method']}"
                print(f"{about}: {shown} in {result['cpu_s']} CPU-s", file=sys.stderr, flush=True)


def _attempt(cell: Row, task: Any, earlier: Earlier, library: Any) -> Row:
    """Return the result of a cell; a failure is a result too."""
    started = time.process_time()
    method, seed = cell["method"], cell["seed"]
    try:
        if method in (OURS, COLD):
            sources = "auto" if method == OURS else "none"
            result = run_netgraft(task, library, seed, cell["budget"], sources)
        else:
            result = {"score": task.sample.score(PEERS[method](task, earlier, seed))}
    except Exception as error:
        result = {"failed": f"{type(error).__name__}: {error}"[:300]}
    return result | {"cpu_s": round(time.process_time() - started, 3)}


def scores(rows: Sequence[Row]) -> Scores:
    """Return the scores; failures are -inf."""
    found: Scores = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for row in rows:
        found[row["target"]][row["rows"]][row["method"]][row["seed"]] = row.get("score", -np.inf)
    return found


def medians(found: Scores) -> dict[tuple[str, int], dict[str, float]]:
    """Return the median score over seeds of each method by target and rows, where both of ours have run."""
    made = {}
    for target, by_rows in found.items():
        for rows, by_method in by_rows.items():
            if OURS in by_method and COLD in by_method:
                seeds = set(by_method[OURS]) & set(by_method[COLD])
                made[target, rows] = {
                    method: float(np.median([own[seed] for seed in seeds if seed in own]))
                    for method, own in by_method.items()
                    if seeds & set(own)
                }
    return made


def ranks(cells: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean rank of each method that ran in all cells, among those methods; equal to 4 digits is equal."""
    shared = [method for method in METHODS if cells and all(method in cell for cell in cells)]
    if not shared:
        return {}
    table = np.array([rankdata([-round(cell[method], 4) for method in shared]) for cell in cells])
    return dict(zip(shared, table.mean(axis=0).tolist(), strict=True))


def summary(rows: list[Row]) -> str:
    """Return the tables of the page."""
    found = scores(rows)
    middle = medians(found)
    if not middle:
        return "no target where both searches have run"
    parts = ["## Mean ranks of the median scores over seeds", _ranks(middle)]
    parts += ["## Against the one best other method", _best_other(middle)]
    parts += ["## Against our own cold start, cell by cell", _against_cold(rows, found)]
    parts += ["## Time to the cold start's final test hypervolume", _times(rows)]
    parts += ["## A fifth of the rows", _fewer_rows(found)]
    parts += ["## What the guard decided", _guard(rows)]
    parts += ["## Median test scores (least to most over seeds)", _scores(found, middle)]
    parts += ["## CPU-seconds of a fit, median over all cells", _costs(rows)]
    return "\n\n".join(parts)


def _ranks(middle: dict[tuple[str, int], dict[str, float]]) -> str:
    """Return the mean ranks over all targets, and by the number of rows."""
    sizes = sorted({rows for _, rows in middle})
    columns = {"all": ranks(list(middle.values()))}
    columns |= {f"{size} rows": ranks([cell for (_, n), cell in middle.items() if n == size]) for size in sizes}
    counts = {"all": len(middle)} | {f"{size} rows": sum(n == size for _, n in middle) for size in sizes}
    head = ["method"] + [
        f"{name} (of {len(by_method)}; {counts[name]} tasks)" for name, by_method in columns.items() if by_method
    ]
    names = [method for method in METHODS if any(method in by_method for by_method in columns.values())]
    first = columns["all"]
    names.sort(key=lambda name: first.get(name, np.inf))
    lines = [[name, *(f"{by[name]:.2f}" if name in by else "" for by in columns.values() if by)] for name in names]
    return markdown_table(head, lines)


def _best_other(middle: dict[tuple[str, int], dict[str, float]]) -> str:
    """Return how often ours beats the method with the best mean rank at few rows, and the best of each task."""
    few = {key: cell for key, cell in middle.items() if key[1] <= FEW}
    by_rank = {name: rank for name, rank in ranks(list(few.values())).items() if name not in (OURS, COLD)}
    if not by_rank:
        return "no task"
    best = min(by_rank, key=lambda name: by_rank[name])
    gaps = {key: cell[OURS] - cell[best] for key, cell in few.items()}
    better, same = sum(gap > 1e-4 for gap in gaps.values()), sum(abs(gap) <= 1e-4 for gap in gaps.values())
    of_each = sum(
        cell[OURS] > max(score for name, score in cell.items() if name not in (OURS, COLD)) + 1e-4
        for cell in few.values()
    )
    worst = sorted(gaps.items(), key=lambda pair: pair[1])[:5]
    lost = ", ".join(f"{target} {rows} ({gap:+.3f})" for (target, rows), gap in worst if gap < 0) or "none"
    return (
        f"At {FEW} rows or fewer the one other method with the best mean rank (our cold start aside) is **{best}**. "
        f"Netgraft is better on {better} of {len(gaps)} tasks ({better / len(gaps):.0%}), equal on {same}; it is "
        f"better than the best other method of each single task on {of_each}. Largest losses: {lost}."
    )


def _pairs(rows: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    """Yield the rows of ours and of the cold start that are of one cell, failed ones left out."""
    cells: dict[tuple[str, int, int], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if "score" in row:
            cells[row["target"], row["rows"], row["seed"]][row["method"]] = row
    for _, by_method in sorted(cells.items()):
        if OURS in by_method and COLD in by_method:
            yield by_method[OURS], by_method[COLD]


def _against_cold(rows: Sequence[Row], found: Scores) -> str:
    """Return how the scores differ from the cold start's."""
    pairs = list(_pairs(rows))
    lines = []
    for size in ["all", *sorted({ours["rows"] for ours, _ in pairs})]:
        chosen = [(ours, cold) for ours, cold in pairs if size in ("all", ours["rows"])]
        gaps = np.array([ours["score"] - cold["score"] for ours, cold in chosen])
        low, mid, high = np.quantile(gaps, [0.25, 0.5, 0.75])
        worst = int(gaps.argmin())
        where = f"{chosen[worst][0]['target']} {chosen[worst][0]['rows']} seed {chosen[worst][0]['seed']}"
        lines.append(
            [
                str(size),
                str(len(gaps)),
                f"{mid:+.4f} ({low:+.4f} to {high:+.4f})",
                f"{gaps.mean():+.4f}",
                f"{(gaps > 0).mean():.0%}",
                f"{(gaps >= -NEAR).mean():.0%}",
                f"{gaps.min():+.4f} ({where})",
            ]
        )
    head = ["rows", "cells", "median (quartiles)", "mean", "better", f"no worse than -{NEAR}", "worst"]
    failed = sum("failed" in row for row in rows if row["method"] in (OURS, COLD))
    middle = [cell[OURS] - cell[COLD] for cell in medians(found).values()]
    return markdown_table(head, lines) + (
        f"\n\nOf medians over seeds {np.mean(np.array(middle) >= -NEAR):.0%} of {len(middle)} tasks are no worse than "
        f"-{NEAR}, the worst {min(middle):+.4f}. Failed searches: {failed}."
    )


def _times(rows: Sequence[Row]) -> str:
    """Return how much sooner the search with sources is as good as the cold one in the end."""
    lines, every = [], []
    for size in sorted({row["rows"] for row in rows}):
        ratios, missed, finals = [], 0, []
        for ours, cold in _pairs(rows):
            if ours["rows"] != size:
                continue
            bounds = (cold["space"][0], cold["space"][1])
            warm, base = curve(ours["fronts"], bounds), curve(cold["fronts"], bounds)
            target = base[-1][1]
            theirs, mine = first_reached(base, target), first_reached(warm, target)
            assert theirs is not None
            missed += mine is None
            ratios.append(0.0 if mine is None else theirs / mine)
            finals.append(warm[-1][1] - target)
        if ratios:
            every += ratios
            lines.append([str(size), *_spread(ratios), f"{missed} of {len(ratios)}", f"{np.median(finals):+.4f}"])
    head = ["rows", "times sooner, median", "quartiles", "never", "final hypervolume less the cold one's, median"]
    return (
        f"In CPU-seconds with everything the search does, comparing and carrying over earlier models included. "
        f"The median over all cells is **{np.median(every):.2f} times** sooner; never getting there counts as 0.\n\n"
        + markdown_table(head, lines)
    )


def _spread(ratios: Sequence[float]) -> list[str]:
    low, mid, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return [f"{mid:.2f}", f"{low:.2f} to {high:.2f}"]


def _fewer_rows(found: Scores) -> str:
    """Return how few rows with sources compare with more rows without."""
    lines = []
    for few, many in STEPS:
        gaps = []
        for by_rows in found.values():
            with_sources, cold = by_rows[few].get(OURS, {}), by_rows[many].get(COLD, {})
            gaps += [with_sources[seed] - cold[seed] for seed in sorted(set(with_sources) & set(cold))]
        if gaps:
            values = np.array(gaps)
            lines.append(
                [
                    f"{few} with sources against {many} cold",
                    str(len(values)),
                    f"{np.median(values):+.4f}",
                    f"{(values >= 0).mean():.0%}",
                    f"{(values >= -NEAR).mean():.0%}",
                ]
            )
    return markdown_table(["rows", "cells", "median difference", "as good or better", f"no worse than -{NEAR}"], lines)


def _guard(rows: Sequence[Row]) -> str:
    """Return how often sources were accepted, how transfers began, and whether the decision was right."""
    lines = []
    pairs = list(_pairs(rows))
    for size in sorted({ours["rows"] for ours, _ in pairs}):
        chosen = [(ours, cold) for ours, cold in pairs if ours["rows"] == size]
        gaps = np.array([ours["score"] - cold["score"] for ours, cold in chosen])
        accepted = np.array([ours["decision"] == "accepted" for ours, _ in chosen])
        modes = [ours["mode"] for ours, _ in chosen if ours["decision"] == "accepted"]
        counted = sorted({str(mode): modes.count(mode) for mode in modes}.items(), key=lambda pair: -pair[1])
        lines.append(
            [
                str(size),
                f"{accepted.sum()} of {len(accepted)}",
                f"{np.median(gaps[accepted]):+.4f}" if accepted.any() else "",
                f"{np.median(gaps[~accepted]):+.4f}" if (~accepted).any() else "",
                ", ".join(f"{mode} {count}" for mode, count in counted),
            ]
        )
    head = ["rows", "accepted", "gain over cold when accepted, median", "when refused", "root from"]
    return markdown_table(head, lines)


def _scores(found: Scores, middle: dict[tuple[str, int], dict[str, float]]) -> str:
    """Return the median scores, the best of each line in bold."""
    shown = [method for method in METHODS if any(method in cell for cell in middle.values())]
    lines = []
    for (target, rows), cell in sorted(middle.items()):
        best = max(cell.values())
        texts = []
        for method in shown:
            values = list(found[target][rows].get(method, {}).values())
            text = f"{cell[method]:.3f} ({min(values):.2f} to {max(values):.2f})" if method in cell else ""
            texts.append(f"**{text}**" if text and cell[method] >= best - 5e-5 else text)
        lines.append([target, str(rows), *texts])
    return markdown_table(["target", "rows", *shown], lines)


def _costs(rows: Sequence[Row]) -> str:
    """Return the CPU-seconds of each method, and its failures."""
    lines = []
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        spent = [row["cpu_s"] for row in own if "score" in row]
        failed = sorted({f"{row['target']}: {row['failed']}" for row in own if "failed" in row})
        if own:
            text = [f"{np.median(spent):.2f}", f"{min(spent):.2f} to {max(spent):.1f}"] if spent else ["", ""]
            lines.append([method, *text, str(len(own)), "; ".join(failed) or "none"])
    note = (
        "The first fit of a target that needs models of its sources trains them; the sources' own searches are apart."
    )
    return note + "\n\n" + markdown_table(["method", "median CPU-s", "least to most", "fits", "failures"], lines)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=20.0, help="CPU-seconds of each search, of sources too")
    parser.add_argument("--targets", help="comma-separated names, such as energy/Type2")
    parser.add_argument("--rows", default=",".join(map(str, ROWS)), help="rows that targets have")
    parser.add_argument("--methods", help=f"comma-separated; default {','.join(METHODS)}")
    parser.add_argument("--tabm-rows", type=int, default=FEW, help="most rows for which TabM-D runs")
    parser.add_argument("--shard", default="0/1", help="run only this share of the cells, such as 0/2")
    parser.add_argument("--quick", action="store_true", help="one seed, two targets, 50 rows, 8 s; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        values: dict[str, Any] = {"seeds": 1, "budget": 8.0, "rows": "50", "targets": given.targets}
        values["targets"] = given.targets or "energy/Type2,services/S2"
        given = argparse.Namespace(**vars(given) | values)
    given.targets = targets_named(given.targets)
    given.rows = [int(rows) for rows in given.rows.split(",")]
    given.methods = given.methods.split(",") if given.methods else list(METHODS)
    torch.set_num_threads(1)
    raw = Raw("transfer", ("target", "rows", "method", "seed", "budget"), quick=given.quick)
    if not given.report:
        run(given, raw)
    rows = [
        row
        for row in raw.rows()
        if row["budget"] == given.budget and row["rows"] in given.rows and row["target"] in given.targets
    ]
    text = summary(rows)
    if given.report:
        page("transfer", "Transfer from earlier models", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
