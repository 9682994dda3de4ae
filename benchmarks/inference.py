"""How fast predictions are: the picked network in ONNX Runtime and in the numpy runtime against LightGBM's predict.

    python -m benchmarks.inference [--seeds 3] [--budget 30] [--tables NAME,...] [--quick] [--report]

Raw columns in, prediction out, one thread, median and 95th percentile of repeated calls after a warm-up. LightGBM, at
its defaults, is timed twice: ``predict`` of the scikit-learn estimator on a pandas frame, and of the bare booster on a
numpy array that needs no preparation (which Netgraft's timings include). The network is the one with the least
validation error; ``picked`` is whatever the search picked, which may be a stack with trees in it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.page import markdown_table, page
from benchmarks.peers import Frames, safe_names
from benchmarks.raw import Raw, Row
from benchmarks.tables import Sample, named, sample

TABLES = ["itu_energy", "kth_boutique", "tractor", "nsl_kdd", "covertype"]
BATCHES = (1, 10_000)
_SECONDS, _LEAST, _MOST, _WARM = 2.0, 20, 2_000, 5


def timed(call: Callable[[], Any], seconds: float) -> dict[str, float]:
    """Return median and 95th percentile of the seconds of a call."""
    for _ in range(_WARM):
        call()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < _LEAST or (time.perf_counter() < end and len(taken) < _MOST):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return {"median_s": float(np.median(taken)), "p95_s": float(np.quantile(taken, 0.95)), "calls": len(taken)}


def run_table(rows: Sample, seed: int, budget_s: float, seconds: float) -> list[Row]:
    """Search, fit LightGBM, and time all of them."""
    from netgraft.lifecycle.search import SearchSettings, search_front
    from netgraft.tables import Task

    task = Task.read(rows.train, target=rows.target, kind=rows.kind, group=rows.group, test=rows.test, seed=seed)
    front = search_front(task, SearchSettings(budget_s=budget_s, seed=seed, jobs=1))
    networks = [point for point in front.points if point.family == "network"]
    chosen = {"network": min(networks, key=lambda point: point.values["error"]), "picked": front.point()}
    made: list[Row] = []
    assert task.test is not None
    for name, point in chosen.items():
        for batch in BATCHES:
            taken = np.resize(np.arange(len(task.test)), batch)
            raw = {column.name: task.test.raw[column.name][taken] for column in point.model.encoding.columns}
            about = {"model": name, "family": point.family, "parameters": point.model.parameters, "batch": batch}
            about |= {"score": 1 - point.test["error"] if point.test else None, "size": point.model.size_bytes}
            for runtime, call in (
                ("onnx", _onnx(point.model, raw)),
                ("numpy", lambda p=point, r=raw: p.model.predict(r)),
            ):
                made.append(about | {"runtime": runtime} | timed(call, seconds))
    return made + _lightgbm(rows, seed, seconds)


def _onnx(model: Any, raw: dict[str, np.ndarray]) -> Callable[[], Any]:
    """Return a call of the exported model in ONNX Runtime with one thread."""
    import onnxruntime

    from netgraft.root.onnx import onnx_inputs, to_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = onnx_inputs(model, raw)
    return lambda: session.run(None, feeds)


def _lightgbm(rows: Sample, seed: int, seconds: float) -> list[Row]:
    """Return the timings of LightGBM."""
    import lightgbm

    kind = lightgbm.LGBMClassifier if rows.kind == "classification" else lightgbm.LGBMRegressor
    frames = Frames(rows, safe_names)
    model = kind(random_state=seed, n_jobs=1, verbose=-1).fit(frames(rows.train), frames.target)
    size = len(model.booster_.model_to_string())
    score = rows.score(frames.labels(model.predict(frames(rows.test))))
    made = []
    for batch in BATCHES:
        frame = frames(rows.test).iloc[np.resize(np.arange(len(rows.test)), batch)]
        named_codes = frame.select_dtypes("category").columns
        codes = frame.assign(**{name: frame[name].cat.codes.astype(np.float64) for name in named_codes})
        array = np.ascontiguousarray(codes.to_numpy(np.float64))
        about = {
            "model": "lightgbm",
            "family": "trees",
            "parameters": None,
            "batch": batch,
            "score": score,
            "size": size,
        }
        calls = {
            "frame": lambda f=frame: model.predict(f),
            "array": lambda a=array: model.booster_.predict(a, num_threads=1),
        }
        made += [about | {"runtime": name} | timed(call, seconds) for name, call in calls.items()]
    return made


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every cell that is not done."""
    for seed in range(given.seeds):
        for source in named(given.tables, TABLES):
            cell = {"table": source.name, "seed": seed, "budget": given.budget}
            if raw.has(**cell):
                continue
            rows = sample(source, seed=seed, rows=given.rows)
            raw.add(cell | {"timings": run_table(rows, seed, given.budget, given.seconds)})
            print(f"{source.name} seed {seed}: done", file=sys.stderr, flush=True)


def summary(rows: list[Row]) -> str:
    """Return the tables of the page."""
    parts = []
    for batch in BATCHES:
        lines = []
        for table in dict.fromkeys(row["table"] for row in rows):
            found: dict[str, list[Row]] = {}
            for row in rows:
                for timing in row["timings"]:
                    if row["table"] == table and timing["batch"] == batch:
                        found.setdefault(f"{timing['model']} {timing['runtime']}", []).append(timing)
            base = np.median([t["median_s"] for t in found["lightgbm array"]])
            for name, timings in found.items():
                middle = np.median([t["median_s"] for t in timings])
                parameters = [t["parameters"] for t in timings if t["parameters"]]
                lines.append(
                    [
                        table,
                        name,
                        f"{middle * 1e6:,.0f}",
                        f"{np.median([t['p95_s'] for t in timings]) * 1e6:,.0f}",
                        " to ".join(f"{end(t['median_s'] for t in timings) * 1e6:,.0f}" for end in (min, max)),
                        f"{base / middle:.2f}",
                        f"{np.median(parameters):,.0f}" if parameters else "",
                        f"{np.median([t['size'] for t in timings]) / 1e3:,.1f}",
                        f"{np.median([t['score'] for t in timings]):.4f}",
                    ]
                )
        head = [
            "table",
            "model and runtime",
            "median, us",
            "p95, us",
            "medians over seeds",
            "times LightGBM's array predict",
        ]
        head += ["parameters", "kB (LightGBM: text)", "test score"]
        parts += [f"## Batch {batch:,}", markdown_table(head, lines)]
    return "\n\n".join(parts)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of each search")
    parser.add_argument("--tables", help=f"comma-separated; default {','.join(TABLES)}")
    parser.add_argument("--quick", action="store_true", help="one seed, one table, 5 s; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = argparse.Namespace(**vars(parser.parse_args()) | {"rows": 20_000, "seconds": _SECONDS})
    if given.quick:
        values = {"seeds": 1, "budget": 5.0, "rows": 7_000, "seconds": 0.3, "tables": given.tables or "nsl_kdd"}
        given = argparse.Namespace(**vars(given) | values)
    raw = Raw("inference", ("table", "seed", "budget"), quick=given.quick)
    if not given.report:
        run(given, raw)
    text = summary([row for row in raw.rows() if row["budget"] == given.budget])
    if given.report:
        page("inference", "Speed of predictions", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
