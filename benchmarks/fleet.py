"""A fleet of 50 base stations: does the time per domain fall as the library grows, and are two workers faster than one?

    python -m benchmarks.fleet [--sites 50] [--budget 5] [--evaluations 6] [--seeds 1] [--quick] [--report]

Energy of base stations by hour (the ITU's challenge of 2023): ten stations of each of five types of radio unit, 100
hours of each, of which the first 70 are searched and the last 30 are test rows. The order of the stations is drawn and
all have equally many rows, so a station's place in the fleet says nothing about its type.

Growth: one fleet whose library grows with every domain, one that starts every domain cold, each with the same seconds
per domain and one job. Judged is when a search first has a network of the least validation error that the cold search
of the same domain ends with, and the test error of the picked point. Speed: cold fleets with a number of evaluations,
which do the same work whoever does it, by the engines local and Ray with one and two jobs; the time is that of the
whole command. A growth fleet that was stopped goes on; one that is timed begins anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.tables import DATA
from benchmarks.transfer_search import built
from netgraft.search import Journal

HOURS, TRAIN_HOURS = 100, 70
TYPES = ("Type2", "Type3", "Type4", "Type5", "Type6")
GROWING, COLD = "growing", "cold"
ENGINES = (("local", 1), ("local", 2), ("ray", 1), ("ray", 2))
WHOLE = "whole fleet"
#: An error at most this many times another is near it.
NEAR = 1.05
_PARTS = 5


@dataclass(frozen=True)
class Run:
    """A fleet to search.

    Attributes:
        start: growing or cold.
        engine: local or ray.
        jobs: domains at once.
        limit: of each search, as an option of the command line and its value.
    """

    start: str
    engine: str
    jobs: int
    limit: tuple[str, str]

    def cell(self, sites: int, seed: int) -> Row:
        """Return what the rows of a fleet have in common."""
        return {
            "start": self.start,
            "engine": self.engine,
            "jobs": self.jobs,
            "limit": " ".join(self.limit),
            "sites": sites,
            "seed": seed,
        }


def growth_runs(budget_s: float) -> list[Run]:
    """Return the fleets that show what the library is worth."""
    return [Run(start, "local", 1, ("--budget", f"{budget_s:g}s")) for start in (GROWING, COLD)]


def speed_runs(evaluations: int) -> list[Run]:
    """Return the fleets that are timed."""
    return [Run(COLD, engine, jobs, ("--evaluations", str(evaluations))) for engine, jobs in ENGINES]


def write_sites(sites: int, seed: int, folder: Path) -> tuple[Path, Path]:
    """Write the tables to search and to test; a site's name begins with its place in the fleet.

    Args:
        sites: how many, equally many of each type, the stations with most rows.
        seed: of the order.
        folder: where to.
    """
    stored = pl.read_parquet(DATA / "itu_5g_energy/energy.parquet")
    counts = stored.group_by("BS").agg(pl.len().alias("rows"), pl.col("RUType").first())
    able = counts.filter((pl.col("rows") >= HOURS) & pl.col("RUType").is_in(TYPES))
    ranked = able.sort("rows", "BS", descending=[True, False]).group_by("RUType", maintain_order=True)
    chosen = ranked.head(sites // len(TYPES)).sort("BS")
    order = np.random.default_rng(seed).permutation(chosen.height)
    names = pl.Series("site", [f"{place + 1:02d}" for place in np.argsort(order)])
    named = chosen.select("BS", pl.concat_str([names, "RUType", "BS"], separator=" ").alias("site"))
    hours = stored.join(named, on="BS").drop("BS").sort("site", "Time").group_by("site", maintain_order=True)
    train = hours.head(HOURS).group_by("site", maintain_order=True).head(TRAIN_HOURS)
    test = hours.head(HOURS).group_by("site", maintain_order=True).tail(HOURS - TRAIN_HOURS)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "sites.parquet", folder / "later.parquet"
    for path, frame in zip(paths, (train, test), strict=True):
        frame.write_parquet(path)
    return paths


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Search every fleet that is not done."""
    timed = speed_runs(given.evaluations)
    for seed in range(given.seeds):
        folder = built(given.budget) / "fleets" / f"{given.sites}-sites-seed-{seed}"
        tables = write_sites(given.sites, seed, folder)
        for fleet in [*growth_runs(given.budget), *timed]:
            cell = fleet.cell(given.sites, seed)
            if raw.has(**cell, site=WHOLE):
                continue
            out = folder / "-".join([fleet.start, fleet.engine, str(fleet.jobs), *fleet.limit])
            if fleet in timed or not (out / "fleet.json").exists():
                shutil.rmtree(out, ignore_errors=True)
            result, domains = search(fleet, tables, out, seed)
            for domain in domains:
                raw.add(cell | domain)
            raw.add(cell | {"site": WHOLE} | result)
            about = result.get("failed") or f"{result['done']} domains in {result['seconds']:.0f} s"
            print(f"{cell}: {about}", file=sys.stderr, flush=True)


