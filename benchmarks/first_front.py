"""How soon: CPU-seconds from the end of the import until the first usable front.

    python -m benchmarks.first_front [--seeds 5] [--budget 60] [--stop] [--quick] [--report]

Tables of 10,000 rows and 20 columns: synthetic (regression, three classes) and real (base-station energy). Each search
runs in a fresh process with one thread. The first front counts when it holds three or more networks that could be
exported and the best is better on validation rows than predicting the mean or the commonest class. How good it is
already: its hypervolume on validation rows, beside that of the end of the search. ``--stop`` ends a search at its first
usable front, so the end is not known.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row

TABLES = ("synthetic regression", "synthetic classes", "itu_energy")
ROWS, COLUMNS = 10_000, 20
LEAST_NETWORKS = 3
GOAL_S = 5.0


def child(table: str, seed: int, budget_s: float, stop: bool) -> None:
    """Search in this fresh process and print one JSON row."""
    import time

    frame: Any
    frame, options = _table(table, seed)
    before = time.process_time()
    from netgraft.lifecycle import search as product
    from netgraft.search import non_dominated
    from netgraft.tables import Task

    imported = time.process_time()
    history: list[list[float]] = []
    done: list[Any] = []

    def on_batch(report: Any, _network: Any) -> None:
        now = time.process_time() - imported
        done.extend(e for e in report.evaluations if e.valued)
        points = np.array([[e.values["error"], e.values["size"]] for e in done])
        networks = int(non_dominated(points).sum()) if done else 0
        history.append([now, networks, float(points[:, 0].min()) if done else 1.0, report.hypervolume, report.trained])
        if stop and _usable(history, trivial) is not None:
            raise KeyboardInterrupt  # ends the search in good order

    task = Task.read(frame, seed=seed, **options)
    read = time.process_time() - imported
    trivial = _trivial_error(task)
    settings = product.SearchSettings(budget_s=budget_s, seed=seed, jobs=1)
    product.search_front(task, settings, on_batch=on_batch)
    usable = _usable(history, trivial)
    row = {
        "import_cpu_s": imported - before,
        "read_cpu_s": read,
        "first_cpu_s": None if usable is None else usable[0],
        "first_networks": None if usable is None else usable[1],
        "first_error": None if usable is None else usable[2],
        "first_hypervolume": None if usable is None else usable[3],
        "final_error": None if stop else history[-1][2],
        "final_hypervolume": None if stop else history[-1][3],
        "history": history,
    }
    print(json.dumps(row))


def _usable(history: list[list[float]], trivial: float) -> list[float] | None:
    """Return the first entry that counts, or None."""
    return next((entry for entry in history if entry[1] >= LEAST_NETWORKS and entry[2] < trivial), None)


def _table(table: str, seed: int) -> tuple[Any, dict[str, Any]]:
    """Return a frame and how it is read."""
    from benchmarks.synthetic import table as synthetic
    from benchmarks.tables import SOURCES, sample

    if table.startswith("synthetic"):
        return synthetic(ROWS, COLUMNS, seed, classes=3 if "classes" in table else 0), {"target": "y"}
    rows = sample(SOURCES[table], seed=seed, rows=round(ROWS / 0.8))
    return rows.train, {"target": rows.target, "kind": rows.kind, "group": rows.group}


def _trivial_error(task: Any) -> float:
    """Return the error of the commonest class; 1 is that of the mean."""
    if task.kind == "regression":
        return 1.0
    return 1 - float(np.bincount(task.rows.y).max() / len(task.rows.y))


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every cell that is not done, each in a process of its own."""
    for seed in range(given.seeds):
        for table in TABLES:
            cell = {"table": table, "seed": seed, "budget": given.budget, "stop": given.stop}
            if raw.has(**cell):
                continue
            command = [
                sys.executable,
                "-m",
                "benchmarks.first_front",
                "--child",
                table,
                str(seed),
                str(given.budget),
                str(given.stop),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            result: Row = (
                {"failed": done.stderr[-300:]} if done.returncode else json.loads(done.stdout.splitlines()[-1])
            )
            raw.add(cell | result)
            print(
                f"{table} seed {seed}: {result.get('first_cpu_s', result.get('failed'))}", file=sys.stderr, flush=True
            )


def summary(rows: list[Row]) -> str:
    """Return the table of the page."""
    lines = []
    for table in TABLES:
        own = [row for row in rows if row["table"] == table and row.get("first_cpu_s") is not None]
        if not own:
            continue
        fields = ("import_cpu_s", "first_cpu_s", "first_networks", "first_hypervolume", "final_hypervolume")
        spread = [_spread([row[name] for row in own]) for name in (*fields, "first_error", "final_error")]
        within = sum(row["first_cpu_s"] <= GOAL_S for row in own)
        lines.append([table, *spread, f"{within} of {sum(row['table'] == table for row in rows)}"])
    head = [
        "table",
        "import, CPU-s",
        "first front, CPU-s after import",
        "networks on it",
        "hypervolume then",
        "at the end",
    ]
    head += ["least error then", "at the end", f"within {GOAL_S:g} CPU-s"]
    return "Medians (least to most over seeds).\n\n" + markdown_table(head, lines)


def _spread(values: list[float | None]) -> str:
    """Return the median, and the least and the most; nothing where it was not measured."""
    known = [value for value in values if value is not None]
    return "{1:.2f} ({0:.2f} to {2:.2f})".format(*np.quantile(known, [0, 0.5, 1])) if known else ""


def main() -> None:
    """Run, and write the page."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5] == "True")
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each search; its pace depends on it")
    parser.add_argument("--stop", action="store_true", help="end each search at its first usable front")
    parser.add_argument("--quick", action="store_true", help="one seed, 6 s; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        given = argparse.Namespace(**vars(given) | {"seeds": 1, "budget": 6.0})
    raw = Raw("first_front", ("table", "seed", "budget", "stop"), quick=given.quick)
    if not given.report:
        run(given, raw)
    text = summary([row for row in raw.rows() if (row["budget"], row["stop"]) == (given.budget, given.stop)])
    if given.report:
        page("first_front", "First usable front", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
