"""Searches of the transfer benchmark: of each source once, into libraries that are kept, and of the targets, judged.

A source is searched cold with the seed 0 and its front kept under ``build/transfer``, in a folder named after the hash
of the package's code and the budget; a library is made of the fronts of a target's sources. Both are whole or absent,
so a run that was stopped goes on, and two shards make none twice: each is made under a lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from benchmarks.curves import CpuClock
from benchmarks.raw import Row
from benchmarks.transfer_tasks import Case
from netgraft.library import Library
from netgraft.lifecycle import search as product
from netgraft.lifecycle.job import search_into
from netgraft.lifecycle.shelf import add_to_library
from netgraft.runtime import Network
from netgraft.search import BatchReport, Evaluation, front_hypervolume, non_dominated
from netgraft.tables import METRICS, Task
from netgraft.transfer.source import ROWS, KeptRows

KEPT = 1_000
_ROOT = Path(__file__).resolve().parents[1]
#: CPU-seconds, evaluations, and test error and bytes of each network of the front then
Fronts = list[tuple[float, int, list[tuple[float, float]]]]


@cache
def built(budget_s: float) -> Path:
    """Return the folder of what is kept for the package's code as this process found it and for a budget."""
    code = hashlib.sha256()
    for path in sorted((_ROOT / "src").rglob("*.py")):
        code.update(path.read_bytes())
    return _ROOT / "build" / "transfer" / f"{code.hexdigest()[:8]}-{budget_s:g}s"


def library_of(case: Case, budget_s: float) -> Path:
    """Return the folder of the library of a case's sources; whatever it lacks is searched for first."""
    folder = built(budget_s)
    table = case.name.split("/")[0]
    finished = {domain: _searched(case, domain, folder / "searches" / table, budget_s) for domain in case.sources}
    made = folder / "libraries" / _plain(case.name)
    with _locked(made):
        if not made.exists():
            begun = made.with_name(f"{made.name}.begun")
            shutil.rmtree(begun, ignore_errors=True)
            library = Library.init(begun)
            for domain, searched in finished.items():
                add_to_library(library, searched, domain, domain=domain, keep_rows=KEPT)
            begun.rename(made)
    return made


def kept_rows(case: Case, library: Path) -> dict[str, pd.DataFrame]:
    """Return the rows of each source that are in the library, as the peers get them."""
    opened = Library(library)
    found = {}
    for domain, frame in case.sources.items():
        kept = KeptRows.from_parquet(opened.read(opened.get(domain), ROWS))
        constants = {name: frame[name].iloc[0] for name in case.sample.features if name not in kept.raw}
        rows = pd.DataFrame({**kept.raw, case.sample.target: kept.y}).assign(**constants)
        for name in case.sample.categorical:
            rows[name] = rows[name].astype(object).where(rows[name] != "", None)
        found[domain] = rows
    return found


def _searched(case: Case, domain: str, folder: Path, budget_s: float) -> Path:
    """Return the folder of a finished search of a source."""
    made, table = folder / _plain(domain), folder / f"{_plain(domain)}.parquet"
    with _locked(made):
        if not (made / "front.json").exists():
            shutil.rmtree(made, ignore_errors=True)
            case.sources[domain].to_parquet(table)
            sample = case.sample
            search_into(
                made,
                lambda: Task.read(table, target=sample.target, kind=sample.kind, group=sample.group),
                product.SearchSettings(budget_s=budget_s, jobs=1),
            )
    return made


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time make something; a process that ends, however it does, leaves the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _plain(name: str) -> str:
    return name.replace("/", "-").replace(" ", "-")


def run_netgraft(case: Case, library: Path, seed: int, budget_s: float, sources: str) -> Row:
    """Search a target and return the score of what was picked and the fronts on the way, judged on test rows.

    The search's clock reads CPU-seconds; taking networks out for the judges is not counted, and they judge afterwards.

    Args:
        case: the target.
        library: of its sources.
        seed: of the search.
        budget_s: CPU-seconds.
        sources: ``auto``, or ``none`` for a cold start.
    """
    sample = case.sample
    task = Task.read(
        sample.train, target=sample.target, kind=sample.kind, group=sample.group, test=sample.test, seed=seed
    )
    settings = product.SearchSettings(budget_s=budget_s, seed=seed, jobs=1, library=str(library), sources=(sources,))
    clock, done = CpuClock(), list[Evaluation]()
    networks: dict[int, Network] = {}
    seen: list[tuple[float, int, list[Evaluation]]] = []

    def on_batch(report: BatchReport, network: Callable[[Evaluation], Network]) -> None:
        """Take note of the front's networks."""
        seconds = clock()
        with clock.paused():
            done.extend(e for e in report.evaluations if e.valued)
            front = _front(done)
            networks.update({e.id: network(e) for e in front if e.id not in networks})
            if not seen or [e.id for e in front] != [e.id for e in seen[-1][2]]:
                seen.append((seconds, report.trained, front))

    began = time.monotonic()  # functions that took the clock as a default argument keep the real one: same origin
    with mock.patch.object(time, "monotonic", lambda: began + clock()):  # noqa: PT008 it is a clock, not a value
        front = product.search_front(task, settings, on_batch=on_batch)
    seconds = clock()
    errors = _judged(front, networks)
    picked = front.point()
    assert picked.test is not None
    transfer = front.transfer or {}
    return {
        "score": 1 - picked.test["error"],
        "picked": picked.id,
        "evaluations": front.archive.trained,
        "search_s": round(seconds, 3),
        "space": [front.space["smallest_bytes"], front.space["largest_bytes"]],
        "fronts": [
            (round(at, 3), trained, [(round(errors[e.id], 5), e.values["size"]) for e in shown])
            for at, trained, shown in seen
        ],
        "mode": transfer.get("mode"),
        "sources": [source["name"] for source in transfer.get("sources", ())],
        "decision": transfer.get("guard", {}).get("decision"),
        "candidates": transfer.get("guard", {}).get("candidates"),
    }


def _front(done: list[Evaluation]) -> list[Evaluation]:
    """Return the evaluations that no other dominates in validation error and size."""
    points = np.array([[e.values["error"], e.values["size"]] for e in done]).reshape(-1, 2)
    return [e for e, good in zip(done, non_dominated(points), strict=True) if good] if done else []


def _judged(front: product.Front, networks: dict[int, Network]) -> dict[int, float]:
    """Return the test error of networks that were on the front of a search at some time."""
    task, test = front.task, front.task.test
    assert test is not None
    # all networks of a search share one encoding, that of any network which is left
    model = next(point.model for point in front.points if point.family == "network")
    inputs = model.encoding.apply(test.raw)
    found = {}
    for number, network in networks.items():
        one = replace(model, parts=(network,), mixture=np.ones(1, np.float32)).predict_encoded(inputs)
        found[number] = float(METRICS[task.metric].error(test.y, one.values, one.probabilities))
    return found


def curve(fronts: Fronts, bounds: tuple[float, float]) -> list[tuple[float, float]]:
    """Return CPU-seconds and hypervolume on test rows after each change of a front.

    Args:
        fronts: of a search.
        bounds: bytes of the smallest and the largest network of the space.
    """
    points = [(seconds, np.array(front, np.float64).reshape(-1, 2)) for seconds, _, front in fronts]
    return [(seconds, float(front_hypervolume(p[:, 0], p[:, 1], *bounds))) for seconds, p in points]