def search(fleet: Run, tables: tuple[Path, Path], out: Path, seed: int) -> tuple[Row, list[Row]]:
    """Return what is known of a fleet and of each of its domains, after the command line has searched it."""
    train, test = map(str, tables)
    command = [sys.executable, "-m", "netgraft", "search", train, "--test", test, "--target", "Energy", "--by", "site"]
    command += ["--time", "Time", "--device", "raspberry-pi-4", "--seed", str(seed), "--out", str(out), "--resume"]
    command += [*fleet.limit, "--engine", fleet.engine, "--jobs", str(fleet.jobs)]
    command += ["--source", "none"] if fleet.start == COLD else []
    started = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    wall_s = round(time.monotonic() - started, 2)
    if ended.returncode:
        return {"failed": ended.stderr.strip()[-300:] or f"exit {ended.returncode}"}, []
    found = json.loads((out / "fleet.json").read_text(encoding="utf-8"))
    domains = [_domain(known, out) for known in found["domains"]]
    done = sum(domain["state"] == "done" for domain in domains)
    return {"seconds": found["seconds"], "wall_s": wall_s, "done": done}, domains


def _domain(known: Row, out: Path) -> Row:
    """Return what is known of a domain, its curve too: seconds and the least validation error of a network by then."""
    kept = ("rows", "state", "reason", "picked", "error", "size", "test_error", "seconds", "evaluations")
    transfer = known["transfer"] or {}
    row = {"site": known["value"], "place": int(known["value"].split()[0])} | {name: known[name] for name in kept}
    row |= {"mode": transfer.get("mode"), "decision": transfer.get("decision"), "sources": known["sources"]}
    return row | {"curve": _curve(out / known["folder"] / "journal.db") if known["state"] == "done" else []}


def _curve(journal: Path) -> list[tuple[float, float]]:
    best, curve = float("inf"), []
    with Journal.read(journal) as recorded:
        for batch in recorded.batches():
            errors = [e.values["error"] for e in batch.evaluations if e.valued]
            best = min([best, *errors])
            curve.append((round(batch.seconds, 3), best))
    return curve


def reached(curve: Sequence[Sequence[float]], error: float) -> float:
    """Return the seconds when a curve first was at an error or below, infinite where it never was."""
    return next((seconds for seconds, best in curve if best <= error * (1 + 1e-9)), np.inf)


@dataclass(frozen=True)
class Pair:
    """A domain searched with the library as it then was, and cold.

    Attributes:
        with_library, cold: their rows.
    """

    with_library: Row
    cold: Row

    @property
    def place(self) -> int:
        """The domain's place in the fleet, from 1."""
        return int(self.cold["place"])

    @property
    def is_accepted(self) -> bool:
        """Whether the guard accepted earlier models."""
        return bool(self.with_library["decision"] == "accepted")

    @property
    def gain(self) -> float:
        """By how much the library lowered the test error."""
        return float(self.cold["test_error"] - self.with_library["test_error"])

    def times(self, near: float = 1.0) -> tuple[float, float]:
        """Return the seconds to a multiple of the error that the cold search ends with: with the library, and cold."""
        error = self.cold["curve"][-1][1] * near
        return reached(self.with_library["curve"], error), reached(self.cold["curve"], error)

    def ratio(self, near: float = 1.0) -> float:
        """Return the first of these times as a multiple of the second."""
        with_library, cold = self.times(near)
        return with_library / cold


