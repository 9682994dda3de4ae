"""How much memory: the peak of whole searches on large tables, by the command line as a user runs it.

    python -m benchmarks.memory [--budget 60] [--jobs 1,2] [--quick] [--report]

Synthetic Parquet tables: 1,000,000 rows x 50 columns (limit 6 GB) and 100,000 x 50 (limit 2 GB). The peak is the
largest sum of the resident memory of the process and its children, read every 50 ms (shared pages count in each, so it
is an upper bound), and beside it the kernel's own peak of the largest single process.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.synthetic import table

#: (rows, columns, classes) -> limit in bytes
CASES = {(100_000, 50, 0): 2e9, (100_000, 50, 5): 2e9, (1_000_000, 50, 0): 6e9, (1_000_000, 50, 5): 6e9}
_POLL_S = 0.05


def run_case(rows: int, columns: int, classes: int, budget_s: float, jobs: int, seed: int = 0) -> Row:
    """Search one table with the command line and return its peak of memory."""
    with tempfile.TemporaryDirectory() as folder:
        path, out, log = (Path(folder) / name for name in ("table.parquet", "out", "log.txt"))
        table(rows, columns, seed, classes=classes).write_parquet(path)
        command = [sys.executable, "-m", "netgraft", "search", str(path), "--target", "y", "--budget", f"{budget_s:g}s"]
        command += ["--jobs", str(jobs), "--seed", str(seed), "--out", str(out)]
        started = time.monotonic()
        with log.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file)
            peak = _watch(process)
        result: Row = {
            "peak_bytes": peak,
            "kernel_peak_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
            "wall_s": round(time.monotonic() - started, 1),
            "table_bytes": path.stat().st_size,
            "exit": process.returncode,
        }
        if process.returncode:
            result["failed"] = log.read_text()[-300:]
        return result


def _watch(process: subprocess.Popen[bytes]) -> int:
    """Return the largest resident memory of a process and its children until it ends."""
    peak, watched = 0, psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        try:
            for one in [watched, *watched.children(recursive=True)]:
                total += one.memory_info().rss
        except psutil.Error:
            pass
        peak = max(peak, total)
        time.sleep(_POLL_S)
    return peak


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every case that is not done, each in a fork, so that the kernel's peak is that of its own children."""
    cases = [(2_000, 50, 0)] if given.quick else list(CASES)
    for rows, columns, classes in cases:
        for jobs in (int(text) for text in given.jobs.split(",")):
            cell = {"rows": rows, "columns": columns, "classes": classes, "jobs": jobs, "budget": given.budget}
            if raw.has(**cell):
                continue
            forked = os.fork()
            if forked == 0:
                raw.add(cell | run_case(rows, columns, classes, given.budget, jobs))
                os._exit(0)
            os.waitpid(forked, 0)
            print(f"{cell}: done", file=sys.stderr, flush=True)


def summary(rows: list[Row]) -> str:
    """Return the table of the page."""
    lines = []
    for row in rows:
        limit = CASES.get((row["rows"], row["columns"], row["classes"]), 2e9)
        peak = row["peak_bytes"]
        kind = f"{row['classes']} classes" if row["classes"] else "regression"
        lines.append(
            [
                f"{row['rows']:,} x {row['columns']}",
                kind,
                str(row["jobs"]),
                f"{peak / 1e9:.2f}",
                f"{row['kernel_peak_bytes'] / 1e9:.2f}",
                f"{limit / 1e9:g}",
                "yes" if peak <= limit and not row["exit"] else "no",
                f"{row['wall_s']:.0f}",
                row.get("failed", "").replace("\n", " ")[-120:] or "0",
            ]
        )
    head = ["table", "target", "jobs", "peak, GB", "largest process, GB", "limit, GB", "within", "wall, s", "exit"]
    return markdown_table(head, lines)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each search")
    parser.add_argument("--jobs", default="1,2", help="comma-separated numbers of processes")
    parser.add_argument("--quick", action="store_true", help="2,000 rows, 5 s; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        given = argparse.Namespace(**vars(given) | {"budget": 5.0})
    raw = Raw("memory", ("rows", "columns", "classes", "jobs", "budget"), quick=given.quick)
    if not given.report:
        run(given, raw)
    text = summary([row for row in raw.rows() if row["budget"] == given.budget])
    if given.report:
        page("memory", "Peak memory of searches", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
