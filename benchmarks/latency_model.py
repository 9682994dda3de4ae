"""How well the latency model of `netgraft.devices` predicts this machine: fitted on some models, tested on others.

Measures a profile of this machine, then builds random composite models that the profile has never seen (raw columns to
prediction, the form in which Netgraft exports), times each in ONNX Runtime at batch 1 and compares.

    python benchmarks/latency_model.py [--models 15] [--seeds 3] [--budget 1.0] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from netgraft.devices import latency_s, measure_this
from netgraft.devices.measure import time_sketches
from netgraft.devices.sketch import random_sketches, sketch_layers
from netgraft.devices.this import machine_identity


def compare(models: int, seed: int, budget_s: float) -> list[dict[str, object]]:
    """Return for each random model its sizes, the predicted and the measured seconds, and the relative error."""
    profile = measure_this(budget_s=budget_s, seed=seed)
    sketches = random_sketches(models, 1_000 + seed)
    rows = []
    for sketch, timing in zip(sketches, time_sketches(sketches, seed=seed, budget_s=3.0), strict=True):
        predicted = latency_s(sketch_layers(sketch), profile)
        rows.append(
            {
                "seed": seed,
                "sketch": sketch.__dict__,
                "predicted_s": predicted,
                "measured_s": timing.median_s,
                "p95_s": timing.p95_s,
                "relative_error": abs(predicted / timing.median_s - 1),
            }
        )
    return rows


def describe(sketch: dict[str, object]) -> str:
    """Return a short text for a sketch."""
    text = f"{sketch['numeric']} numbers, {sketch['strings']} strings, {sketch['datetimes']} dates"
    if sketch["trees"]:
        return f"{text}, {sketch['trees']} trees of depth {sketch['depth']}"
    basis = f", {sketch['bins']} basis functions into {sketch['token']}" if sketch["bins"] else ""
    return f"{text}{basis}, widths {sketch['widths']}, {sketch['members']} members, {sketch['outputs']} outputs"


def main() -> None:
    """Run the comparison, print the table to stderr and the JSON to stdout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=15, help="random models per seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of timing for the profile")
    parser.add_argument("--out", type=Path, help="write the JSON here as well")
    given = parser.parse_args()
    rows = [row for seed in range(given.seeds) for row in compare(given.models, seed, given.budget)]
    for row in rows:
        times = f"{row['predicted_s'] * 1e6:9.1f} {row['measured_s'] * 1e6:9.1f} {row['relative_error']:7.1%}"
        print(f"{times}  {describe(row['sketch'])}", file=sys.stderr)
    errors = [row["relative_error"] for row in rows]
    by_seed = [statistics.median(r["relative_error"] for r in rows if r["seed"] == s) for s in range(given.seeds)]
    summary = {
        "machine": machine_identity(),
        "models": len(rows),
        "profile_budget_s": given.budget,
        "median_relative_error": statistics.median(errors),
        "median_by_seed": by_seed,
        "worst_relative_error": max(errors),
        "within_20_percent": sum(error <= 0.2 for error in errors) / len(errors),
    }
    text = json.dumps({**summary, "rows": rows}, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(f"median relative error {summary['median_relative_error']:.1%}", file=sys.stderr)
    print(text)


if __name__ == "__main__":
    main()