def pairs(rows: Sequence[Row]) -> list[Pair]:
    """Return the domains of the growth fleets that both have searched, in the order of the fleet."""
    by_start: dict[str, dict[tuple[int, str], Row]] = {GROWING: {}, COLD: {}}
    for row in rows:
        if row["site"] != WHOLE and row["state"] == "done":
            by_start[row["start"]][row["seed"], row["site"]] = row
    grown, cold = by_start[GROWING], by_start[COLD]
    return sorted((Pair(grown[key], cold[key]) for key in grown.keys() & cold.keys()), key=lambda pair: pair.place)


def growth(found: Sequence[Pair]) -> str:
    """Return whether the time per domain falls, and how times and errors change along the fleet."""
    places = max(pair.place for pair in found)
    lines = [
        [f"{part[0]} to {part[-1]}", *_part([pair for pair in found if pair.place in part])]
        for part in np.array_split(np.arange(1, places + 1), min(_PARTS, places))
    ]
    lines.append(["all", *_part(found)])
    head = ["place in the fleet", "sources accepted", "reached", "s with the library, median", "s cold, median"]
    head += ["ratio, median (quartiles)", "test error with the library, median", "cold", "gain, median", "better"]
    return f"{_verdict(found)}\n\n{markdown_table(head, lines)}"


def _verdict(found: Sequence[Pair]) -> str:
    """Return in words whether times fall with the place in the fleet."""
    texts = []
    for near, what in ((1.0, "to the error that the cold search ends with"), (NEAR, f"to {NEAR} times that error")):
        said = []
        for name, values in (
            ("with the library", [pair.times(near)[0] for pair in found]),
            ("as a multiple of the cold search's", [pair.ratio(near) for pair in found]),
            ("cold, as a control", [pair.times(near)[1] for pair in found]),
        ):
            rho, p = _trend([pair.place for pair in found], values)
            trend = ("**falls**" if rho < 0 else "**rises**") if p < 0.05 else "does **not** change measurably"
            said.append(f"{name} it {trend} (Spearman {rho:+.2f}, p = {p:.2g})")
        texts.append(f"Along the fleet of {len(found)} domains, the time {what}: {'; '.join(said)}.")
    return "\n\n".join(texts)


def _trend(places: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Return Spearman's correlation and its p-value; never reached is later than any time, constant is no trend."""
    ranked = np.unique(values, return_inverse=True)[1]
    if len(places) < 3 or not ranked.any():
        return 0.0, 1.0
    found = spearmanr(places, ranked)
    return float(found.statistic), float(found.pvalue)


def _part(found: Sequence[Pair]) -> list[str]:
    if not found:
        return [""] * 9
    times = [pair.times() for pair in found]
    low, mid, high = np.quantile([pair.ratio() for pair in found], [0.25, 0.5, 0.75], method="nearest")
    gains = [pair.gain for pair in found]
    return [
        f"{sum(pair.is_accepted for pair in found)} of {len(found)}",
        f"{sum(np.isfinite(with_library) for with_library, _ in times)} of {len(found)}",
        _seconds(float(np.quantile([own for own, _ in times], 0.5, method="nearest"))),
        _seconds(float(np.quantile([cold for _, cold in times], 0.5, method="nearest"))),
        f"{_seconds(mid)} ({_seconds(low)} to {_seconds(high)})",
        f"{median(pair.with_library['test_error'] for pair in found):.3f}",
        f"{median(pair.cold['test_error'] for pair in found):.3f}",
        f"{median(gains):+.4f}",
        f"{sum(gain > 0 for gain in gains)} of {len(found)}",
    ]


def _seconds(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "never"


def speed(rows: Sequence[Row]) -> str:
    """Return how long each engine took, and whether the domains came out the same."""
    fleets = {(row["engine"], row["jobs"], row["seed"]): row for row in rows if row["site"] == WHOLE}
    errors: dict[tuple[str, int, int], dict[str, float]] = {}
    for row in rows:
        if row["site"] != WHOLE:
            errors.setdefault((row["engine"], row["jobs"], row["seed"]), {})[row["site"]] = row["error"]
    lines = []
    for (engine, jobs, seed), row in sorted(fleets.items(), key=lambda item: (item[0][2], *item[0][:2])):
        one = fleets.get((engine, 1, seed), {}).get("wall_s")
        if "failed" in row:
            lines.append([engine, str(jobs), str(seed), "", "", "", "", row["failed"].replace("\n", " ")])
            continue
        first = errors.get(("local", 1, seed), {})
        same = sum(error == first.get(site) for site, error in errors[engine, jobs, seed].items())
        lines.append(
            [
                engine,
                str(jobs),
                str(seed),
                f"{row['wall_s']:.1f}",
                f"{row['wall_s'] / row['done']:.2f}",
                f"{one / row['wall_s']:.2f}" if one else "",
                f"{same} of {row['done']}",
                "",
            ]
        )
    head = ["engine", "jobs", "seed", "wall, s", "wall per domain, s", "times as fast as its one job"]
    return markdown_table([*head, "same error as local with one job", "failed"], lines)


def every(found: Sequence[Pair]) -> str:
    """Return a line for each domain."""
    lines = []
    for pair in found:
        own, cold = pair.times()
        lines.append(
            [
                pair.cold["site"],
                f"{pair.with_library['mode']}" if pair.is_accepted else "refused",
                f"{pair.with_library['seconds']:.2f}",
                f"{pair.cold['seconds']:.2f}",
                _seconds(own),
                _seconds(cold),
                f"{pair.with_library['test_error']:.4f}",
                f"{pair.cold['test_error']:.4f}",
            ]
        )
    head = [
        "place, type, station",
        "sources",
        "search, s",
        "cold",
        "to the cold error, s",
        "cold",
        "test error",
        "cold",
    ]
    return markdown_table(head, lines)


def summary(rows: Sequence[Row], given: argparse.Namespace) -> str:
    """Return the tables of the page."""
    limits = [" ".join(runs[0].limit) for runs in (growth_runs(given.budget), speed_runs(given.evaluations))]
    of_growth, of_speed = ([row for row in rows if row["limit"] == limit] for limit in limits)
    found, parts = pairs(of_growth), []
    if found:
        parts += [f"## As the library grows, {given.budget:g} s for each domain", growth(found)]
    if of_speed:
        parts += [f"## One worker and two, {given.evaluations} evaluations for each domain", speed(of_speed)]
    lost = [row for row in rows if row["site"] != WHOLE and row["state"] != "done"]
    parts += [f"{row['site']} ({row['start']}) is {row['state']}: {row['reason']}" for row in lost]
    if found:
        parts += ["## Every domain", every(found)]
    return "\n\n".join(parts) or "no fleet has been searched"


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=50, help="base stations, a multiple of 5 up to 90")
    parser.add_argument("--budget", type=float, default=5.0, help="seconds for each domain of the growth fleets")
    parser.add_argument("--evaluations", type=int, default=6, help="for each domain of the timed fleets")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="5 sites; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        given = argparse.Namespace(**vars(given) | {"sites": 5})
    raw = Raw("fleet", ("start", "engine", "jobs", "limit", "sites", "seed", "site"), quick=given.quick)
    if not given.report:
        run(given, raw)
    rows = [row for row in raw.rows() if row["sites"] == given.sites and row["seed"] < given.seeds]
    text = summary(rows, given)
    if given.report:
        page("fleet", "A fleet of 50 domains", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
